"""Who an endpoint is: a name, and an instance that no other endpoint has, in every one of its answers."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["ASKED", "HEADER", "PATH", "Identity", "instance", "unavailable"]

#: Of each answer: ``name/instance``.
HEADER = "x-zoo-endpoint"
#: Of requests that a proxy passes on: the instance that they are meant for.
ASKED = "x-zoo-instance"
#: Where an endpoint says who it is.
PATH = "/v1/endpoint"


def instance() -> str:
    """Return a new instance's id."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Identity:
    """An endpoint's own.

    Args:
        name: As ``zoo serve --name`` or ``serve.deploy(name=...)`` gave it.
        instance: Of this start of it.
        started: When, ISO 8601 in UTC.
        owner: SHA-256 of the token by which the process that keeps the endpoint asks it; empty for none.
    """

    name: str = "zoo"
    instance: str = ""
    started: str = ""
    owner: str = ""

    @classmethod
    def new(cls, name: str, instance: str, owner: str = "") -> Identity:
        """Return one that starts now."""
        return cls(name, instance, datetime.now(UTC).isoformat(timespec="seconds"), owner)

    @property
    def header(self) -> str:
        """The value of ``HEADER``."""
        return f"{re.sub(r'[^A-Za-z0-9._-]', '-', self.name)}/{self.instance}"

    def public(self) -> dict[str, Any]:
        """Return what everybody may know."""
        return {"name": self.name, "instance": self.instance, "started": self.started}

    def to_dict(self) -> dict[str, str]:
        """Return plain values, for whoever starts a replica."""
        return asdict(self)


def unavailable(words: str) -> str:
    """Return the JSON that is answered when nobody of the endpoint can."""
    return json.dumps({"error": words, "hint": "ask again after 1 s", "where": "", "request_id": ""})
