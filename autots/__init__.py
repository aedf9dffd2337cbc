"""Time-series AutoML: from a table to a calibrated, saved forecaster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autots.api import AutoTS, Pipeline, load

__all__ = ["AutoTS", "Pipeline", "load"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use: ``import autots`` itself stays cheap."""
    if name in __all__:
        from autots import api

        return getattr(api, name)
    raise AttributeError(f"module 'autots' has no attribute {name!r}")
