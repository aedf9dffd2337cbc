"""Each vectorised baseline against a slow formula of three lines."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from autots.models.base import Context, Forecast, Task
from autots.models.baseline import Drift, Empirical, Mean, Naive, SeasonalMean, SeasonalNaive, Zero
from autots.models.baseline.ragged import Ragged, weighted_quantiles
from autots.panel import Frequency, Future, Panel
from zoo.errors import ConfigError, ModelError
from zoo.series.offsets import Offsets

TASK = Task(horizon=6, seasons=(4,))
NAN = float("nan")


def panel(*series: list[float]) -> Panel:
    lengths = [len(s) for s in series]
    return Panel(
        ids=np.array([f"s{i}" for i in range(len(series))], dtype=object),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([np.arange(n) for n in lengths]),
        y=np.concatenate([np.asarray(s, dtype=float) for s in series]),
        freq=Frequency.parse(1),
    )


def forecast(model, history: Panel, task: Task = TASK) -> Forecast:
    return model.fit(history, task, Context()).predict(history, Future())


@pytest.fixture
def walks() -> list[list[float]]:
    rng = np.random.default_rng(3)
    return [list(rng.normal(size=n).cumsum() - 50) for n in (9, 40, 61)]


def test_naive_repeats_the_last_observed_value(walks):
    walks[0][-2:] = [NAN, NAN]
    mean = forecast(Naive(), panel(*walks)).mean
    assert mean[:, 0].tolist() == [walks[0][-3], walks[1][-1], walks[2][-1]]
    assert (mean == mean[:, :1]).all()


def test_naive_spread_of_a_short_series_is_gaussian_and_grows_with_the_root_of_the_step(walks):
    errors = np.diff(walks[0])
    sigma = np.sqrt(np.mean(errors**2))
    slow = [
        [walks[0][-1] + sigma * np.sqrt(h) * NormalDist().inv_cdf(q) for q in TASK.levels]
        for h in range(1, TASK.horizon + 1)
    ]
    np.testing.assert_allclose(forecast(Naive(), panel(*walks)).quantiles[0], slow)


def test_naive_spread_of_a_longer_series_is_that_of_its_absolute_errors(walks):
    quantiles = forecast(Naive(), panel(*walks)).quantiles[1, 0]
    wide = np.quantile(np.abs(np.diff(walks[1])), 0.8, method="hazen")
    np.testing.assert_allclose(quantiles[[0, 4, 8]], walks[1][-1] + np.array([-wide, 0, wide]))


def test_seasonal_naive_repeats_the_last_season(walks):
    mean = forecast(SeasonalNaive(), panel(*walks)).mean
    for i, walk in enumerate(walks):
        assert mean[i].tolist() == [walk[-4], walk[-3], walk[-2], walk[-1], walk[-4], walk[-3]]


def test_seasonal_naive_looks_back_further_for_a_phase_that_is_missing():
    mean = forecast(SeasonalNaive(), panel([1, 2, 3, 4, 5, NAN, 7, 8, NAN, NAN, 11, 12])).mean
    assert mean[0].tolist() == [5, 2, 11, 12, 5, 2]


def test_seasonal_naive_of_less_than_a_season_falls_back_to_the_last_value_for_phases_never_seen():
    assert forecast(SeasonalNaive(), panel([5, 6, 7])).mean[0].tolist() == [7, 5, 6, 7, 7, 5]


def test_drift_extends_the_line_through_the_ends(walks):
    mean = forecast(Drift(), panel(*walks)).mean
    for i, walk in enumerate(walks):
        slope = (walk[-1] - walk[0]) / (len(walk) - 1)
        np.testing.assert_allclose(mean[i], walk[-1] + slope * np.arange(1, 7))


def test_drift_of_a_window_uses_its_ends_alone(walks):
    mean = forecast(Drift(window=5), panel(*walks)).mean
    slope = (walks[1][-1] - walks[1][-5]) / 4
    np.testing.assert_allclose(mean[1], walks[1][-1] + slope * np.arange(1, 7))


def test_mean_averages_the_window(walks):
    for window in (None, 5):
        mean = forecast(Mean(window=window), panel(*walks)).mean
        for i, walk in enumerate(walks):
            np.testing.assert_allclose(mean[i], np.mean(walk[-(window or len(walk)) :]))


def test_mean_of_a_window_without_values_is_the_last_value():
    assert (forecast(Mean(window=2), panel([3, 4, NAN, NAN])).mean == 4).all()


def test_seasonal_mean_averages_values_of_one_phase(walks):
    mean = forecast(SeasonalMean(window=2), panel(*walks)).mean
    np.testing.assert_allclose(mean[2, 0], np.mean([walks[2][-4], walks[2][-8]]))
    np.testing.assert_allclose(mean[2, 4], mean[2, 0])
    np.testing.assert_allclose(mean[0, 3], np.mean([walks[0][-1], walks[0][-5]]))


def test_empirical_is_the_distribution_of_the_window(walks):
    made = forecast(Empirical(window=20), panel(*walks))
    slow = np.quantile(walks[1][-20:], TASK.levels, method="hazen")
    np.testing.assert_allclose(made.quantiles[1, 3], slow)
    np.testing.assert_allclose(made.mean[1], np.mean(walks[1][-20:]))


def test_seasonal_empirical_takes_values_of_one_phase(walks):
    made = forecast(Empirical(window=5, seasonal=True), panel(*walks))
    same = [walks[2][-4 * k + 1] for k in range(1, 6)]
    np.testing.assert_allclose(made.quantiles[2, 1], np.quantile(same, TASK.levels, method="hazen"))


def test_a_half_life_makes_new_values_weigh_more():
    rising = [float(v) for v in range(50)]
    plain, recent = (forecast(Empirical(half_life=h), panel(rising)).median(TASK.levels)[0, 0] for h in (None, 5.0))
    assert recent > plain + 10


def test_zero_forecasts_zero_with_the_upper_tail_of_what_was_seen():
    made = forecast(Zero(), panel([0, 0, 0, 0, 0, 0, 0, 5, 0, 9]))
    assert (made.mean == 0).all()
    assert made.quantiles[0, 0, :5].tolist() == [0] * 5
    assert made.quantiles[0, 0, -1] > 5


def test_forecasts_of_a_non_negative_history_are_not_negative():
    falling = panel([float(v) for v in range(40, 0, -1)])
    assert forecast(Drift(), falling, Task(60)).quantiles.min() == 0
    assert forecast(Naive(), falling, Task(60)).quantiles.min() == 0


def test_weighted_quantiles_with_equal_weights_are_the_plain_ones():
    values = np.random.default_rng(0).normal(size=(5, 3, 17))
    values[1, 1, 3:9] = NAN
    levels = (0.05, 0.5, 0.95)
    np.testing.assert_allclose(
        weighted_quantiles(values, levels), weighted_quantiles(values, levels, np.ones(17)), atol=1e-12
    )


def test_chunks_cover_every_series_once():
    ragged = Ragged(np.arange(20.0), Offsets(np.array([0, 1, 9, 10, 20])))
    parts = list(ragged.chunks(5))
    assert [at.start for at, _ in parts] == [0, 1, 2, 3]
    np.testing.assert_array_equal(np.concatenate([p.y for _, p in parts]), ragged.y)


def test_work_in_chunks_changes_nothing(walks, monkeypatch):
    whole = forecast(SeasonalNaive(), panel(*walks))
    monkeypatch.setattr("autots.models.baseline.base._CHUNK", 1)
    np.testing.assert_array_equal(forecast(SeasonalNaive(), panel(*walks)).quantiles, whole.quantiles)


@pytest.mark.parametrize("build", [lambda: SeasonalNaive(season=0), lambda: Mean(window=2.5), lambda: Zero(window=-1)])
def test_a_window_that_is_no_count_is_refused(build):
    with pytest.raises(ConfigError, match="whole number above 0"):
        build()


def test_a_forecaster_that_was_not_fitted_says_so():
    with pytest.raises(ModelError, match="must be fitted"):
        Naive().predict(panel([1.0]), Future())


@pytest.mark.parametrize(
    "build",
    [
        Naive,
        SeasonalNaive,
        lambda: SeasonalNaive(season=50),
        Drift,
        lambda: Drift(window=7),
        Mean,
        SeasonalMean,
        Zero,
    ],
)
def test_what_is_read_of_a_long_history_is_all_that_matters_of_it(build, monkeypatch):
    rng = np.random.default_rng(0)
    series = [rng.normal(5, 2, n) for n in (1, 3, 401, 402, 500, 3000, 2500)]
    series[4][rng.random(500) < 0.9] = NAN
    series[5][-900:] = NAN
    series[6][:] = NAN
    for chosen in (series, [series[5]], [series[3]]):
        history = panel(*chosen)
        quick = forecast(build(), history)
        with monkeypatch.context() as patch:
            patch.setattr(Ragged, "recent", lambda self, rows: self)
            slow = forecast(build(), history)
        assert np.array_equal(quick.mean, slow.mean)
        assert np.array_equal(quick.quantiles, slow.quantiles)
