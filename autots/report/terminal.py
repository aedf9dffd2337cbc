"""What a fit shows while it runs and when it ends, in a terminal or in a log file."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import pandas as pd
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from autots.report.facts import Facts
from autots.report.found import report_lines
from autots.report.headline import against_naive, headline, is_ensemble
from zoo.clock import Clock, SystemClock
from zoo.page.status_line import StatusLine
from zoo.page.wording import aligned, as_float, clock_face, duration, number, percent, plural

__all__ = [
    "FitProgress",
    "SilentProgress",
    "TerminalProgress",
    "print_found",
    "print_leaderboard",
    "print_outcome",
]

_QUIET = 5.0  # seconds between two lines of progress in a log file
_SILENT = 10.0  # seconds after which a log is told what is still being done
_MAX_MESSAGES = 10  # sentences after a fit; the report has all
_WIDE = 72  # columns below which the display leaves details out


class FitProgress(Protocol):
    """Something that a fit tells how far it is. Calls come from one thread, ``finished`` may come twice."""

    def started(self, total_seconds: float) -> None:
        """The fit begins and will take about ``total_seconds``."""

    def stage(self, name: str) -> None:
        """The next part of the work begins."""

    def trial(self, done: int, running: int, best: float | None, skill: float | None, model: str) -> None:
        """A trial ended.

        Args:
            done: Trials that have ended.
            running: Trials under way at this moment.
            best: The best score so far.
            skill: The best score's skill against seasonal naive, ``1 - best / naive``.
            model: The model that holds the best score; empty if there is none.
        """

    def message(self, text: str) -> None:
        """Something happened that the user should read."""

    def finished(self) -> None:
        """The fit ended, or was interrupted."""


class SilentProgress:
    """Shows nothing."""

    def started(self, total_seconds: float) -> None:
        """Show nothing."""

    def stage(self, name: str) -> None:
        """Show nothing."""

    def trial(self, done: int, running: int, best: float | None, skill: float | None, model: str) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Show nothing."""

    def finished(self) -> None:
        """Show nothing."""


