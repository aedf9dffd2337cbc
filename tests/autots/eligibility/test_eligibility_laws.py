"""Laws of the checks: any lead in any unit is found, noise never is, verdicts compose, revisions are counted."""

from __future__ import annotations

import doctest
import json
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autots.eligibility import ColumnVerdict, Eligibility, Forecastability, shifts
from autots.eligibility.columns import judge_values
from autots.eligibility.revisions import judge_revisions
from autots.eligibility.sample import PanelSample, scaled
from autots.eligibility.shifts import exact_shift
from autots.eligibility.target import judge_target
from autots.eligibility.verdicts import Status
from autots.reading.report import DataReport
from zoo.errors import DataError

law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SEEDS = st.integers(0, 2**32 - 1)
RANK: tuple[Status, ...] = ("eligible", "review", "ineligible")
TARGET = Forecastability("no", 1, "", 0.0, "no simple forecast beats it")
verdicts = st.builds(ColumnVerdict, st.just("c"), st.just("past"), st.sampled_from(RANK), reason=st.text(max_size=3))


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(shifts)
    assert result.attempted == 2 and result.failed == 0


@settings(law, max_examples=60)
@given(SEEDS, st.integers(1, 6), st.integers(24, 60), st.integers(-5, 8), st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_a_shift_is_found_whatever_the_units_of_each_series(
    seed: int, count: int, rows: int, shift: int, level: float, unit: float
) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(count + 1, rows)).cumsum(axis=1)
    # Levels beyond a thousand deviations leave no digits for the rest.
    x = np.roll(y, -shift, axis=1) * unit * (1 + np.arange(count + 1))[:, None] + min(abs(level), 1e3 * unit)
    if shift:
        x[:, (slice(-shift, None) if shift > 0 else slice(None, -shift))] = np.nan
    assert exact_shift(x, y, range(-5, 9), [1]) == shift
    assert exact_shift(-x, y, range(-5, 9), [1]) == shift
    assert exact_shift(x, y, [k for k in range(-5, 9) if k != shift], [1]) is None


@settings(law, max_examples=60)
@given(SEEDS, st.floats(1e-3, 1.0))
def test_a_shift_with_noise_is_not_exact(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(3, 60))
    x = np.roll(y, -2, axis=1) + noise * rng.normal(size=y.shape)
    assert exact_shift(x, y, range(-5, 9), [1]) is None


@pytest.mark.parametrize("y", [np.arange(60.0), np.sin(np.pi * np.arange(60.0) / 6), np.ones(60), np.full(60, np.nan)])
def test_a_target_that_its_own_past_tells_exactly_accuses_nobody(y: Any) -> None:
    assert exact_shift(np.roll(y, -1)[None, :], y[None, :], range(1, 5), [12]) is None


@law
@given(verdicts, verdicts, verdicts)
def test_the_graver_of_two_verdicts_stands_in_any_grouping(
    a: ColumnVerdict, b: ColumnVerdict, c: ColumnVerdict
) -> None:
    assert a.worse(None) is a and a.worse(a) is a
    assert RANK.index(a.worse(b).status) == max(RANK.index(a.status), RANK.index(b.status))
    assert a.worse(b).worse(c) == a.worse(b.worse(c))
    assert set(get_args(Status)) == set(RANK)


@law
@given(st.lists(st.sampled_from(RANK), max_size=6))
def test_a_table_is_refused_only_for_columns_that_must_not_be_used(statuses: list[Status]) -> None:
    found = Eligibility(
        (
            *(ColumnVerdict(f"c{i}", "past", s, "lead", "why") for i, s in enumerate(statuses)),
            ColumnVerdict("y", "target"),
        ),
        TARGET,
    )
    assert len(found.ineligible) == statuses.count("ineligible") and len(found.review) == statuses.count("review")
    if found.ineligible:
        with pytest.raises(DataError) as refused:
            found.refuse()
        assert all(verdict.column in refused.value.message for verdict in found.ineligible)
    else:
        found.refuse()
    report = DataReport((), 1, 10, "h", "2024", "2024", (1,), 0.0, 0.0, (10, 10.0, 10))
    noted = found.noted(report)
    # One remark for each column that is not eligible, and one for a target that cannot be forecast.
    assert len(noted.findings) == len(statuses) - statuses.count("eligible") + 1 and report.findings == ()
    assert len(found.summary().splitlines()) == len(statuses) + 2
    assert json.loads(json.dumps(found.to_dict()))["target"]["verdict"] == "no"


