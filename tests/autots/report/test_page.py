"""The page: complete, harmless, light, and honest when there is little to tell."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, TypeAlias
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from autots.report import BacktestWindow, Facts
from autots.report.page import render

MakeWindow: TypeAlias = Callable[..., BacktestWindow]

HOSTILE = "<script>alert(1)</script>\"'&\x00\ud800"
VOID = {"meta", "link", "br", "img"}


class Checker(HTMLParser):
    """Balances tags, and collects names, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(facts: Facts) -> Checker:
    """Render and parse a page; numpy may not complain on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        page = render(facts)
    page.encode("utf-8")
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    ids = [attrs["id"] for _, attrs in checker.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ElementTree.fromstring(drawing.replace("\u00a0", " "))
        assert "nan" not in drawing.lower().replace("finance", "") and "inf," not in drawing
    return checker


def words(checker: Checker) -> str:
    return " ".join(" ".join(checker.text).replace("\u00a0", " ").split())


def test_the_result_is_told_in_one_sentence_first(facts: Facts) -> None:
    text = words(read(facts))
    sentence = (
        "An ensemble of 5 models: MASE 0.7412 on unseen windows, 21 % better than seasonal naive; "
        "the 80 % interval covered 79 %."
    )
    assert sentence in text
    order = ["electricity.csv", sentence, "Data", "Backtests", "Leaderboard", "Ensemble", "Calibration", "Settings"]
    body = text[text.index("Forecast report") :]
    places = [body.index(part) for part in order]
    assert places == sorted(places)


def test_nothing_is_loaded_and_nothing_runs(facts: Facts) -> None:
    page = render(facts)
    checker = read(facts)
    names = {name for name, _ in checker.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "embed"})
    assert "default-src &#x27;none&#x27;" in page
    assert not re.search(r"https?://|@import|url\((?!#)|\bon\w+=", page)


def test_hostile_names_are_shown_and_not_run(facts_with: Callable[..., Facts], window: MakeWindow) -> None:
    board = pd.DataFrame(
        [{"model": HOSTILE, "score": 1.0, "weight": 1.0, "params": HOSTILE, "note": HOSTILE, "status": HOSTILE}]
    )
    finding = {"kind": "gaps", "count": 1, "series": (HOSTILE,), "message": HOSTILE, "action": HOSTILE}
    checker = read(
        facts_with(
            title=HOSTILE,
            windows=(window(HOSTILE), window(HOSTILE)),
            leaderboard=board,
            worst=pd.DataFrame([{"series": HOSTILE, "score": 1.0, "skill": 0.1, "length": 10}]),
            data={"findings": (finding,), "start": HOSTILE, "end": HOSTILE, "freq": HOSTILE},
            messages=(HOSTILE,),
            settings={"metric": HOSTILE, HOSTILE: HOSTILE, "levels": (0.1, 0.25, 0.5, 0.75, 0.9)},
            seconds={HOSTILE: 1.0, "total": 1.0},
        )
    )
    assert "script" not in {name for name, _ in checker.tags}
    assert words(checker).count("<script>alert(1)</script>") > 10


def test_every_drawing_has_a_title_and_every_table_headers(facts: Facts) -> None:
    checker = read(facts)
    drawings = [attrs for name, attrs in checker.tags if name == "svg"]
    ids = {attrs.get("id") for _, attrs in checker.tags}
    for attrs in drawings:
        labels = (attrs.get("aria-labelledby") or "").split()
        assert attrs.get("aria-hidden") == "true" or (len(labels) == 2 and ids.issuperset(labels))
    scopes = [attrs.get("scope") for name, attrs in checker.tags if name == "th"]
    assert scopes.count("col") > 10 and scopes.count("row") > 10 and None not in scopes


def test_ten_thousand_long_series_stay_below_three_megabytes(
    facts_with: Callable[..., Facts], window: MakeWindow
) -> None:
    names = [f"store_{i:05d}/department_{i % 97}" for i in range(10_000)]
    worst = pd.DataFrame({"series": names, "score": np.linspace(9, 0.1, 10_000), "skill": -0.1, "length": 900})
    board = pd.concat([facts_with().leaderboard] * 300, ignore_index=True)
    windows = tuple(window(name, horizon=3000, past=20_000) for name in names[:30])
    finding = {"kind": "gaps", "count": 9, "series": tuple(names), "message": "many", "action": "none"}
    facts = facts_with(
        worst=worst,
        leaderboard=board,
        windows=windows,
        messages=("m" * 5000,) * 1000,
        data={"findings": (finding,) * 999},
    )
    assert len(render(facts).encode()) < 3_000_000


def test_a_fit_without_unseen_windows_claims_nothing_about_them(facts_with: Callable[..., Facts]) -> None:
    facts = facts_with(final={}, coverage={}, calibration=(), windows=(), worst=pd.DataFrame())
    text = words(read(facts))
    assert "MASE 0.712 on the windows that chose it; no window was left to confirm it." in text
    assert "too short" in text and "unseen windows" not in text and "Calibration" not in text


def test_an_empty_fit_still_gives_a_page() -> None:
    empty = Facts("t", {}, {}, {}, pd.DataFrame(), {}, {}, (), (), pd.DataFrame())
    text = words(read(empty))
    assert "no backtest could be made" in text and "No model finished in time" in text


def test_missing_scores_are_dashes(facts_with: Callable[..., Facts], window: MakeWindow) -> None:
    nan = float("nan")
    board = facts_with().leaderboard.assign(
        score=nan, skill=nan, final_score=nan, fit_seconds=nan, predict_seconds=None
    )
    worst = pd.DataFrame({"series": ["a", "b"], "score": [nan, np.inf], "skill": [nan, -np.inf], "length": [nan, 3]})
    facts = facts_with(
        leaderboard=board,
        final={"ensemble": {"mase": nan}, "seasonal_naive": {"mase": nan}},
        coverage={"0.8": nan},
        calibration=((0.1, nan), (0.9, nan)),
        windows=(window(score=nan),),
        worst=worst,
    )
    text = words(read(facts))
    assert "nan" not in text.lower().split()
    assert "–" in text


@pytest.mark.parametrize("clock", ["datetime", "int"])
@pytest.mark.parametrize("missing", ["none", "some", "all", "everything"])
def test_windows_with_holes_are_drawn(
    facts_with: Callable[..., Facts], window: MakeWindow, clock: str, missing: str
) -> None:
    full = window("", clock=clock)
    actual, history, point, quantiles = (np.array(v) for v in (full.actual, full.history, full.point, full.quantiles))
    if missing == "some":
        actual[::2], history[5:9] = np.nan, np.nan
    elif missing != "none":
        actual[:] = np.nan
    if missing == "everything":
        history[:], point[:], quantiles[:] = np.nan, np.inf, np.nan
    changed = BacktestWindow("", full.history_times, history, full.times, actual, quantiles, point, 0.7)
    text = words(read(facts_with(windows=(changed,))))
    assert ("what came is not known" in text) == (missing in ("all", "everything"))


@pytest.mark.parametrize(("past", "horizon"), [(0, 5), (1, 1), (3, 1), (30, 0)])
def test_tiny_windows_are_drawn(facts_with: Callable[..., Facts], window: MakeWindow, past: int, horizon: int) -> None:
    full = window(past=30, horizon=max(horizon, 1))
    small = BacktestWindow(
        "a",
        full.history_times[:past],
        full.history[:past],
        full.times[:horizon],
        full.actual[:horizon],
        full.quantiles[:horizon],
        full.point[:horizon],
        1.0,
    )
    read(facts_with(windows=(small,)))


def test_values_without_neighbours_are_dots(facts_with: Callable[..., Facts], window: MakeWindow) -> None:
    full = window()
    actual = full.actual.copy()
    actual[::2] = np.nan
    holey = BacktestWindow("a", full.history_times, full.history, full.times, actual, full.quantiles, full.point, 1.0)
    page = render(facts_with(windows=(holey,)))
    path = re.search(r'<path d="([^"]*)" class="actual lone"', page)
    # Every second of 48 steps, and the last value of the history, which the line of actuals begins with.
    assert path is not None and path[1].count("h0") == 25


def test_a_constant_series_has_a_flat_line_inside_the_chart(
    facts_with: Callable[..., Facts], window: MakeWindow
) -> None:
    full = window()
    flat: dict[str, Any] = {"history": np.full(168, 7.0), "actual": np.full(48, 7.0), "point": np.full(48, 7.0)}
    constant = BacktestWindow(
        "a", full.history_times, times=full.times, quantiles=np.full((48, 5), 7.0), score=0.0, **flat
    )
    page = render(facts_with(windows=(constant,)))
    path = re.search(r'<path d="M([\d.]+),([\d.]+)[^"]*" class="median"', page)
    assert path is not None and 10 < float(path[2]) < 222


def test_a_single_series_without_id_is_named_by_the_title(facts_with: Callable[..., Facts], window: MakeWindow) -> None:
    worst = pd.DataFrame([{"series": "", "score": 0.7, "skill": 0.2, "length": 500}])
    text = words(read(facts_with(windows=(window(""),), worst=worst)))
    assert "Where it is worst" not in text
    assert text.count("electricity.csv") >= 3


def test_more_windows_than_fit_show_both_ends(facts_with: Callable[..., Facts], window: MakeWindow) -> None:
    text = words(read(facts_with(windows=tuple(window(f"series{i:02d}") for i in range(20)))))
    shown = {i for i in range(20) if f"series{i:02d}" in text}
    assert shown == {0, 1, 2, 3, 16, 17, 18, 19}
