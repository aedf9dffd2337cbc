"""Leaks are named, honest columns are left alone, and a fit says or refuses what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autots import AutoTS
from autots.commands.check import check
from autots.eligibility import ColumnVerdict, Eligibility, earlier_version, examine
from autots.eligibility.shifts import exact_shift
from autots.reading.read import read_panel
from benchmarks.eligibility import planted
from zoo.errors import DataError
from zoo.tables.versioned import VersionedTable

_H = 12


def _table(series: int = 3, rows: int = 600, *, seed: int = 0) -> pd.DataFrame:
    """Hourly loads with a day, noise that lasts, and a temperature that drives them."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(series):
        day = np.arange(rows) % 24
        temperature = 15 + 8 * np.sin(2 * np.pi * (day - 9) / 24) + rng.normal(0, 3, rows)
        noise = np.zeros(rows)
        for t in range(1, rows):
            noise[t] = 0.7 * noise[t - 1] + rng.normal(0, 4)
        y = 100 + 10 * i + 20 * np.sin(2 * np.pi * day / 24) + 0.15 * (temperature - 18) ** 2 + noise
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": f"s{i}",
                    "ds": pd.date_range("2024-01-01", periods=rows, freq="h"),
                    "y": y,
                    "temperature": temperature,
                    "weekend": (np.arange(rows) // 24 % 7 >= 5).astype(float),
                    "sky": rng.choice(["clear", "rain", "snow"], rows),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _examined(table: pd.DataFrame, *known: str, before: pd.DataFrame | None = None, **more: Any) -> Eligibility:
    return examine(table, read_panel(table, known=list(known), horizon=_H, **more), horizon=_H, before=before)


def _of(found: Eligibility, column: str) -> ColumnVerdict:
    return next(v for v in found.verdicts if v.column == column)


def test_honest_columns_raise_no_alarm_known_or_past() -> None:
    for known in ((), ("temperature", "weekend", "sky")):
        found = _examined(_table(), *known)
        assert {v.column: v.status for v in found.verdicts} == dict.fromkeys(
            ("temperature", "weekend", "sky", "y"), "eligible"
        )


@pytest.mark.parametrize("leak", sorted(planted(_table(1, 50), _H)))
def test_a_planted_leak_is_found_and_named(leak: str) -> None:
    table = _table()
    column = planted(table, _H)[leak]
    before = None if column.before is None else table.assign(**{leak: column.before})
    found = _examined(table.assign(**{leak: column.values}), *([leak] if column.known else []), before=before)
    verdict = _of(found, leak)
    assert verdict.status == "ineligible" and verdict.kind in column.kinds, verdict
    assert [v.column for v in found.ineligible] == [leak]


def test_the_lead_is_told_in_rows() -> None:
    table = _table()
    found = _of(_examined(table.assign(z=table.groupby("unique_id")["y"].shift(-7))), "z")
    assert found.reason == "equal to the target 7 rows later" and found.evidence["lead"] == 7


def test_a_lag_as_long_as_the_horizon_may_be_known_and_a_past_column_may_be_any_lag() -> None:
    table = _table()
    groups = table.groupby("unique_id")["y"]
    assert _of(_examined(table.assign(z=groups.shift(_H)), "z"), "z").status == "eligible"
    assert _of(_examined(table.assign(z=groups.shift(1))), "z").status == "eligible"
    assert _of(_examined(table.assign(z=table["y"])), "z").status == "eligible"  # today's value, known today


def test_a_target_that_repeats_itself_makes_no_leak_of_a_sine() -> None:
    times = pd.date_range("2024-01-01", periods=500, freq="h")
    wave = np.sin(2 * np.pi * np.arange(500) / 24)
    table = pd.DataFrame({"ds": times, "y": 3 * wave, "wave": np.roll(wave, 5)})
    found = _examined(table, "wave")
    assert _of(found, "wave").kind not in ("lead", "short_lag")
    assert found.target.verdict == "no"


def test_a_random_walk_is_no_better_than_its_last_value_and_a_trend_is() -> None:
    rng = np.random.default_rng(1)
    days = pd.date_range("2020-01-01", periods=900, freq="D")
    walk = pd.DataFrame({"ds": days, "y": rng.normal(size=900).cumsum()})
    found = examine(walk, read_panel(walk, freq="D"), horizon=1).target
    assert found.season == 7 and found.verdict == "yes"  # a week ago is worse than yesterday
    steps = pd.DataFrame({"t": range(900), "y": rng.normal(size=900).cumsum()})
    assert examine(steps, read_panel(steps), horizon=1).target.verdict != "yes"


@pytest.mark.parametrize("rows", [2, 5, 9, 12, 30])
def test_short_tables_are_examined_without_fuss(rows: int) -> None:
    days = pd.date_range("2024-01-01", periods=rows, freq="D")
    table = pd.DataFrame({"ds": days, "y": np.arange(rows, dtype=float), "x": np.arange(rows) % 3 * 1.0})
    found = _examined(table, freq="D")
    assert found.target.verdict in ("unclear", "no", "yes") and _of(found, "x").status == "eligible"


@pytest.mark.parametrize("y", [np.full(200, 3.0), np.full(200, np.nan), np.r_[np.full(100, np.nan), np.ones(100)]])
def test_constant_and_missing_targets_are_survived(y: Any) -> None:
    days = pd.date_range("2024-01-01", periods=200, freq="D")
    table = pd.DataFrame({"ds": days, "y": y, "x": np.random.default_rng(0).normal(size=200)})
    try:
        panel = read_panel(table, freq="D")
    except DataError:
        return  # refused before it comes so far
    assert _of(examine(table, panel, horizon=7), "x").status == "eligible"


def test_wide_tables_and_series_have_only_a_target() -> None:
    index = pd.date_range("2024-01-01", periods=100, freq="D")
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 3)), index=index, columns=["a", "b", "c"])
    for table in (wide, wide["a"]):
        found = examine(table, read_panel(table), horizon=7)
        assert [v.role for v in found.verdicts] == ["target"]


