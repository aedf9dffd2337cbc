"""Progress that counts down in a terminal, keeps quiet in a log, and never leaves a terminal broken."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable

import pandas as pd
import pytest
from rich.console import Console

from autots.report import Facts
from autots.report.terminal import FitProgress, SilentProgress, TerminalProgress, print_leaderboard, print_outcome
from zoo.clock import ManualClock

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def make_console(*, terminal: bool, width: int = 120) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=width, color_system=None), out


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_silent_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    silent: FitProgress = SilentProgress()
    silent.started(10)
    silent.stage("search")
    silent.trial(1, 2, 0.5, None, "theta")
    silent.message("hello")
    silent.finished()
    assert capfd.readouterr() == ("", "")


def test_a_log_gets_at_most_one_line_of_trials_in_five_seconds() -> None:
    console, out = make_console(terminal=False)
    clock = ManualClock()
    live = TerminalProgress(console, clock)
    live.started(60)
    live.stage("search")
    for i in range(1, 101):
        clock.advance(0.3)
        live.trial(i, 2, 1 / i, 1 - 1 / i, "theta")
    live.finished()
    lines = out.getvalue().splitlines()
    trials = [line for line in lines if "search: " in line]
    assert 4 <= len(trials) <= 6
    assert lines[0] == "[0:00] started, budget 1 min"
    assert lines[-1] == "[0:30] done: 100 trials · best 0.01 (theta), 99 % better than seasonal naive"
    assert "\x1b" not in out.getvalue()


def test_messages_are_not_swallowed_in_a_log() -> None:
    console, out = make_console(terminal=False)
    live = TerminalProgress(console, ManualClock())
    live.started(60)
    for i in range(5):
        live.message(f"[red]note {i}[/red]")
    assert out.getvalue().count("[red]note") == 5


def test_a_log_is_told_what_is_still_being_done() -> None:
    console, out = make_console(terminal=False)
    clock = ManualClock()
    with TerminalProgress(console, clock) as live:
        live.started(60)
        live.stage("final fit")
        clock.advance(11)
        end = time.monotonic() + 10
        while "still" not in out.getvalue() and time.monotonic() < end:
            time.sleep(0.05)
    lines = out.getvalue().splitlines()
    assert lines[-1] == "[0:11] still final fit"
    clock.advance(60)
    time.sleep(1.2)
    assert out.getvalue().splitlines() == lines  # it ends with the display


def test_the_bar_counts_down_without_being_called() -> None:
    console, out = make_console(terminal=True)
    clock = ManualClock()
    live = TerminalProgress(console, clock)
    with live:
        live.started(100)
        live.stage("search")
        live.trial(3, 2, 0.742, 0.21, "theta")
        clock.advance(40)
        time.sleep(0.7)
        clock.advance(1000)
        time.sleep(0.7)
    text = plain(out.getvalue())
    assert "search" in text and "1:00 left" in text and "finishing" in text
    assert "3 trials, 2 running" in text and "best 0.742" in text and "+21 % vs seasonal naive" in text


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_the_bar_stays_on_one_line_of_any_width(width: int) -> None:
    console, _ = make_console(terminal=True, width=width)
    live = TerminalProgress(console, ManualClock())
    live.started(100)
    live.stage("a stage with a long name")
    live.trial(12345, 22, 0.742, -0.21, "theta")
    drawn = console.render_lines(live._draw(), console.options)
    live.finished()
    assert len(drawn) == 1
    assert sum(segment.cell_length for segment in drawn[0]) <= width


def test_an_interrupt_gives_the_cursor_back() -> None:
    console, out = make_console(terminal=True)
    with pytest.raises(KeyboardInterrupt), TerminalProgress(console, ManualClock()) as live:
        live.started(100)
        assert out.getvalue().count(HIDE) == 1
        raise KeyboardInterrupt
    assert out.getvalue().rindex(SHOW) > out.getvalue().rindex(HIDE)


def test_finishing_twice_or_without_a_start_prints_nothing_more() -> None:
    console, out = make_console(terminal=True)
    live = TerminalProgress(console, ManualClock())
    live.finished()
    assert out.getvalue() == ""
    live.started(1)
    live.finished()
    once = out.getvalue()
    live.finished()
    assert out.getvalue() == once and "done" not in plain(once), "an error before the first trial is no end"


def test_scores_that_are_not_known_yet_are_left_out() -> None:
    console, out = make_console(terminal=False)
    clock = ManualClock()
    live = TerminalProgress(console, clock)
    live.started(60)
    clock.advance(10)
    live.trial(1, 0, None, None, "")
    clock.advance(10)
    live.trial(2, 0, 0.5, float("nan"), "x")
    lines = out.getvalue().splitlines()
    assert lines[-2].endswith("starting: 1 trial") and lines[-1].endswith("2 trials · best 0.5 (x)")


def test_the_leaderboard_prints_the_first_rows_and_counts_the_rest(facts: Facts) -> None:
    console, out = make_console(terminal=False)
    print_leaderboard(facts.leaderboard, console, 3)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["model", "score", "skill", "unseen", "weight", "fit", "predict", "status"]
    assert lines[1].split()[:2] == ["ensemble", "0.7120"] and len(lines) == 5
    assert lines[-1] == "and 8 more"


def test_a_leaderboard_may_lack_columns_and_hold_brackets() -> None:
    console, out = make_console(terminal=False)
    frame = pd.DataFrame({"model": ["[bold]odd[/bold]", "b"], "score": [float("nan"), 2.0]}, index=[7, 7])
    print_leaderboard(frame, console)
    assert "[bold]odd[/bold]" in out.getvalue() and "–" in out.getvalue()
    print_leaderboard(frame.iloc[:0], console)


def test_the_outcome_says_where_the_files_are_and_what_comes_next(facts_with: Callable[..., Facts]) -> None:
    console, out = make_console(terminal=False, width=40)
    command = "zoo predict runs/[2026]/pipeline --input " + "long_name_" * 12
    print_outcome(facts_with(messages=("[odd] text",)), "runs/[2026]", [command], console=console)
    text = out.getvalue()
    assert f"  {command}\n" in text and "files: runs/[2026]\n" in text and "! [odd] text" in text
    assert "MASE 0.7412" in " ".join(text.split())