@law
@given(st.integers(2, 300), st.data())
def test_revisions_count_what_changed_and_what_was_filled(rows: int, data: st.DataObject) -> None:
    before = pd.DataFrame({"ds": range(rows), "x": np.arange(rows) * 1.5, "y": np.arange(rows) * 1.0})
    changed = data.draw(st.sets(st.integers(0, rows - 1)))
    filled = data.draw(st.sets(st.integers(0, rows - 1)))
    before.loc[list(filled), "x"] = np.nan
    now = before.copy()
    now.loc[list(filled), "x"] = 7.0
    now.loc[list(changed - filled), "x"] -= 1.0
    touched = changed | filled
    found = judge_revisions(now, before, key=["ds"], roles={"x": "past", "y": "target"})
    if not touched:
        assert found == []
        return
    (verdict,) = found
    assert verdict.column == "x" and verdict.kind == "revised"
    assert verdict.evidence == {"changed": len(touched) / rows, "filled": len(filled) / rows}
    assert verdict.status == ("ineligible" if len(touched) / rows >= 0.01 else "review")
    # Rows that only one version has, and their order, say nothing.
    later = pd.concat([now.sample(frac=1.0, random_state=0), now.assign(ds=now["ds"] + rows, x=-1.0)])
    assert judge_revisions(later, before, key=["ds"], roles={"x": "past"}) == [verdict]


@law
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 50))
@example(0.0, 30)
def test_one_value_is_constant_whatever_it_is(value: float, rows: int) -> None:
    verdict = judge_values(pd.Series([value] * rows), "c", "past", target=None, series=None)
    assert (verdict.status, verdict.kind) == ("ineligible", "constant")


@law
@given(st.integers(0, 100))
def test_missing_values_make_a_column_doubtful_then_useless(missing: int) -> None:
    values = pd.Series(np.linspace(0.0, 1.0, 100) ** 2)
    values[:missing] = np.nan
    verdict = judge_values(values, "c", "past", target=None, series=None)
    if missing > 90:
        assert (verdict.status, verdict.kind) == ("ineligible", "mostly_missing")
    elif missing > 50:
        assert (verdict.status, verdict.kind) == ("review", "mostly_missing")
    else:
        assert verdict.status == "eligible"


def test_a_known_column_must_be_there_where_the_target_is_not() -> None:
    target = pd.Series([1.0, 2.0, 4.0] * 10 + [np.nan] * 6)
    values = pd.Series(np.sqrt(np.arange(36.0)))
    for role, gap, expected in (("known", 6, "not_known"), ("known", 0, ""), ("past", 6, "")):
        column = values.copy()
        column[36 - gap :] = np.nan
        assert judge_values(column, "c", role, target=target, series=None).kind == expected


def sample(y: Any) -> PanelSample:
    """Return a sample whose panel nobody asks for."""
    split = round(0.7 * y.shape[1])
    return PanelSample(None, scaled(y, split), split)  # type: ignore[arg-type]


@settings(law, max_examples=30)
@given(SEEDS, st.sampled_from([1, 7, 24]))
def test_noise_around_a_level_can_be_forecast_better_than_by_repeating_it(seed: int, season: int) -> None:
    y = np.random.default_rng(seed).normal(size=(4, 400))
    found = judge_target(sample(y), season, 6)
    # The mean has 1/√2 of the error of a repeated value.
    assert found.verdict == "yes" and 0.15 < found.skill < 0.45 and found.season == season


@settings(law, max_examples=30)
@given(SEEDS)
def test_a_random_walk_promises_nothing(seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=(1, 500)).cumsum(axis=1)
    found = judge_target(sample(y), 1, 1)
    assert found.verdict != "yes" or found.skill < 0.2


@settings(law, max_examples=40)
@given(SEEDS, st.floats(1e-150, 1e150), st.floats(-10, 10))
def test_scaling_takes_level_and_unit_off(seed: int, unit: float, level: float) -> None:
    values = np.random.default_rng(seed).normal(size=(2, 40))
    values[0, :5] = np.nan
    other = scaled((values + level) * unit, 28)
    assert np.allclose(scaled(values, 28), other, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert np.allclose(np.nanmean(other[:, :28], axis=1), 0, atol=1e-9)
    assert np.allclose(np.nanstd(other[:, :28], axis=1), 1)
    assert (scaled(np.full((1, 10), unit), 7) == 0).all(), "a constant says nothing"