def test_whole_numbers_that_measure_are_no_identifiers() -> None:
    rng = np.random.default_rng(3)
    table = _table(1, 300)
    # Large whole numbers, none twice, that move slowly: a stock of people, say.
    people = 10_000_000 + np.cumsum(rng.integers(100, 5000, 300))
    assert _of(_examined(table.assign(people=people)), "people").status == "eligible"


def test_a_name_of_the_series_is_an_identifier() -> None:
    table = _table(25, 60)
    table["meter_no"] = table["unique_id"].str[1:].astype(int) * 7 + 1000
    assert _of(_examined(table), "meter_no").kind == "identifier"


def test_a_corrected_target_is_for_review_and_few_changes_too() -> None:
    table, before = _table(1), _table(1)
    before.loc[5, "y"] = 0.0
    before.loc[7, "temperature"] = -99.0
    found = _examined(table, before=before)
    assert _of(found, "y").status == "review" and _of(found, "temperature").status == "review"
    assert _of(found, "temperature").kind == "revised"


def test_rows_that_came_later_are_no_changes() -> None:
    table = _table(1)
    assert not _examined(table, before=table.iloc[:-50]).review


def test_versions_of_a_table_are_compared_by_themselves(tmp_path: Path) -> None:
    table = _table(1, 200)
    late = table.assign(late=np.random.default_rng(0).normal(size=200))
    stored = VersionedTable.open(tmp_path / "t")
    assert earlier_version(stored.path) is None
    stored.write(late.mask(late.index.to_series() > 150).assign(**{c: late[c] for c in table.columns}))
    assert earlier_version(stored.path) is None  # one version has nothing to differ from
    stored.write(late, "overwrite")
    answer = check(stored.path, horizon=_H)
    assert answer.code == 1
    assert [c["column"] for c in answer.data["columns"] if c["status"] == "ineligible"] == ["late"]
    assert "filled in later" in answer.text
    assert check(stored.path, horizon=_H, before="1").code == 0
    assert check(stored.path, horizon=_H, as_of="0").code == 0


def test_check_says_yes_by_its_status(tmp_path: Path) -> None:
    _table().to_csv(tmp_path / "t.csv", index=False)
    answer = check(str(tmp_path / "t.csv"), horizon=_H, known="temperature")
    assert answer.code == 0 and "temperature  known" in answer.text
    assert answer.data["target"]["verdict"] == "yes"


def test_strict_stops_before_anything_starts_and_without_it_the_report_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _table(1, 200)
    table["z"] = table["y"].shift(-1)
    auto = AutoTS(horizon=_H, budget="10s", strict=True, out=tmp_path / "run")
    with pytest.raises(DataError, match="1 are not: z: equal to the target 1 row later") as caught:
        auto.fit(table)
    assert caught.value.hint and not (tmp_path / "run").exists()

    class Seen(Exception):
        pass

    def stop(read: Any, *_: Any) -> None:
        found = read.report.find("eligibility_lead")
        assert "'z'" in found.message and "strict" in found.action
        raise Seen

    monkeypatch.setattr("autots.api.fit", stop)
    with pytest.raises(Seen):
        auto.fit(table, strict=False)


def test_units_do_not_matter() -> None:
    table = _table(1)
    leaks = table.assign(z=table["y"].shift(-1))
    plain = _examined(leaks)
    for unit in (1e300, 1e-300, -1.0):
        found = _examined(leaks.assign(y=unit * leaks["y"], z=unit * leaks["z"]))
        assert [(v.column, v.kind) for v in found.verdicts] == [(v.column, v.kind) for v in plain.verdicts]
        assert found.target.skill == pytest.approx(plain.target.skill, rel=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        pd.array([True, None] * 100, dtype="boolean"),
        pd.array([1, None, 2, 3] * 50, dtype="Int64"),
        pd.Categorical(["a", "b"] * 100),
        np.array([1, "x"] * 100, dtype=object),
        np.r_[np.inf, np.random.default_rng(0).normal(size=199)],
        1e300 * np.random.default_rng(0).normal(size=200),
    ],
)
def test_columns_of_any_kind_are_judged(values: Any) -> None:
    found = _examined(_table(1, 200).assign(x=values))
    assert _of(found, "x").status in ("eligible", "review", "ineligible")


def test_exact_leads_and_lags_are_found_in_short_series_of_any_unit():
    """Twelve rows of each: too few for a share of the variance, enough for equality."""
    rng = np.random.default_rng(3)
    y = np.cumsum(rng.normal(size=(8, 12)), axis=1) * 10.0 ** rng.integers(-200, 150, size=(8, 1))
    ahead = np.full_like(y, np.nan)
    ahead[:, :-2] = -3 * y[:, 2:]
    assert exact_shift(ahead, y, range(1, 6), [1]) == 2
    behind = np.full_like(y, np.nan)
    behind[:, 1:] = y[:, :-1]
    assert exact_shift(behind, y, [0, 1, 2, -1, -2], [1]) == -1
    assert exact_shift(behind, y, range(6), [1]) is None


def test_a_target_that_follows_from_its_own_past_accuses_no_column():
    line = np.arange(24.0) + np.arange(6.0)[:, None]
    wave = np.sin(np.arange(24.0) * np.pi / 6) + np.arange(6.0)[:, None]
    for y in (line, wave):
        assert exact_shift(2 * y + 1, y, range(8), [1, 12]) is None
