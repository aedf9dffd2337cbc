"""The wire: a fitted pipeline as a live endpoint. Imports zoo and autots; nothing heavy until a name is used."""

from __future__ import annotations

from typing import Any

__all__ = ["AsyncClient", "Client", "deploy"]


def __getattr__(name: str) -> Any:
    if name == "deploy":
        from serve.deployments.deploy import deploy

        return deploy
    if name in ("AsyncClient", "Client"):
        from serve import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
