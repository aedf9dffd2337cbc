"""One line in the terminal while a study runs."""

from __future__ import annotations

from zoo.page.status_line import StatusLine
from zoo.page.wording import clock_face, number, plural
from zoo.search.study import Study

__all__ = ["StudyProgress"]


class StudyProgress:
    """A line on stderr: trials done, the best value, running, paused, time left; nothing where nobody looks.

    Args:
        study: The study that the line tells about.
        quiet: Whether to say nothing even in a terminal; False by default.
    """

    def __init__(self, study: Study, *, quiet: bool = False) -> None:
        self._study = study
        self._line = StatusLine(self.line, quiet=quiet)

    def __enter__(self) -> StudyProgress:
        self._line.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._line.stop()

    def show(self) -> None:
        """Draw the line anew, a few times per second."""
        self._line.refresh()

    def line(self) -> str:
        """Return what the line says."""
        study = self._study
        states = [record.state for record in study.trials]
        ended = sum(state in ("complete", "stopped", "failed") for state in states)
        budget = study.settings.budget
        parts = [plural(ended, "trial") if budget.trials is None else f"{ended:,} of {plural(budget.trials, 'trial')}"]
        if study.exhausted:
            parts.append("all configurations tried")
        parts += [f"{states.count(state):,} {state}" for state in ("failed", "paused", "running") if state in states]
        best = None if len(study.metrics.objectives) > 1 else study.best
        if best is not None:
            parts.append(f"best {number(best.value)} (trial {best.number})")
        elif len(study.metrics.objectives) > 1:
            parts.append(f"{len(study.pareto):,} on the front")
        if budget.time is not None:
            parts.append(f"{clock_face(budget.time - study.elapsed)} left")
        else:
            parts.append(f"{clock_face(study.elapsed)} so far")
        return " · ".join(parts)
