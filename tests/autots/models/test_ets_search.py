"""The forms of an automatic ETS beside statsforecast's: no worse by its own criterion, and what they must not do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from statsforecast.ets import ets_f, pegelsresid_C
from threadpoolctl import threadpool_limits

from autots.models.base import Context, Task
from autots.models.statistical.ets import AutoETS
from autots.models.statistical.ets_search import best_form
from autots.models.statistical.least_squares import least_squares
from autots.panel import Floats, Frequency, Future, Panel


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def generated(seed: int) -> Floats:
    """Return a series with or without trend and season, additive or multiplicative, as ``seed`` says."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(36, 120))
    at = np.arange(n)
    trend, season = rng.choice([0.0, 0.3, 1.0]), rng.choice([0.0, 0.1, 0.3])
    level = 100 + trend * at + rng.choice([0.2, 2.0]) * rng.normal(size=n).cumsum()
    swing = season * np.sin(2 * np.pi * at / 4 + rng.uniform(0, 6))
    noise = rng.normal(0, 2, n)
    return np.asarray(level * (1 + swing) + noise if seed % 2 else level + 100 * swing + noise)


def test_the_criterion_is_no_worse_than_that_of_statsforecast_on_nearly_all_series() -> None:
    surplus = []
    for seed in range(40):
        y = generated(seed)
        surplus.append(best_form(y, 4, "ZZZ", None).aicc - ets_f(y, 4)["aicc"])
    assert np.mean(np.array(surplus) <= 1e-3) >= 0.95
    # A form that stopped in another valley is still one of those that compete.
    assert max(surplus) < 3


@pytest.mark.parametrize("model", ["ZZN", "ANN", "AZN", "MAM", "AAA"])
def test_a_form_that_is_asked_for_is_that_of_statsforecast_to_the_last_bit(model: str) -> None:
    y = generated(5)
    made, oracle = best_form(y, 4, model, None), ets_f(y, 4, model=model)
    assert made.form == oracle["components"]
    np.testing.assert_array_equal(made.par, oracle["par"])
    assert made.sigma2 == oracle["sigma2"]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_returned_has_the_criterion_and_variance_that_it_says(seed: int) -> None:
    y = generated(seed)
    found = best_form(y, 4, "ZZZ", None)
    error, trend, kind, damped = tuple(found.form)
    # The fourth to last of the arguments are the weights, where a part that is missing is NaN.
    args = (y, 4 if kind != "N" else 1, found.par[4:], error, trend, kind, damped == "D", *found.par[:4], 3)
    _, errors, _, minus_two_log = pegelsresid_C(*args)
    free = np.count_nonzero(~np.isnan(found.par[:4])) + len(found.par) - 4 - (kind != "N") + 1
    spare = len(y) - free - 1
    np.testing.assert_allclose(found.aicc, minus_two_log + 2 * free + 2 * free * (free + 1) / spare, rtol=1e-9)
    np.testing.assert_allclose(found.sigma2, errors @ errors / spare, rtol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_weights_lie_within_bounds_and_seasons_add_up(seed: int) -> None:
    found = best_form(generated(seed), 4, "ZZZ", None)
    weights = found.par[:4][~np.isnan(found.par[:4])]
    assert (weights >= 1e-4).all() and (weights <= 0.9999).all()
    if found.form[2] != "N":
        np.testing.assert_allclose(found.par[-4:].sum(), 4.0 * (found.form[2] == "M"), atol=1e-8)


def test_negative_values_leave_only_additive_forms() -> None:
    found = best_form(generated(3) - 120.0, 4, "ZZZ", None)
    assert "M" not in found.form


def test_a_series_hardly_longer_than_its_parameters_is_statsforecasts() -> None:
    y = generated(4)[:12]
    made, oracle = best_form(y, 4, "ZZZ", None), ets_f(y, 4)
    np.testing.assert_array_equal(made.par, oracle["par"])
    with pytest.raises(NotImplementedError):
        best_form(y[:5], 4, "ZZZ", None)


def test_a_saved_state_of_statsforecasts_fit_still_forecasts() -> None:
    y, task = generated(2), Task(horizon=6, seasons=(4,), levels=(0.1, 0.5, 0.9))
    panel = Panel(
        ids=np.array(["a"], dtype=object),
        indptr=np.array([0, len(y)]),
        times=np.arange(len(y)),
        y=y,
        freq=Frequency.parse(1),
    )
    model = AutoETS().fit(panel, task, Context())
    state = model.state()
    oracle = ets_f(y, 4)
    code = ["NAM".index(letter) for letter in oracle["components"][:3]]
    before = np.concatenate([code, [oracle["components"][3] == "D"], oracle["par"][:4], [oracle["sigma2"]]])
    learned = {**state["learned"], "values": np.concatenate([before, oracle["par"][4:]])}
    learned["indptr"] = np.array([0, len(learned["values"])])
    learned["level"] = np.zeros(1)
    learned.pop("unit")  # that version knew none
    restored = AutoETS().restore({**state, "learned": learned})
    from statsforecast.ets import pegelsfcast_C

    np.testing.assert_allclose(restored.predict(panel, Future()).mean[0], pegelsfcast_C(6, oracle), rtol=1e-9)


def test_least_squares_finds_the_bottom_of_a_curved_valley() -> None:
    def residuals(at: Floats) -> Floats:
        return np.array([10 * (at[1] - at[0] ** 2), 1 - at[0]])

    begin = np.array([-1.2, 1.0])
    free = np.full(2, np.inf)
    at, squares = least_squares(
        residuals, begin, residuals(begin), (-free, free), np.ones(2), wanted=1e300, arrived=1e-12
    )
    np.testing.assert_allclose(at, 1.0, atol=1e-4)
    assert squares < 1e-8


def test_least_squares_stays_within_bounds_and_where_it_is_defined() -> None:
    def residuals(at: Floats) -> Floats | None:
        return None if at[1] < 0.5 else np.array([at[0] - 3.0, at[1] - 1.0, 0.1 * at[0] * at[1]])

    begin, high = np.array([0.0, 4.0]), np.array([2.0, np.inf])
    at_begin = residuals(begin)
    assert at_begin is not None
    at, _ = least_squares(
        residuals, begin, at_begin, (-np.full(2, np.inf), high), np.ones(2), wanted=1e300, arrived=1e-9
    )
    assert at[0] == 2.0 and at[1] >= 0.5
