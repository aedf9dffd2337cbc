"""Asks an address who it is: nothing is served before it says so itself."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from serve.deployments.ports import who
from serve.identity import PATH, Identity
from zoo.errors import ClusterError

__all__ = ["asked", "await_application"]

_PATIENCE = 120.0  # seconds until an endpoint must answer


def await_application(name: str, url: str = "", own: Identity | None = None, *, alone: bool = False) -> None:
    """Return as soon as all replicas are there and, given an address, it is this endpoint that answers there.

    Args:
        name: The name of the application on the cluster.
        url: The address, without a slash at the end.
        own: Who must answer there.
        alone: Whether anybody else who answers there is a mistake, not the one that is replaced.

    Raises:
        ClusterError: They do not come, or somebody else has the address.
    """
    from ray import serve

    end = time.monotonic() + _PATIENCE
    stranger = ""
    while time.monotonic() < end:
        found = serve.status().applications.get(name)
        if found is not None and found.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            words = [one.message for one in found.deployments.values()] + [found.message]
            lines = [line for text in words for line in text.splitlines() if line.strip()]
            raise ClusterError(
                f"the endpoint must start, but: {lines[-1] if lines else found.status}",
                "see the replica's log in Ray's folder",
            )
        if found is not None and found.status == "RUNNING":
            if own is None:
                return
            told = asked(url)
            mine = told is not None and own.public().items() <= told.items()
            if mine and told is not None and told.get("ready"):
                return
            stranger = "" if told is None or mine else who(url)
            if stranger and alone:
                break
        time.sleep(0.05)
    if stranger:
        raise ClusterError(f"{name!r} must answer at {url}, but {stranger} does", "choose another port")
    raise ClusterError(f"the endpoint must answer within {_PATIENCE:g} s, but it does not", "is the port taken?")


def asked(url: str, owner: str = "") -> dict[str, Any] | None:
    """Return what an address says of itself: see ``serve.identity``; None if it says nothing.

    Args:
        url: The address, without a slash at the end.
        owner: The owner's token, for whom it says more.
    """
    headers = {"Authorization": f"Bearer {owner}"} if owner else {}
    request = urllib.request.Request(f"{url}{PATH}", headers=headers)  # noqa: S310  # our own URL
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310  # our own URL
            told = json.load(response)
    except urllib.error.HTTPError as error:
        # Somebody without this path; our own proxy says 503 while there is no replica.
        return None if error.code == 503 else {"instance": None}
    except (urllib.error.URLError, OSError, HTTPException):
        return None
    except ValueError:
        return {"instance": None}
    return told if isinstance(told, dict) else {"instance": None}
