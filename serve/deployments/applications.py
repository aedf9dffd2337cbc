"""Endpoints of a cluster, whoever deployed them: on a cluster that was joined they outlive the process that did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.cluster import connect

__all__ = ["Application", "listed", "stop"]

#: The deployment of ``serve.deployments.ingress``; other applications are somebody else's.
_OURS = "Ingress"


@dataclass(frozen=True)
class Application:
    """An endpoint as the cluster knows it.

    Args:
        name: The name of the application on the cluster.
        url: Where it answers, as the cluster's nodes see it.
        status: Ray's word: ``RUNNING``, ``DEPLOYING``, ``UNHEALTHY``, ...
        replicas: How many there are.
    """

    name: str
    url: str
    status: str
    replicas: int


def listed(address: str) -> list[Application]:
    """Return the endpoints of a cluster, which is joined for it and left again.

    Args:
        address: As ``zoo.cluster.connect`` takes it.

    Raises:
        ClusterError: The cluster cannot be reached.
    """
    with connect(address=address):
        return _found()


def stop(address: str, name: str) -> bool:
    """Let an endpoint answer what is under way, then end it; its cluster goes on.

    Args:
        address: As ``zoo.cluster.connect`` takes it.
        name: The name of the application on the cluster.

    Returns:
        Whether there was one of this name.

    Raises:
        ClusterError: The cluster cannot be reached.
    """
    from ray import serve

    with connect(address=address):
        if name not in {one.name for one in _found()}:
            return False
        serve.delete(name)
        return True


def _found() -> list[Application]:
    from ray.serve.context import _get_global_client  # `serve.status` leaves out where the proxies listen

    client: Any = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        return []
    told = client.get_serve_details()
    http = told.get("http_options") or {}
    host = http.get("host") or "127.0.0.1"
    if host in ("0.0.0.0", "::"):  # noqa: S104  # read, not listened on
        host = next((proxy["node_ip"] for proxy in (told.get("proxies") or {}).values()), "127.0.0.1")
    return [
        Application(
            name,
            f"http://{host}:{http.get('port', 8000)}{(one.get('route_prefix') or '').rstrip('/')}",
            str(getattr(one["status"], "value", one["status"])),
            len(one["deployments"][_OURS].get("replicas") or []),
        )
        for name, one in sorted(told["applications"].items())
        if _OURS in one["deployments"]
    ]
