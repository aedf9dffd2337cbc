"""A display of a whole fit that is told of a part of it."""

from __future__ import annotations

from autots.report.terminal import FitProgress

__all__ = ["SearchProgress"]


class SearchProgress:
    """Passes on what the search tells, but for its beginning and end, which are not those of the whole.

    Args:
        display: Of the whole fit.
    """

    def __init__(self, display: FitProgress) -> None:
        self._display = display

    def started(self, total_seconds: float) -> None:
        """Say nothing: the whole fit has begun before."""

    def stage(self, name: str) -> None:
        """Say which part of the search begins."""
        self._display.stage(f"some series: {name}")

    def trial(self, done: int, running: int, best: float | None, skill: float | None, model: str) -> None:
        """Say that a trial ended."""
        self._display.trial(done, running, best, skill, model)

    def message(self, text: str) -> None:
        """Say what the user should read."""
        self._display.message(text)

    def finished(self) -> None:
        """Say nothing: the whole fit goes on."""
