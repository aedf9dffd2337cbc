"""Options that hold several values are read as typed or refused with an example; a pipe gets no colours."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from autots.commands import options
from autots.commands.options import levels, name_or_names, names, whole_numbers, whole_or_text
from autots.commands.run import default_run
from autots.commands.screen import on_screen
from zoo.errors import ConfigError

law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
words = st.text(
    st.characters(codec="utf-8", exclude_characters=",", categories=("L", "N", "P")), min_size=1, max_size=8
)


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(options)
    assert result.attempted == 3 and result.failed == 0


@law
@given(st.lists(words, max_size=5), st.sampled_from([",", ", ", " ,", ",,"]))
def test_names_are_those_that_were_typed(typed: list[str], comma: str) -> None:
    assert names(comma.join(typed)) == tuple(typed)
    found = name_or_names(comma.join(typed)) if typed else None
    assert found == (None if not typed else typed[0] if len(typed) == 1 else typed)


@law
@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=9))
def test_levels_are_read_to_the_last_digit(typed: list[float]) -> None:
    assert levels(",".join(map(repr, typed))) == tuple(typed)


@law
@given(st.lists(st.integers(), min_size=1, max_size=4), st.integers())
def test_whole_numbers_are_read_whatever_their_sign(typed: list[int], one: int) -> None:
    assert whole_numbers("season", ", ".join(map(str, typed))) == tuple(typed)
    assert whole_or_text(str(one)) == one


@pytest.mark.parametrize("text", ["x", "0.1;0.9", "24.5", "1e3", "--1"])
def test_what_is_no_whole_number_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="--season must be whole numbers") as refused:
        whole_numbers("season", text)
    assert "24,168" in str(refused.value.hint) and repr(text) in refused.value.message
    assert whole_numbers("season", None) is None


@pytest.mark.parametrize("text", ["median", "0.1;0.9", "10%"])
def test_what_is_no_level_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="--quantiles must be numbers") as refused:
        levels(text)
    assert "0.1,0.5,0.9" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "read"),
    [("15min", "15min"), ("W-SUN", "W-SUN"), ("-3", -3), ("--1", "--1"), ("²", "²"), (None, None), ("", "")],
)
def test_a_frequency_is_an_alias_or_a_number_of_steps(text: str | None, read: int | str | None) -> None:
    assert whole_or_text(text) == read


@pytest.mark.parametrize(
    ("data", "stem"),
    [("sales.csv", "sales"), ("a/b c.parquet", "b_c"), ("*.csv", "data"), ("../", "data"), ("é.csv", "é")],
)
def test_a_run_is_named_after_its_data_and_stays_in_its_folder(data: str, stem: str) -> None:
    run = default_run(data)
    assert run.parent == Path("runs") and run.name.rsplit("-", 2)[0] == stem


def test_a_pipe_gets_no_colours_and_wide_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(console: Console) -> None:
        console.print(Text("x" * 110, style="bold red"))

    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert on_screen(draw) == "x" * 110
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    shown = on_screen(draw)
    assert "\x1b[" in shown and shown.count("\n") == 1
