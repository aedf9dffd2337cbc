"""One line in the terminal while a study runs."""

from __future__ import annotations

import sys
import time
from typing import Any

from zoo.search.study import Study

__all__ = ["Progress"]

_SECONDS = 0.2


class Progress:
    """A line on stderr: trials done, the best value, running, paused, time left; nothing where nobody looks.

    Args:
        study: What it is about.
        quiet: Say nothing.
    """

    def __init__(self, study: Study, *, quiet: bool = False) -> None:
        self._study = study
        self._quiet = quiet or not sys.stderr.isatty()
        self._live: Any = None
        self._next = 0.0

    def __enter__(self) -> Progress:
        if not self._quiet:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self) -> None:
        """Draw the line anew, a few times per second."""
        if self._live is not None and time.monotonic() >= self._next:
            self._live.update(self.line(), refresh=True)
            self._next = time.monotonic() + _SECONDS

    def line(self) -> str:
        """Return what the line says."""
        study = self._study
        states = [record.state for record in study.trials]
        ended = sum(state in ("complete", "stopped", "failed") for state in states)
        budget = study.settings.budget
        parts = [f"{ended}" + (f" of {budget.trials}" if budget.trials is not None else "") + " trials"]
        if study.exhausted:
            parts.append("all configurations tried")
        parts += [f"{states.count(state)} {state}" for state in ("failed", "paused", "running") if state in states]
        best = None if len(study.metrics.objectives) > 1 else study.best
        if best is not None:
            parts.append(f"best {best.value:.6g} (trial {best.number})")
        elif len(study.metrics.objectives) > 1:
            parts.append(f"{len(study.pareto)} on the front")
        if budget.time is not None:
            parts.append(f"{_clock(max(budget.time - study.elapsed, 0.0))} left")
        else:
            parts.append(f"{_clock(study.elapsed)} so far")
        return " · ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
