"""``zoo serve status`` and ``zoo serve stop``."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serve.commands import processes
from zoo.commands import Outcome
from zoo.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from serve.deployments.applications import Application

__all__ = ["status", "stop"]


def status(
    name: Annotated[str | None, typer.Option(help="Name of one endpoint; all of this user's if left out.")] = None,
) -> Outcome:
    """List the endpoints of this machine and of the cluster at RAY_ADDRESS, and what they say of themselves."""
    found = [r for r in processes.listed() if name is None or r.name == name]
    joined, broken = _joined(name, {(r.name, r.url) for r in found})
    told: list[dict[str, Any]] = []
    lines: list[str] = []
    for record in found:
        models = _models(record.url, record.owner)
        known = {"name": record.name, "url": record.url, "proxy": record.proxy, "health": record.health}
        told.append({**known, "pid": record.pid, **models})
        health = f", health also at {record.health}" if record.health else ""
        lines.append(f"{record.name}: {record.url or 'starting'} (proxy: {record.proxy or 'none yet'}{health})")
        lines += _lines(models)
    for one in joined:
        models = _models(one.url)
        told.append({"name": one.name, "url": one.url, "status": one.status, "replicas": one.replicas, **models})
        lines.append(f"{one.name}: {one.url} (on the cluster: {one.status}, {one.replicas} replicas)")
        lines += _lines(models)
    if broken:
        lines.append(f"the cluster at RAY_ADDRESS: {broken}")
    text = "\n".join(lines) or "nothing is served from this machine by this user"
    values = {"endpoints": told} | ({"cluster": broken} if broken else {})
    return Outcome(values, text, 1 if broken or not (told or name is None) else 0)


def _joined(name: str | None, known: set[tuple[str, str]]) -> tuple[list[Application], str]:
    """Return endpoints of the cluster that no process of this machine keeps, or why they cannot be had."""
    address = os.environ.get("RAY_ADDRESS", "")
    if address in ("", "local"):
        return [], ""
    from serve.deployments import applications

    try:
        found = applications.listed(address)
    except ClusterError as error:
        return [], error.message  # those of this machine are shown all the same
    return [one for one in found if (one.name, one.url) not in known and name in (None, one.name)], ""


def _lines(models: dict[str, Any]) -> list[str]:
    from zoo.page.wording import moment

    lines = []
    for one in models.get("models", []):
        state = "loaded" if one["loaded"] else "on disk"
        mark = "*" if one["default"] else " "
        lines.append(f"  {mark} {one['name']}@{one['version']}  {state}  up to {moment(one.get('last_time', '?'))}")
    if "unreachable" in models:
        lines.append(f"    does not answer: {models['unreachable']}")
    return lines + [f"    refused {what}: {why}" for what, why in models.get("refused", {}).items()]


def _models(url: str, owner: str = "") -> dict[str, Any]:
    if not url:
        return {}  # it is starting
    headers = {"Authorization": f"Bearer {owner}"} if owner else {}
    request = urllib.request.Request(f"{url}/v1/models", headers=headers)  # noqa: S310  # our own URL
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  # our own URL
            found: dict[str, Any] = json.load(response)
    except (urllib.error.URLError, OSError, HTTPException, ValueError) as error:
        return {"unreachable": str(error)}
    return found


def stop(
    name: Annotated[str, typer.Option(help="Name of the endpoint.")] = "default",
) -> Outcome:
    """Stop an endpoint of this machine, else of the cluster at RAY_ADDRESS, and return when it has gone."""
    record = processes.read(name)
    if record is None or record.pid == os.getpid():
        address = os.environ.get("RAY_ADDRESS", "")
        if address not in ("", "local"):
            from serve.deployments import applications

            if applications.stop(address, name):
                return Outcome({"name": name, "stopped": True}, f"{name} has stopped; its cluster goes on")
        have = ", ".join(r.name for r in processes.listed()) or "none"
        raise ConfigError(f"an endpoint must run to be stopped, but {name!r} does not", f"running: {have}")
    processes.tell(record, signal.SIGTERM)
    return Outcome({"name": name, "stopped": True}, f"{name} has stopped")
