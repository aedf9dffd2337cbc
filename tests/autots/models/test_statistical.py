"""Models of single series against statsforecast's own classes, and the state update against a long filter."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsforecast.models as sf
from statsmodels.tsa.seasonal import seasonal_decompose

from autots.models.base import Context, Task
from autots.models.statistical import adjust
from autots.models.statistical.arima import AutoARIMA
from autots.models.statistical.ces import AutoCES
from autots.models.statistical.ets import AutoETS, deviations
from autots.models.statistical.mstl import MSTL
from autots.models.statistical.sarimax import SARIMAX
from autots.models.statistical.theta import AutoTheta
from autots.panel import Frequency, Future, Panel
from zoo.clock import Deadline, ManualClock
from zoo.errors import BudgetError, ConfigError, ModelError

TASK = Task(horizon=10, seasons=(4,), levels=(0.1, 0.5, 0.9))


def seasonal_series(n: int, seed: int, season: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return 50 + 0.2 * t + 8 * np.sin(2 * np.pi * t / season) + rng.normal(size=n).cumsum() + rng.normal(size=n)


def panel(*series: np.ndarray, start: int = 0, known: dict | None = None, freq: Frequency | None = None) -> Panel:
    lengths = [len(s) for s in series]
    return Panel(
        ids=np.array([f"s{i}" for i in range(len(series))], dtype=object),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([start + np.arange(n) for n in lengths]),
        y=np.concatenate(series).astype(float),
        freq=freq or Frequency.parse(1),
        known=known or {},
    )


def forecast(model, history: Panel, task: Task = TASK):
    return model.fit(history, task, Context()).predict(history, Future())


def theirs(model, y: np.ndarray, horizon: int = TASK.horizon, **kwargs) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.forecast(y=y, h=horizon, **kwargs)


PAIRS = {
    "ets without a season": (lambda: AutoETS(season=1), lambda: sf.AutoETS(season_length=1)),
    "ets aaa": (lambda: AutoETS(model="AAA"), lambda: sf.AutoETS(season_length=4, model="AAA")),
    "ets mam": (lambda: AutoETS(model="MAM"), lambda: sf.AutoETS(season_length=4, model="MAM")),
    "theta": (lambda: AutoTheta(), lambda: sf.Theta(season_length=4)),
    "theta auto": (lambda: AutoTheta(method="auto"), lambda: sf.AutoTheta(season_length=4)),
    "theta additive": (
        lambda: AutoTheta(method="DOTM", decomposition="additive"),
        lambda: sf.DynamicOptimizedTheta(season_length=4, decomposition_type="additive"),
    ),
    "ces": (lambda: AutoCES(), lambda: sf.AutoCES(season_length=4)),
    "ces simple": (lambda: AutoCES(model="S"), lambda: sf.AutoCES(season_length=4, model="S")),
    "ces full": (lambda: AutoCES(model="F"), lambda: sf.AutoCES(season_length=4, model="F")),
    "arima": (
        lambda: AutoARIMA(),
        lambda: sf.AutoARIMA(season_length=4, approximation=True, max_p=3, max_q=3, max_P=1, max_Q=1),
    ),
    # Our trend has an additive error; theirs chooses, at one and a half times the cost.
    "mstl": (lambda: MSTL(), lambda: sf.MSTL(season_length=4, trend_forecaster=sf.AutoETS(model="AZN"))),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_means_are_those_of_statsforecast(pair):
    ours, oracle = PAIRS[pair]
    series = [seasonal_series(n, seed) for n, seed in ((48, 1), (60, 2), (71, 3))]
    made = forecast(ours(), panel(*series)).mean
    for i, y in enumerate(series):
        # Ours sees every series at a mean size of a hundred, as their searches depend on the unit.
        unit = 100.0 / np.abs(y).mean()
        np.testing.assert_allclose(made[i], theirs(oracle(), y * unit)["mean"] / unit, rtol=2e-5)


def test_arima_quantiles_are_those_of_statsforecast():
    y = seasonal_series(60, 2)
    made = forecast(AutoARIMA(), panel(y)).quantiles[0]
    oracle = theirs(PAIRS["arima"][1](), y, level=[80])
    np.testing.assert_allclose(made[:, 0], oracle["lo-80"], rtol=1e-3)
    np.testing.assert_allclose(made[:, 2], oracle["hi-80"], rtol=1e-3)


@pytest.mark.parametrize("model", ["ANN", "AAN", "MNN", "MAN", "MNA"])
def test_ets_quantiles_are_those_of_statsforecast_where_its_formula_is_right(model):
    y = seasonal_series(60, 2)
    made = forecast(AutoETS(model=model, damped=False), panel(y)).quantiles[0]
    oracle = theirs(sf.AutoETS(season_length=4, model=model, damped=False), y, level=[80])
    np.testing.assert_allclose(made[:, 2], oracle["hi-80"], rtol=1e-6)


@pytest.mark.parametrize("season", ["N", "A"])
@pytest.mark.parametrize("phi", [1.0, 0.9])
@pytest.mark.parametrize("multiplicative", [False, True])
def test_ets_deviations_are_those_of_simulated_paths(season, phi, multiplicative):
    # The textbook recursion, run forward with random errors, is the oracle for the closed forms.
    rng = np.random.default_rng(0)
    alpha, beta, gamma, sigma, m, paths = 0.4, 0.1, 0.2, (0.02 if multiplicative else 3.0), 4, 40_000
    gamma = gamma if season == "A" else 0.0
    level, trend = np.full(paths, 100.0), np.full(paths, 1.0)
    seasonal = [np.full(paths, s if season == "A" else 0.0) for s in (5.0, -3.0, -6.0, 4.0)]
    drawn, mean = [], []
    point_level, point_trend = 100.0, 1.0
    for h in range(TASK.horizon):
        expected = level + phi * trend + seasonal[0]
        error = rng.normal(size=paths) * sigma * (expected if multiplicative else 1.0)
        drawn.append(expected + error)
        point_level, point_trend = point_level + phi * point_trend, phi * point_trend
        mean.append(point_level + ([5.0, -3.0, -6.0, 4.0][h % 4] if season == "A" else 0.0))
        level, trend = level + phi * trend + alpha * error, phi * trend + beta * error
        seasonal = [*seasonal[1:], seasonal[0] + gamma * error]
    made = deviations(
        np.array(mean), sigma**2, (alpha, beta, gamma, phi), m, multiplicative=multiplicative, factors=None
    )
    np.testing.assert_allclose(made, np.std(drawn, axis=1), rtol=0.02)


def test_ets_deviations_of_a_multiplicative_season_are_those_of_simulated_paths():
    rng = np.random.default_rng(0)
    alpha, beta, gamma, sigma, m, paths = 0.4, 0.05, 0.2, 0.03, 4, 40_000
    base = np.array([1.2, 0.8, 0.9, 1.1])
    level, trend = np.full(paths, 100.0), np.full(paths, 1.0)
    seasonal = [np.full(paths, s) for s in base]
    drawn = []
    for _ in range(TASK.horizon):
        inner = level + trend
        error = rng.normal(size=paths) * sigma
        drawn.append(inner * seasonal[0] * (1 + error))
        level, trend = inner * (1 + alpha * error), trend + beta * inner * error
        seasonal = [*seasonal[1:], seasonal[0] * (1 + gamma * error)]
    factors = base[np.arange(TASK.horizon) % m]
    mean = (100.0 + np.arange(1, TASK.horizon + 1)) * factors
    made = deviations(mean, sigma**2, (alpha, beta, gamma, 1.0), m, multiplicative=True, factors=factors)
    np.testing.assert_allclose(made, np.std(drawn, axis=1), rtol=0.04)


@pytest.mark.parametrize("form", "NSPF")
def test_ces_deviations_are_those_of_its_response_to_a_shock(form):
    # A change of e in the last value moves the filtered forecasts by c_j e: the responses, found by finite difference.
    from statsforecast.ces import cesmodel, pegelsfcast_C

    from autots.models.statistical.ces import _responses

    par = (1.3, 1.0, 1.25, 0.98) if form == "F" else (1.3, 1.0, 0.3, 0.0)
    y, horizon = seasonal_series(400, 2), 10
    bumped = y.copy()
    bumped[-1] += 1.0
    low, high = (pegelsfcast_C(horizon, cesmodel(v, 4, form, *par, 3)) for v in (y, bumped))
    # statsforecast finds the first states by running back from the end, so the bump reaches them too, a little.
    np.testing.assert_allclose(_responses(form, np.array(par), 4, horizon + 1), high - low, atol=2e-3)


LEARNERS = [
    lambda: AutoETS(),
    lambda: AutoTheta(),
    lambda: AutoCES(),
    lambda: AutoARIMA(),
    lambda: MSTL(),
    lambda: SARIMAX(),
]


@pytest.mark.parametrize("build", LEARNERS)
def test_a_longer_history_is_a_state_update_without_a_fit(build, monkeypatch):
    y = seasonal_series(80, 4)
    model = build().fit(panel(y[:60]), TASK, Context())
    monkeypatch.setattr(type(model), "_learn", lambda *_: pytest.fail("it was fitted again"))
    later = model.predict(panel(y), Future()).mean[0]
    assert np.abs(later - model.predict(panel(y[:60]), Future()).mean[0]).max() > 0.5
    # Known by construction: the trend and the season go on.
    assert np.abs(later - (50 + 0.2 * np.arange(80, 90))).max() < 30


@pytest.mark.parametrize("build", LEARNERS)
def test_a_history_that_starts_later_gives_nearly_the_same_forecast(build):
    y = seasonal_series(163, 4)
    model = build().fit(panel(y[:120]), TASK, Context())
    whole = model.predict(panel(y), Future()).mean[0]
    # 31 rows later, not a whole number of seasons: states out of phase would show.
    part = model.predict(panel(y[31:], start=31), Future()).mean[0]
    np.testing.assert_allclose(part, whole, atol=3)


def test_fourier_terms_stay_in_phase_on_a_calendar_clock():
    n = 24 * 12
    y = 100 + 20 * np.sin(2 * np.pi * np.arange(n) / 24) + np.random.default_rng(0).normal(size=n)
    times = np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    base = panel(y, freq=Frequency.parse("h"))
    whole = Panel(base.ids, base.indptr, times, base.y, base.freq)
    model = SARIMAX(d=0).fit(whole, Task(24, (24,)), Context())
    late = model.predict(whole.tail(100), Future()).mean[0]
    np.testing.assert_allclose(late, 100 + 20 * np.sin(2 * np.pi * np.arange(n, n + 24) / 24), atol=3)


def test_months_are_counted_over_a_calendar_clock():
    from autots.models.statistical.base import _steps

    freq = Frequency.parse("MS")
    first, later = np.datetime64("2020-01-01", "ns"), np.datetime64("2021-03-01", "ns")
    assert _steps(first, later, freq) == 14
    assert _steps(later, first, freq) == -14
    assert _steps(10, 4, Frequency.parse(2)) == -3


def test_sarimax_uses_a_covariate_that_drives_the_series():
    rng = np.random.default_rng(0)
    n, horizon = 120, 10
    x = rng.normal(size=n + horizon) * 3
    y = 20 + 5 * x[:n] + rng.normal(size=n) * 0.1
    history = panel(y, known={"x": x[:n], "flat": np.ones(n)})
    future = Future({"x": x[None, n:], "flat": np.ones((1, horizon))})
    model = SARIMAX().fit(history, Task(horizon, (1,)), Context())
    np.testing.assert_allclose(model.predict(history, future).mean[0], 20 + 5 * x[n:], atol=1)
    with pytest.raises(ModelError, match="known covariate"):
        model.predict(history, Future())


@pytest.mark.parametrize("kind", [adjust.ADDITIVE, adjust.MULTIPLICATIVE])
@pytest.mark.parametrize("season", [4, 7])
def test_seasonal_factors_are_those_of_statsmodels(kind, season):
    y = seasonal_series(45, 1, season)
    model = "additive" if kind == adjust.ADDITIVE else "multiplicative"
    oracle = seasonal_decompose(y, model=model, period=season).seasonal
    np.testing.assert_allclose(adjust.seasonal_factors(y, season, kind), oracle[:season])
    np.testing.assert_allclose(adjust.ahead(oracle[:season], 45, 5), [oracle[(45 + k) % season] for k in range(5)])


def test_a_season_longer_than_the_model_can_hold_is_taken_off_first():
    y = seasonal_series(160, 1, 30)
    made = forecast(AutoETS(season=30), panel(y), Task(30)).mean[0]
    flat = forecast(AutoETS(season=1), panel(y), Task(30)).mean[0]
    truth = 8 * np.sin(2 * np.pi * np.arange(160, 190) / 30)
    assert np.corrcoef(made, truth)[0, 1] > 0.9
    assert np.ptp(made) > np.ptp(flat)


@pytest.mark.parametrize("transform", ["log", "sqrt"])
def test_a_transform_keeps_forecasts_positive_and_close(transform):
    y = np.exp(seasonal_series(80, 1) / 30)
    made = forecast(AutoETS(transform=transform), panel(y))
    assert made.quantiles.min() > 0
    plain = forecast(AutoETS(), panel(y)).mean
    np.testing.assert_allclose(made.mean, plain, rtol=0.5)


@pytest.mark.parametrize("model", [AutoETS(transform="log"), AutoTheta(transform="log")])
def test_a_transform_does_not_explode(model):
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.uniform(1, 2, 20), rng.uniform(1, 1e5, 20)])
    made = forecast(model, panel(y))
    assert (made.quantiles <= 11 * y.max()).all() and (made.mean <= 11 * y.max()).all()


def test_a_transform_is_left_out_where_it_is_not_defined():
    y = seasonal_series(60, 1) - 55
    np.testing.assert_array_equal(forecast(AutoETS(transform="log"), panel(y)).mean, forecast(AutoETS(), panel(y)).mean)


def test_max_history_leaves_older_rows_out():
    y = seasonal_series(120, 1)
    made = forecast(AutoTheta(max_history=40), panel(y)).mean
    np.testing.assert_allclose(made, forecast(AutoTheta(), panel(y[-40:])).mean)


def test_fallbacks_are_counted_by_reason(monkeypatch):
    series = [np.array([1.0, 2.0]), np.full(30, 5.0), seasonal_series(40, 1), seasonal_series(41, 2)]
    model = AutoETS()
    learn = AutoETS._learn

    def broken(self, sample):
        if len(sample.y) == 41:
            raise Exception("no model able to be fitted")
        return learn(self, sample)

    monkeypatch.setattr(AutoETS, "_learn", broken)
    made = forecast(model, panel(*series))
    assert model.fallbacks == {"short": 1, "constant": 1, "failed": 1}
    assert made.mean[3].tolist() == [*series[3][-4:], *series[3][-4:], *series[3][-4:-2]]
    assert (made.mean[1] == 5).all()


def test_an_exploding_forecast_becomes_the_seasonal_naive_one(monkeypatch):
    monkeypatch.setattr(AutoETS, "_continue", lambda *_: (np.full(10, 1e9), np.ones(10)))
    y = seasonal_series(40, 1)
    model = AutoETS()
    assert forecast(model, panel(y)).mean[0, 0] == y[-4]
    assert model.fallbacks == {"absurd": 1}


def test_a_deadline_is_looked_at_between_series():
    clock = ManualClock()
    deadline = Deadline.after(1, clock)
    series = [seasonal_series(40, seed) for seed in range(3)]

    class Slow(MSTL):
        def _learn(self, sample):
            clock.advance(0.8)
            return super()._learn(sample)

    model = Slow(trend="naive")
    model.fit(panel(*series), TASK, Context(deadline=deadline))
    assert model.progress == pytest.approx(2 / 3)
    with pytest.raises(BudgetError, match="had none of 3 series"):
        model.fit(panel(*series), TASK, Context(deadline=deadline))
    with pytest.raises(ModelError, match="must be fitted"):
        model.predict(panel(*series), Future())


@pytest.mark.parametrize(
    "build",
    [
        lambda: AutoETS(model="ZZ"),
        lambda: AutoETS(model="MMM"),
        lambda: AutoETS(transform="cube"),
        lambda: AutoTheta(method="X"),
        lambda: AutoTheta(decomposition="both"),
        lambda: AutoCES(model="A"),
        lambda: AutoARIMA(max_order=0),
        lambda: MSTL(trend="x"),
        lambda: MSTL(seasons=[1]),
        lambda: SARIMAX(p=9),
        lambda: SARIMAX(season=-1),
    ],
)
def test_invalid_hyperparameters_are_refused(build):
    with pytest.raises(ConfigError, match="must"):
        build()


def test_every_theta_method_and_trend_model_forecasts():
    y = seasonal_series(60, 5)
    for method in ("STM", "OTM", "DSTM", "DOTM"):
        model = AutoTheta(method=method)
        assert np.isfinite(forecast(model, panel(y)).quantiles).all()
        assert not model.fallbacks
    for trend in ("ets", "theta", "naive"):
        model = MSTL(trend=trend)
        assert np.isfinite(forecast(model, panel(y)).quantiles).all()
        assert not model.fallbacks


@pytest.mark.parametrize("build", LEARNERS)
def test_ordinary_series_never_need_the_fallback(build, caplog):
    # The fallback would hide a broken update behind a finite forecast.
    caplog.set_level("DEBUG", logger="autots")
    series = [seasonal_series(n, n) for n in (60, 75, 90)]
    whole = panel(*series)
    model = build().fit(whole.drop_last(12), TASK, Context())
    for history in (whole, whole.tail(40), whole.drop_last(25), whole.tail(15)):
        model.predict(history, Future())
    assert not model.fallbacks
    assert not caplog.records


def test_a_state_of_many_series_is_a_few_arrays():
    model = AutoCES(model="N").fit(panel(*[seasonal_series(30, seed) for seed in range(20)]), TASK, Context())
    learned = model.state()["learned"]
    assert all(isinstance(value, np.ndarray) for value in learned.values())
    assert learned["values"].size < 20 * 10
