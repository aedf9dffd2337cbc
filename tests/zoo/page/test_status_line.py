"""The line in a terminal: drawn where somebody looks, gone afterwards, and never anything in a file."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from zoo.page.status_line import StatusLine

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def make(*, terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, width=80, color_system=None), out


def test_nothing_is_written_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    console, out = make(terminal=False)
    lines = [StatusLine(lambda: "text", console), StatusLine(lambda: "text"), StatusLine(lambda: "text", quiet=True)]
    loud, _ = make(terminal=True)
    lines.append(StatusLine(lambda: "text", loud, quiet=True))
    for line in lines:
        line.start()
        line.refresh()
        assert not line.shown
        line.stop()
    assert out.getvalue() == "" and capfd.readouterr() == ("", "")


def test_a_line_is_drawn_on_demand_but_not_too_often_and_leaves_the_cursor() -> None:
    console, out = make(terminal=True)
    drawn = 0

    def draw() -> str:
        nonlocal drawn
        drawn += 1
        return f"drawn {drawn}"

    line = StatusLine(draw, console)
    shown = [line.shown]
    line.start()
    line.start()
    shown.append(line.shown)
    assert out.getvalue().count(HIDE) == 1
    before = drawn
    for _ in range(100):
        line.refresh()
    assert before < drawn <= before + 3, "a hundred calls in a moment are one drawing"
    line.stop()
    line.stop()
    assert [*shown, line.shown] == [False, True, False]
    assert out.getvalue().rindex(SHOW) > out.getvalue().rindex(HIDE)
    assert f"drawn {drawn}" in out.getvalue(), "the last state stays until the line goes"


def test_a_ticking_line_draws_itself() -> None:
    console, _ = make(terminal=True)
    calls: list[float] = []

    def draw() -> str:
        calls.append(time.monotonic())
        return "tick"

    line = StatusLine(draw, console, ticking=True)
    line.start()
    end = time.monotonic() + 10
    while len(calls) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    line.stop()
    count = len(calls)
    assert count >= 4
    time.sleep(0.6)
    assert len(calls) == count, "it ends with the line"