class TerminalProgress:
    """One bar that counts down by itself in a terminal; a line now and then anywhere else.

    It is a context manager that ends the display however the block ends. Without one, ``finished`` belongs in a
    ``finally``; should it be missed, the end of the process restores the cursor.

    Args:
        console: Where to show it; standard error by default, so that standard output stays a program's.
        clock: What the countdown reads; the machine's clock by default.
    """

    def __init__(self, console: Console | None = None, clock: Clock | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._clock = clock or SystemClock()
        self._bar = StatusLine(self._draw, self.console, ticking=True)
        self._running = False
        self._spinner = Spinner("dots", style="cyan")
        self._total = 0.0
        self._start = self._clock.now()
        self._last_line = float("-inf")
        self._stage = "starting"
        self._trials = (0, 0)
        self._best: tuple[float | None, float | None, str] = (None, None, "")
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.finished()

    def started(self, total_seconds: float) -> None:
        """Begin the display; the bar is full after ``total_seconds``."""
        self._total = total_seconds
        self._start = self._clock.now()
        self._running = True
        if not self.console.is_terminal:
            self._line(f"started, budget {duration(total_seconds)}")
            self._ended.clear()
            threading.Thread(target=self._beat, name="progress", daemon=True).start()
            return
        atexit.register(self.finished)
        self._bar.start()

    def stage(self, name: str) -> None:
        """Name what is done now."""
        if name != self._stage:
            self._stage = name
            if not self._bar.shown:
                self._line(name)

    def trial(self, done: int, running: int, best: float | None, skill: float | None, model: str) -> None:
        """Count trials and name the best score."""
        self._trials = (done, running)
        self._best = (best, skill, model)
        if not self._bar.shown and self._clock.now() - self._last_line >= _QUIET:
            self._line(f"{self._stage}: {self._progress()}")

    def message(self, text: str) -> None:
        """Print a sentence that stays, above the bar."""
        if not self._bar.shown:
            self._line(text)
        else:
            self.console.print(Text(text, style="yellow"))

    def finished(self) -> None:
        """Take the bar away and say what was done, if anything was; a second call does nothing."""
        atexit.unregister(self.finished)
        if not self._running:
            return
        self._running = False
        self._ended.set()
        self._trials = (self._trials[0], 0)
        was_shown = self._bar.shown
        self._bar.stop()
        if not self._trials[0]:
            return  # an error follows, and nothing was done
        if not was_shown:
            self._line(f"done: {self._progress()}")
        else:
            took = duration(self._clock.now() - self._start)
            self.console.print(Text.assemble((f"done in {took}: ", "green"), self._progress()))

    def _beat(self, pause: float = 1.0) -> None:
        """Say what is still being done where nothing else was said for a while: a log shows no bar that moves."""
        while not self._ended.wait(pause):
            if self._clock.now() - self._last_line >= _SILENT:
                self._line(f"still {self._stage}")

    def _line(self, text: str) -> None:
        now = self._clock.now()
        self._last_line = now
        self.console.print(Text(f"[{clock_face(now - self._start)}] {text}"), soft_wrap=True)

    def _progress(self) -> str:
        """Return trials and best score in words."""
        done, running = self._trials
        parts = [plural(done, "trial")]
        if running:
            parts.append(f"{running} running")
        best, skill, model = self._best
        if best is not None:
            versus = against_naive(skill)
            named = f" ({model})" if model else ""
            parts.append(f"best {number(best)}{named}" + (f", {versus}" if versus else ""))
        return " · ".join(parts)

    def _draw(self) -> RenderableType:
        """Return the display of this moment; rich calls it from its own thread."""
        elapsed = self._clock.now() - self._start
        left = self._total - elapsed
        time = f"{clock_face(left)} left" if left >= 1 else "finishing"
        done, running = self._trials
        best, skill, _ = self._best
        grid = Table.grid(padding=(0, 1), expand=False)
        share = min(max(elapsed / self._total, 0.0), 1.0) if self._total > 0 else 1.0
        wide = self.console.width >= _WIDE
        cells: list[RenderableType] = [self._spinner, Text(self._stage, style="bold", no_wrap=True)]
        if wide:
            cells.append(ProgressBar(total=1.0, completed=share, width=24, complete_style="cyan"))
        cells.append(Text(time, style="cyan", no_wrap=True))
        if done or running:
            counted = plural(done, "trial") + (f", {running} running" if running and wide else "")
            cells.append(Text(counted, style="dim", no_wrap=True))
        if best is not None:
            cells.append(Text.assemble("best ", (number(best), "bold"), no_wrap=True))
            gain = as_float(skill)
            if gain == gain:
                style = "green" if gain > 0 else "yellow"
                text = f"{'+' if gain > 0 else ''}{percent(gain)}" + (" vs seasonal naive" if wide else "")
                cells.append(Text(text, style=style, no_wrap=True))
        for _ in cells:
            grid.add_column(no_wrap=True, overflow="ellipsis")
        grid.add_row(*cells)
        return grid


def print_leaderboard(frame: pd.DataFrame, console: Console, limit: int = 12) -> None:
    """Print the first ``limit`` rows of a leaderboard, with skill, weights and times.

    Args:
        frame: ``Facts.leaderboard``; columns that are missing are left out.
        console: Terminal or file to print to.
        limit: Rows to print, 12 by default; the others are counted.
    """
    shown = frame.head(max(limit, 0))
    columns = [c for c in _COLUMNS if c in frame.columns and (c in _ALWAYS or frame[c].notna().any())]
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        title, _ = _COLUMNS[name]
        table.add_column(title, justify="left" if name in ("model", "status") else "right", no_wrap=name != "model")
    numbers = {c: aligned(shown[c]) for c in columns if _COLUMNS[c][1] == "number"}
    for i, (own, (_, row)) in enumerate(zip(is_ensemble(shown), shown.iterrows(), strict=True)):
        failed = str(row.get("status", "")) == "failed"
        style = "bold" if own else "dim" if failed else ""
        table.add_row(*[Text(numbers[c][i]) if c in numbers else _cell(c, row[c]) for c in columns], style=style)
    console.print(table)
    if len(frame) > len(shown):
        console.print(Text(f"and {len(frame) - len(shown):,} more", style="dim"))


def _cell(name: str, value: object) -> Text:
    """Return a cell; Text, since rich would read brackets in a user's names as markup."""
    kind = _COLUMNS[name][1]
    if kind == "text":
        return Text(str(value))
    if kind == "skill":
        gain = as_float(value)
        return Text(percent(gain), style="green" if gain > 0 else "yellow" if gain < 0 else "")
    if kind == "share":
        return Text(percent(value) if as_float(value) > 0 else "")
    return Text(duration(value))


_COLUMNS = {
    "model": ("model", "text"),
    "score": ("score", "number"),
    "skill": ("skill", "skill"),
    "final_score": ("unseen", "number"),
    "weight": ("weight", "share"),
    "fit_seconds": ("fit", "seconds"),
    "predict_seconds": ("predict", "seconds"),
    "status": ("status", "text"),
}
_ALWAYS = ("model", "score")


def print_found(data: Mapping[str, Any], console: Console, *, most: int = 8, rest: str = "see the report") -> None:
    """Print how the table was read and what was found in it; what changed more than a few per cent of it stands out.

    Args:
        data: The table's report, as ``DataReport.to_dict()`` returned it.
        console: Terminal or file to print to.
        most: Findings to print, 8 by default; the others are counted.
        rest: Words that say where those can be read; "see the report" by default.
    """
    for important, line in report_lines(data, most=most, rest=rest):
        console.print(Text(line, style="bold yellow" if important else "dim"))


def print_outcome(facts: Facts, run_dir: str | Path, next_steps: Sequence[str], *, console: Console) -> None:
    """Print the result in a sentence, where its files are, and what to type next.

    Args:
        facts: What the fit has to tell.
        run_dir: The folder with the report and the saved pipeline.
        next_steps: Commands or lines of Python, one each.
        console: Terminal or file to print to.
    """
    console.print()
    console.print(Text(headline(facts), style="bold"))
    print_found(facts.data, console)
    for text in facts.messages[:_MAX_MESSAGES]:
        console.print(Text(f"! {text}", style="yellow"))
    if len(facts.messages) > _MAX_MESSAGES:
        console.print(Text(f"and {len(facts.messages) - _MAX_MESSAGES:,} more, see the report", style="yellow"))
    console.print(Text.assemble("files: ", (str(run_dir), "cyan")), soft_wrap=True)
    if next_steps:
        console.print(Text("next:", style="dim"))
        for step in next_steps:
            # Not wrapped by rich: a command must survive copy and paste.
            console.print(Text(f"  {step}"), soft_wrap=True)
