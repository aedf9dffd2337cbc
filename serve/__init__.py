"""The wire: from a run directory to a forecast endpoint. Imports zoo and autots."""

from __future__ import annotations

__all__: list[str] = []
