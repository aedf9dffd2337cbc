"""What was found in a table is said in the same words everywhere, and what changed much of it stands out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from autots.api import AutoTS
from autots.commands.check import check
from autots.commands.run import fit_run
from autots.report import Facts
from autots.report.found import found_in, reading_in, report_lines, told
from autots.report.headline import headline
from autots.report.page import render
from autots.report.terminal import print_outcome
from zoo.commands import strict

_MERGED = {
    "kind": "duplicates",
    "count": 1440,
    "message": "1440 rows repeat the time of another row of their series",
    "action": "merged: numbers by their mean",
    "series": ("1", "2"),
}
_SORTED = {"kind": "order", "count": 300, "message": "300 rows come before an earlier one", "action": "sorted"}
_READING = [["series", "store, item"], ["time", "day first"]]


def _drawn(facts: Facts) -> str:
    out = io.StringIO()
    print_outcome(facts, "run", [], console=Console(file=out, width=200, color_system=None))
    return out.getvalue()


def _data(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"series": 3, "rows": 360, "findings": findings, **more}


@pytest.mark.parametrize(
    ("kind", "count", "action", "important"),
    [
        ("duplicates", 1440, "merged: numbers by their mean", True),
        ("gaps", 36, "added, with a missing target", True),
        ("gaps", 3, "added, with a missing target", False),
        ("off_grid", 40, "moved to the nearest step", True),
        ("footer", 11, "left out", True),  # a kind that nobody has thought of
        ("order", 300, "sorted", False),
        ("missing_target", 300, "kept as missing", False),
        ("dropped_series", 1, "left out", True),
        ("note", 1, "read so", False),
        ("eligibility_lead", 1, "kept, but a model that uses it will disappoint: drop or mend it", True),
        ("eligibility_constant", 1, "kept: a person should look at it", False),
        ("early_end", 300, "each is forecast from its own end", False),
    ],
)
def test_what_changed_more_than_a_few_per_cent_of_the_rows_is_important(
    kind: str, count: int, action: str, important: bool
) -> None:
    found = found_in(_data({"kind": kind, "count": count, "message": "m", "action": action}))
    assert [one.important for one in found] == [important]


def test_important_findings_come_first_with_their_share() -> None:
    lines = report_lines(_data(_SORTED, _MERGED))
    assert lines[0] == (
        True,
        "! 1440 rows repeat the time of another row of their series (80 % of all) (such as 1, 2): "
        "merged: numbers by their mean",
    )
    assert lines[1] == (False, "- 300 rows come before an earlier one: sorted")


def test_long_lists_and_long_words_are_cut() -> None:
    many = [{"kind": "note", "count": 1, "message": f"{i} " + "x" * 5000, "action": "read so"} for i in range(15)]
    lines = report_lines(_data(*many))
    assert len(lines) == 9 and lines[-1] == (False, "and 7 more, see the report")
    assert max(len(text) for _, text in lines) < 500


def test_a_report_without_a_reading_or_findings_says_so() -> None:
    assert reading_in({}) == () and found_in({}) == ()
    assert report_lines(_data()) == [(False, "360 rows: nothing had to be repaired")]


def test_the_terminal_the_page_and_json_say_the_same(facts_with: Callable[..., Facts]) -> None:
    data = _data(_SORTED, _MERGED, reading=_READING)
    facts = facts_with(data=data)
    screen, page, values = _drawn(facts), render(facts), json.loads(json.dumps(strict(told(data))))
    for word in ("store, item", "day first", _MERGED["message"], _MERGED["action"], _SORTED["message"]):
        assert str(word) in screen and str(word) in page and str(word) in json.dumps(values)
    assert values["reading"] == _READING
    assert [(one["kind"], one["count"], one["important"]) for one in values["findings"]] == [
        ("duplicates", 1440, True),
        ("order", 300, False),
    ]
    assert page.count('<tr class="grave">') == 1


def test_names_of_users_are_no_markup(facts_with: Callable[..., Facts]) -> None:
    hostile = {**_MERGED, "message": "[red]<script>alert(1)</script>", "series": ("<b>",)}
    facts = facts_with(data=_data(hostile, reading=[["<i>series", "[bold]x"]]))
    assert "<script>" not in render(facts) and "<i>" not in render(facts)
    assert "[red]<script>" in _drawn(facts) and "[bold]x" in _drawn(facts)


def test_many_messages_are_cut_in_the_terminal(facts_with: Callable[..., Facts]) -> None:
    text = _drawn(facts_with(messages=tuple(f"note {i}" for i in range(17))))
    assert "! note 9" in text and "note 10" not in text and "and 7 more, see the report" in text


def test_a_score_without_a_meaning_is_said_to_be_undefined(facts_with: Callable[..., Facts]) -> None:
    nothing = float("nan")
    facts = facts_with(final={"ensemble": {"mase": nothing, "mae": 0.5}, "seasonal_naive": {"mase": nothing}})
    assert "MASE is undefined on the unseen windows" in headline(facts)
    page = render(facts)
    assert ">undefined<" in page


def _stores(path: Path) -> Path:
    days = pd.date_range("2024-01-01", periods=40)
    parts = [pd.DataFrame({"date": days, "shop": s, "sales": 10 * s + days.dayofweek}) for s in (1, 2, 1, 2, 1)]
    pd.concat(parts).rename(columns={"shop": "unique_id"}).to_csv(path / "t.csv", index=False)
    return path / "t.csv"


def test_check_says_what_was_found(tmp_path: Path) -> None:
    answer = check(str(_stores(tmp_path)))
    assert "\n! 120 rows repeat the time of another row of their series (60 % of all)" in answer.text
    assert answer.data["findings"][0]["kind"] == "duplicates" and answer.data["findings"][0]["important"]
    assert answer.data["reading"] == list(map(list, reading_in({"reading": answer.data["reading"]})))
    json.dumps(strict(answer.data))


class _Told:
    """A display that keeps the messages, and the stage in which each came."""

    def __init__(self) -> None:
        self.at = ""
        self.messages: list[tuple[str, str]] = []

    def started(self, total_seconds: float) -> None: ...

    def stage(self, name: str) -> None:
        self.at = name

    def trial(self, done: int, running: int, best: float | None, skill: float | None, model: str) -> None: ...

    def message(self, text: str) -> None:
        self.messages.append((self.at, text))

    def finished(self) -> None: ...


def test_a_fit_tells_what_it_merged_before_it_searches(tmp_path: Path) -> None:
    shown = _Told()
    AutoTS(horizon=3, budget=1, progress=shown).fit(str(_stores(tmp_path)))
    stage, text = shown.messages[0]
    assert stage == "checking the columns" and "120 rows repeat" in text


def test_the_outcome_of_a_fit_has_the_findings(tmp_path: Path) -> None:
    options = {"horizon": 3, "budget": 1}
    answer = fit_run(str(_stores(tmp_path)), tmp_path / "run", options)
    assert "! 120 rows repeat the time" in answer.text
    assert [one["kind"] for one in answer.data["findings"] if one["important"]] == ["duplicates"]


def test_the_metric_that_is_named_is_the_one_that_chose(tmp_path: Path) -> None:
    constant = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=60), "y": np.full(60, 5.0)})
    pipeline = AutoTS(horizon=3, budget=1).fit(constant)
    said = headline(pipeline.facts)
    if pipeline.facts.settings["metric"] == "mae":
        assert "MAE 0 on unseen windows" in said
        assert pipeline.metric_name == "mae"
    assert "MASE 0" not in said and "MASE 0" not in pipeline.report()
