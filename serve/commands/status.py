"""``zoo serve status`` and ``zoo serve stop``."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from typing import Annotated, Any

import typer

from serve.commands import processes
from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["status", "stop"]


def status(
    name: Annotated[str | None, typer.Option(help="Of one endpoint; all of this user and machine if left out.")] = None,
) -> Outcome:
    """List the endpoints of this machine, and what they say of themselves."""
    found = [r for r in processes.listed() if name is None or r.name == name]
    told: list[dict[str, Any]] = []
    lines: list[str] = []
    for record in found:
        models = _models(record.url)
        told.append({"name": record.name, "url": record.url, "proxy": record.proxy, "pid": record.pid, **models})
        lines.append(f"{record.name}: {record.url or 'starting'} (proxy: {record.proxy or 'none yet'})")
        for one in models.get("models", []):
            state = "loaded" if one["loaded"] else "on disk"
            mark = "*" if one["default"] else " "
            lines.append(f"  {mark} {one['name']}@{one['version']}  {state}  up to {one.get('last_time', '?')}")
        lines += [f"    refused {what}: {why}" for what, why in models.get("refused", {}).items()]
    text = "\n".join(lines) or "nothing is served from this machine by this user"
    return Outcome({"endpoints": told}, text, 0 if found or name is None else 1)


def _models(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as response:  # noqa: S310  # our own URL
            found: dict[str, Any] = json.load(response)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return {"unreachable": str(error)}
    return found


def stop(
    name: Annotated[str, typer.Option(help="Of the endpoint.")] = "default",
) -> Outcome:
    """Stop an endpoint, and return when it has gone."""
    record = processes.read(name)
    if record is None or record.pid == os.getpid():
        have = ", ".join(r.name for r in processes.listed()) or "none"
        raise ConfigError(f"an endpoint must run to be stopped, but {name!r} does not", f"running: {have}")
    processes.tell(record, signal.SIGTERM)
    return Outcome({"name": name, "stopped": True}, f"{name} has stopped")
