"""Conformance suites of the wire, shipped for people who add their own parts."""

from __future__ import annotations

__all__: list[str] = []
