"""One Ray context per process: started inside it, joined over an address, or adopted from the caller's script."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import zoo.cluster.java as java
from zoo.cluster.folders import claim_folder, remove_folder, short_root
from zoo.cluster.start import PATIENCE, check_loopback, hanging, start_within
from zoo.errors import ClusterError, ConfigError

__all__ = ["Session", "alive_nodes", "connect", "is_connected"]

# Ray's own settings for an embedded cluster, taken only where the user has not set them. Without the usage report
# `ray.init` takes 4.0 s instead of 5.5 s (2 cores); nothing else that can be configured was found to matter: the rest
# is Ray waiting about a second each for its API server, its object store and its agent.
_EMBEDDED_ENV = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Says that accelerators stay visible to tasks that ask for none, and spares a FutureWarning at each start.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
# Ray appends session_<date>_<pid>/sockets/plasma_store; a unix socket's path has at most 107 characters.
_LONGEST_TEMP = 107 - len("/session_2026-11-23_13-05-11_146083_4194304/sockets/plasma_store")
_TEMP_PREFIX = "zoo-ray-"
# To Ray and the system: whichever is free.
_ANY_PORT = 0


class Session:
    """A connection to Ray; a context manager that ends it the right way.

    Args:
        embedded: Whether this session started the cluster, and so stops it.
        joined: Whether this session connected the process to a cluster, and so disconnects it.
        temp: The directory and lock of an embedded cluster.
        stopped: Called when that has been shut down.
    """

    def __init__(
        self,
        *,
        embedded: bool,
        joined: bool,
        temp: tuple[Path, int] | None = None,
        stopped: Callable[[], None] = lambda: None,
    ) -> None:
        self.embedded = embedded
        self._joined = joined
        self._temp = temp
        self._stopped = stopped

    @property
    def address(self) -> str:
        """Where the cluster's head listens, as ``host:port``."""
        return str(_ray().get_runtime_context().gcs_address)

    @property
    def cpus(self) -> float:
        """CPUs of the whole cluster, busy or not."""
        try:
            return float(_ray().cluster_resources().get("CPU", 0.0))
        except Exception as error:
            raise _unreachable(str(error)) from error

    def close(self) -> None:
        """Stop an embedded cluster, leave a joined one, and do nothing to an adopted one; again does nothing."""
        if self._joined:
            self._joined = False
            _ray().shutdown()
            self._stopped()
        if self._temp is not None:
            directory, lock = self._temp
            self._temp = None
            remove_folder(directory)
            os.close(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def connect(*, workers: int | None = None, address: str | None = None, patience: float = PATIENCE) -> Session:
    """Return a session on the cluster that is meant.

    1. Ray is already initialised in this process: it is adopted and left running.
    2. ``address`` or ``RAY_ADDRESS`` is set (``ray job submit`` sets it): that cluster is joined, and only left at the
       end. A token, if the cluster asks for one, comes from Ray's own ``RAY_AUTH_MODE=token`` and ``RAY_AUTH_TOKEN`` or
       ``RAY_AUTH_TOKEN_PATH``: this function neither reads nor logs it.
    3. Otherwise Ray starts inside this process on local addresses and ends with the session, or with the process if
       that is killed. A cluster that happens to run on this machine is not joined.

    Args:
        workers: CPUs of an embedded cluster; the machine's by default. Clusters that exist keep theirs.
        address: ``host:port``, ``"auto"``, or ``"local"`` to start one in spite of ``RAY_ADDRESS``.
        patience: Seconds that an embedded cluster may take to start.

    Raises:
        ConfigError: ``workers`` is not positive.
        ClusterError: The cluster cannot be started or reached.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"`workers >= 1` must hold, but got {workers}", "leave it out to use all cores")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":
        _prepare_environment()
    ray = _ray()
    if ray.is_initialized():
        return Session(embedded=False, joined=False)
    if address == "local":
        return _embed(ray, workers or os.cpu_count() or 1, patience)
    _check_listening(address)
    try:
        # RAY_ADDRESS wins over `address="auto"` inside Ray, and is what "auto" means.
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        raise _unreachable(f"{address}: {_first_line(error)}") from error
    _silence(ray)
    return Session(embedded=False, joined=True)


def _check_listening(address: str) -> None:
    """Raise if nothing listens at ``host:port``: Ray itself would try for minutes, printing warnings."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "/" in host:
        return  # "auto" and other forms are Ray's to understand
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise _unreachable(f"{address}: {error}") from error


def is_connected() -> bool:
    """Whether this process has a Ray already; it then costs nothing to connect."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def alive_nodes() -> list[Mapping[str, float]]:
    """Return the resources of each node of the cluster that is there, busy or not, in Ray's words."""
    return [node["Resources"] for node in _ray().nodes() if node["Alive"]]


def _prepare_environment() -> None:
    """Set what an embedded cluster reads from the environment, before Ray is imported.

    Ray listens on all interfaces, whatever address it is told, and runs the code of whoever connects; so the cluster
    gets a random token. Ray reads the mode once, when it is imported: in a process that imported it earlier without a
    token the cluster has none either. The token stays for the life of the process, as Ray's copy of it does.
    """
    for name, value in _EMBEDDED_ENV.items():
        os.environ.setdefault(name, value)
    if "ray" not in sys.modules and not any(name.startswith("RAY_AUTH_") for name in os.environ):
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # A node of Ray can run JVMs, and so Spark, if `java` is on PATH when the node starts, and never otherwise.
    runtime = java.find()
    if runtime is not None and runtime.source != "PATH":
        java.put_first(runtime)


def _embed(ray: Any, workers: int, patience: float) -> Session:
    """Start a cluster in this process, in a directory of its own."""
    check_loopback()
    directory, lock = claim_folder(_TEMP_PREFIX, _temp_root())

    def undo() -> None:
        if ray.is_initialized():
            ray.shutdown()
        remove_folder(directory)
        os.close(lock)

    try:
        start = partial(
            ray.init,
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=str(directory),
        )
        with _slim():
            stopped = start_within(start, seconds=patience, undo=undo)
    except BaseException as error:
        if not hanging():  # else the thread does it, if it ever ends
            undo()
        if not isinstance(error, Exception) or isinstance(error, ClusterError):
            raise
        raise ClusterError(
            f"Ray must be able to start in this process, but it failed: {_first_line(error)}",
            "check free memory, disk space in the temporary directory and /dev/shm, then run `zoo doctor`",
        ) from error
    _silence(ray)
    return Session(embedded=True, joined=True, temp=(directory, lock), stopped=stopped)


@contextmanager
def _slim() -> Iterator[None]:
    """Let ``ray.init`` start neither the autoscaler's monitor, nor the log monitor, nor the dashboard's server.

    A cluster that lives in one process on one machine has nothing to scale, and nobody reads its workers' logs from the
    driver (``log_to_driver=False``). Without a dashboard its server only sends usage statistics, and ``ray.init`` waits
    until it has been imported. ``ray start`` has an option for the first, ``ray.init`` (2.60) for none of them.
    Together they took half of five seconds, while everything else waits for the two cores.

    The node's agent takes any port. Its own is the same for every Ray of a machine, and where another one has it the
    agent tries again for four seconds, for which ``ray.init`` waits.
    """
    from ray._private import node, parameter

    usual, server = parameter.RayParams, node.Node.start_api_server
    parameter.RayParams = partial(
        usual, no_monitor=True, include_log_monitor=False, dashboard_agent_listen_port=_ANY_PORT
    )
    node.Node.start_api_server = _no_server
    try:
        yield
    finally:
        parameter.RayParams, node.Node.start_api_server = usual, server


def _no_server(node: Any, **_: Any) -> None:
    """What Ray notes of a server without a dashboard: an address that is empty."""
    node._webui_url = ""


def _silence(ray: Any) -> None:
    """End the thread by which Ray prints cluster errors on the driver's *stdout*, whatever ``log_to_driver`` says.

    A killed worker is part of a search and told by its event; a paragraph about it would corrupt ``--json``. Ray has no
    setting for it (2.60: ``listen_error_messages``). The stop flag is only read by this thread and by the one that
    prints logs, which ``log_to_driver=False`` does not start; closing the subscription wakes the thread up.
    """
    worker = ray._private.worker.global_worker
    worker.threads_stopped.set()
    worker.gcs_error_subscriber.close()


def _temp_root() -> str:
    """Return a directory whose name is short enough for Ray's sockets."""
    root = short_root(_TEMP_PREFIX, _LONGEST_TEMP)
    if root is None:
        raise ClusterError(
            f"Ray must have a temporary directory whose path leaves room for its sockets, but {tempfile.gettempdir()} "
            "is too long",
            "set TMPDIR to a short path",
        )
    return root


def _ray() -> Any:
    """Import Ray on first use: it takes half a second."""
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            f"Ray must be importable in {sys.executable}, but it is not: {error}", "run `zoo doctor`"
        ) from error
    return ray


def _unreachable(detail: str) -> ClusterError:
    return ClusterError(
        f"the Ray cluster must be reachable, but it is not: {detail}",
        "check the address and that the cluster runs (`ray status`); if it asks for a token, set RAY_AUTH_MODE=token "
        "and RAY_AUTH_TOKEN_PATH; leave the address out to start Ray inside this process",
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
