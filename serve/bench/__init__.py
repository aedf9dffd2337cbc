"""The figures of the wire."""

from __future__ import annotations

__all__: list[str] = []
