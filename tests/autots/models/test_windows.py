"""Features against slow loops over one series, and the law that nothing behind an origin is seen."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autots.metrics import season_scale
from autots.models import windows
from autots.models.base import Task
from autots.models.origins import ForecastOrigins, final_origins, sample_origins
from autots.models.residual_quantiles import quantiles_around, residual_quantiles
from autots.models.scaling import NORMS, Normaliser, Running
from autots.models.windows import WindowSpec, WindowTable, bounds, reach, relative_weights, seasons_within
from autots.panel import Frequency, Future, Panel
from autots.testing.example_panels import example_panel, panel_of

TASK = Task(horizon=6, seasons=(4, 12), levels=(0.1, 0.5, 0.9))
SPEC = WindowSpec(lags=5, seasonal_lags=(3, 2), rolling=(4, 9), calendar=True, norm="standard", norm_window=8)
quick = settings(max_examples=50, deadline=None)


def with_everything(seed=0, lengths=(48, 5, 30)):
    """Return a panel with holes and covariates of all kinds."""
    panel = example_panel(seed, lengths=lengths)
    rng = np.random.default_rng(seed)
    return dataclasses.replace(
        panel,
        past={"p": rng.normal(size=panel.n_rows)},
        static={"s": rng.normal(size=panel.n_series), "kind": np.arange(panel.n_series) % 2.0},
        categorical=frozenset({"kind"}),
    )


def everything_at(panel, at, steps, spec=SPEC, future=None):
    table = WindowTable(panel, TASK, spec, future)
    level, scale = table.scale(at)
    x, names, categorical = table.features(at, steps, level, scale)
    return x, names, categorical, level, scale


@st.composite
def seen_from(draw):
    """A panel, origins in it, steps ahead that stay inside the series, and a spec."""
    panel = with_everything(draw(st.integers(0, 99)))
    many = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    series = rng.integers(0, panel.n_series, many)
    row = panel.indptr[series] + (rng.random(many) * panel.lengths[series]).astype(int)
    steps = rng.integers(1, TASK.horizon + 1, many)
    return panel, ForecastOrigins(series, row), steps, dataclasses.replace(SPEC, norm=draw(st.sampled_from(NORMS)))


@quick
@given(seen_from(), st.floats(-1e3, 1e3))
def test_changing_the_future_changes_no_feature(made, offset):
    """Targets after an origin, and past-only covariates, are not there yet; known covariates are."""
    panel, at, steps, spec = made
    for i in range(len(at)):
        one = ForecastOrigins(at.series[i : i + 1], at.row[i : i + 1])
        after = np.arange(panel.n_rows) > at.row[i]
        changed = dataclasses.replace(
            panel,
            y=np.where(after, panel.y + offset, panel.y),
            past={"p": np.where(after, -7.0, panel.past["p"])},
        )
        # Holes are closed by interpolation, so a value after a hole is seen in it; without holes nothing is.
        before, later = (everything_at(p, one, steps[i : i + 1], spec) for p in (panel, changed))
        holes = np.isnan(panel.y[panel.indptr[at.series[i]] : at.row[i] + 1])
        if not holes.any():
            np.testing.assert_allclose(before[0], later[0], rtol=1e-4, atol=1e-4)


@quick
@given(seen_from(), st.sampled_from([1e-9, 1.0, 1e12]))
def test_other_series_do_not_matter_however_large_they_are(made, size):
    panel, at, steps, spec = made
    for i in range(len(at)):
        one = ForecastOrigins(at.series[i : i + 1], at.row[i : i + 1])
        owner = np.repeat(np.arange(panel.n_series), panel.lengths)
        changed = dataclasses.replace(panel, y=np.where(owner == at.series[i], panel.y, size * panel.y))
        for a, b in zip(
            everything_at(panel, one, steps[i : i + 1], spec),
            everything_at(changed, one, steps[i : i + 1], spec),
            strict=True,
        ):
            if isinstance(a, np.ndarray):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@quick
@given(seen_from())
def test_features_agree_with_slow_loops(made):
    panel, at, steps, spec = made
    x, names, _, level, scale = everything_at(panel, at, steps, spec)
    columns = dict(zip(names, x.T, strict=True))
    filled = panel.filled()
    for i in range(len(at)):
        begin = panel.indptr[at.series[i]]
        past = filled[begin : at.row[i] + 1].tolist()  # all that may be seen
        step = int(steps[i])

        def z(age, past=past, i=i):
            """Return the normalised value ``age`` rows before the origin."""
            return (past[-1 - age] - level[i]) / scale[i] if 0 <= age < len(past) else math.nan

        slow = {"step": step, "age": min(len(past) - 1, 4 * 12 + 100)}
        slow |= {f"lag_{k}": z(k) for k in range(spec.lags)}
        for season, many in zip(TASK.seasons, spec.seasonal_lags, strict=True):
            back = season * math.ceil(step / season) - step  # age of the target's phase in the last whole period
            slow |= {f"season_{season}_{k}": z(back + season * k) for k in range(many)}
            slow[f"season_{season}_next"] = z(back + season - 1)
            slow[f"season_{season}_previous"] = z(back + 1)
            slow[f"season_{season}_step"] = z(back) - z(back + step)
        for window in spec.rolling:
            recent, before = past[-window:], past[-2 * window : -window]
            slow[f"mean_{window}"] = (sum(recent) / len(recent) - level[i]) / scale[i]
            change = sum(recent) / len(recent) - sum(before) / len(before) if before else math.nan
            slow[f"change_{window}"] = change / scale[i]
        slow["past_p"] = panel.past["p"][at.row[i]]
        slow["static_s"] = panel.static["s"][at.series[i]]
        for name, value in slow.items():
            np.testing.assert_allclose(columns[name][i], value, rtol=2e-4, atol=2e-4, err_msg=name)


@quick
@given(seen_from())
def test_levels_and_scales_agree_with_slow_loops(made):
    panel, at, _, spec = made
    level, scale = WindowTable(panel, TASK, spec).scale(at)
    filled = panel.filled()
    for i in range(len(at)):
        past = filled[panel.indptr[at.series[i]] : at.row[i] + 1]
        near, far = past[-8:], past[-64:]
        if spec.norm == "none":
            expected = (0.0, 1.0)
        elif spec.norm == "mean":
            expected = (0.0, max(np.abs(near).mean(), 0.2 * np.abs(far).mean()))
        else:
            where = near.mean() if spec.norm == "standard" else past[-1]
            spread = max(near.std(), 0.2 * far.std())
            expected = (where, spread if spread > 1e-9 * abs(where) else max(abs(where), 1.0))
        np.testing.assert_allclose((level[i], scale[i]), expected, rtol=1e-9)


def test_known_covariates_are_those_of_the_target_even_behind_the_end():
    panel = with_everything(lengths=(20, 15))
    future = Future({"x": np.arange(12.0).reshape(2, 6) + 100})
    at = final_origins(panel)
    for step in (1, 6):
        x, names, *_ = everything_at(panel, at, np.full(2, step), future=future)
        columns = dict(zip(names, x.T, strict=True))
        np.testing.assert_allclose(columns["known_x"], future.known["x"][:, step - 1])
        last = panel.known["x"][panel.indptr[1:] - 1]
        np.testing.assert_allclose(columns["known_x_change"], future.known["x"][:, step - 1] - last, rtol=1e-6)
    inside = ForecastOrigins(np.array([0]), np.array([9]))
    x, names, *_ = everything_at(panel, inside, np.array([3]), future=future)
    assert x[0, names.index("known_x")] == np.float32(panel.known["x"][12])


def test_categorical_covariates_are_named_as_such():
    panel = with_everything()
    *_, categorical, _, _ = everything_at(panel, final_origins(panel), np.ones(3, dtype=int))
    assert categorical == ["static_kind"]


def test_calendar_parts_are_those_of_the_target():
    times = np.arange("2021-01-01", "2021-03-02", dtype="datetime64[D]").astype("datetime64[ns]")
    y = np.arange(60.0)
    panel = Panel(np.array(["a"], dtype=object), np.array([0, 60]), times, y, Frequency.parse("D"))
    x, names, *_ = everything_at(panel, ForecastOrigins(np.array([0]), np.array([58])), np.array([3]))
    assert x[0, names.index("month")] == 3
    assert x[0, names.index("day")] == 3  # 28 February and three days: 3 March


def test_an_integer_clock_gives_the_phase_of_the_target():
    panel = panel_of([np.arange(20.0)], start=100)
    x, names, *_ = everything_at(panel, ForecastOrigins(np.array([0]), np.array([9])), np.array([4]))
    assert x[0, names.index("phase_4")] == (100 + 9 + 4) % 4
    assert x[0, names.index("phase_12")] == (100 + 9 + 4) % 12


@quick
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(1, 10),
    st.integers(1, 60),
    st.integers(0, 30),
    st.sampled_from([math.inf, 5.0]),
)
def test_sampled_origins_lie_in_their_series_with_the_horizon_behind_them(lengths, horizon, most, history, halflife):
    panel = panel_of([np.arange(float(n)) for n in lengths])
    at = sample_origins(
        panel, horizon, max_origins=most, rng=np.random.default_rng(0), min_history=history, halflife=halflife
    )
    assert len(at) <= most
    assert len(set(at.row.tolist())) == len(at)
    assert (np.diff(at.row) > 0).all()
    assert (at.row >= panel.indptr[at.series]).all()
    assert (at.row + horizon < panel.indptr[at.series + 1]).all()
    reachable = np.minimum(max(history, 1), np.maximum(panel.lengths[at.series] - horizon, 1))
    assert (at.row - panel.indptr[at.series] + 1 >= reachable).all()
    assert set(at.series) == set(np.flatnonzero(panel.lengths > horizon)) or len(at) == most


def test_recent_origins_are_drawn_more_often_with_a_halflife():
    panel = panel_of([np.arange(2000.0)])
    at = sample_origins(panel, 1, max_origins=200, rng=np.random.default_rng(0), min_history=1, halflife=100)
    assert (at.row > 1500).mean() > 0.9


def test_an_origin_at_the_end_depends_on_the_last_rows_alone():
    """What ``reach`` promises: the recursion may throw the rest of a long history away."""
    panel = with_everything(lengths=(900, 900))
    spec = dataclasses.replace(SPEC, norm_window=12)
    rows = reach(TASK, spec)
    assert rows < 900
    short = panel.tail(rows)
    for norm in NORMS:
        one = dataclasses.replace(spec, norm=norm)
        whole, part = (everything_at(p, final_origins(p), np.ones(2, dtype=int), one) for p in (panel, short))
        skip = [i for i, n in enumerate(whole[1]) if n.startswith("phase")]
        np.testing.assert_allclose(np.delete(whole[0], skip, 1), np.delete(part[0], skip, 1), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(whole[3:], part[3:], rtol=1e-9)


@quick
@given(seen_from())
def test_rows_looked_up_in_parts_or_each_alone_have_the_same_features(made):
    panel, at, steps, spec = made
    together = everything_at(panel, at, steps, spec)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_TOGETHER", 1)
        np.testing.assert_array_equal(everything_at(panel, at, steps, spec)[0], together)
    alone = [
        everything_at(panel, ForecastOrigins(at.series[i : i + 1], at.row[i : i + 1]), steps[i : i + 1], spec)[0]
        for i in range(len(at))
    ]
    np.testing.assert_array_equal(np.concatenate(alone), together)


def test_running_sums_go_on_where_rows_are_filled_in():
    rng = np.random.default_rng(0)
    panel = panel_of([rng.normal(size=30) * size for size in (1.0, 1e9)])
    y = panel.y.copy()
    y[[28, 29, 58, 59]] = 0.0
    running = Running(y, panel)
    series = np.arange(2)
    running.put(series, np.array([28, 58]), panel.y[[28, 58]])
    running.put(series, np.array([29, 59]), panel.y[[29, 59]])
    fresh = Running(panel.y, panel)
    for ask in (Running.mean, Running.absolute, Running.deviation):
        for window in (1, 3, 10, 100):
            np.testing.assert_allclose(
                ask(running, series, np.array([29, 59]), window),
                ask(fresh, series, np.array([29, 59]), window),
                rtol=1e-9, atol=1e-12,
            )  # fmt: skip


def test_a_large_level_does_not_swallow_a_small_spread():
    panel = panel_of([1e8 + np.tile([0.0, 1.0], 20), np.tile([1e12, -1e12], 20)])
    level, scale = Normaliser("standard", 10)(
        Running(panel.y, panel), panel.y[[39, 79]], np.arange(2), np.array([39, 79])
    )
    np.testing.assert_allclose(scale, [0.5, 1e12], rtol=1e-6)
    np.testing.assert_allclose(level[0], 1e8 + 0.5, rtol=1e-15)


def test_bounds_are_one_range_wider_and_keep_the_sign():
    panel = panel_of([np.array([2.0, 4.0]), np.array([-1.0, 1.0]), np.array([5.0, 5.0]), np.array([0.0, 0.0])])
    low, high = bounds(panel)
    np.testing.assert_allclose(low, [0.0, -3.0, 2.5, 0.0])
    np.testing.assert_allclose(high, [6.0, 3.0, 7.5, 0.0])


def test_seasons_that_do_not_fit_twice_are_left_out():
    assert seasons_within(Task(horizon=3, seasons=(4, 12)), 20, (5, 2)) == ([4], (4, 0))
    assert seasons_within(Task(horizon=3, seasons=(4, 12)), 100, (5, 2)) == ([4, 12], (5, 2))
    assert seasons_within(Task(horizon=3), 100, (5, 2)) == ([], (0,))


def test_weights_turn_errors_into_the_units_of_mase():
    panel = panel_of([np.tile([0.0, 1.0], 20), np.tile([0.0, 10.0], 20), np.full(40, 3.0)])
    task = Task(horizon=3)
    at = final_origins(panel)
    scale = np.array([2.0, 2.0, 2.0])
    weight = relative_weights(panel, task, at, scale)
    np.testing.assert_allclose(weight[:2] * season_scale(panel, 1)[:2], np.minimum(2.0, weight[:2] * [1, 10]))
    assert weight[0] > weight[1] > weight[2] == 0
    flat = panel_of([np.full(9, 3.0)])
    np.testing.assert_array_equal(relative_weights(flat, task, final_origins(flat), np.ones(1)), 1.0)


def test_spreads_are_centred_quantiles_of_each_group_of_steps():
    rng = np.random.default_rng(0)
    steps = np.repeat(np.arange(1.0, 5.0), 5000)
    residuals = 7 + rng.normal(size=len(steps)) * steps
    residuals[::50] = np.nan
    spread = residual_quantiles(residuals, steps, (0.1, 0.5, 0.9), 4)
    assert spread.shape == (4, 3)
    np.testing.assert_array_equal(spread[:, 1], 0.0)
    np.testing.assert_allclose(spread[:, 2], 1.2816 * np.arange(1, 5), rtol=0.08)
    point, scale = np.ones((2, 4)), np.array([1.0, 3.0])
    made = quantiles_around(point, scale, spread)
    np.testing.assert_allclose(made[1], 1 + 3 * spread)


@pytest.mark.parametrize("residuals", [np.full(4, np.nan), np.empty(0)])
def test_without_residuals_there_is_no_spread(residuals):
    np.testing.assert_array_equal(
        residual_quantiles(residuals, np.ones(len(residuals)), (0.1, 0.5, 0.9), 3), np.zeros((3, 3))
    )
