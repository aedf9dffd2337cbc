import numpy as np
import pandas as pd
import pytest

from autots.panel import Frequency, Panel
from autots.panel.season import detect_seasons, usual_length


def panel(rows, freq=None):
    lengths = [len(r) for r in rows]
    if freq is None:
        times = np.concatenate([np.arange(n) for n in lengths])
    else:
        times = np.concatenate(
            [pd.date_range("2020", periods=n, freq=freq).to_numpy("datetime64[ns]") for n in lengths]
        )
    return Panel(
        np.array([str(i) for i in range(len(rows))], dtype=object),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times,
        np.concatenate(rows).astype(float),
        Frequency.parse(freq or 1),
    )


def test_hours_without_a_calendar_show_the_day():
    rng, t = np.random.default_rng(0), np.arange(720)
    rows = [5 + np.sin(2 * np.pi * t / 24 + k) + 0.01 * t + 0.3 * rng.normal(size=720) for k in range(5)]
    assert detect_seasons(panel(rows)) == (24,)


def test_hours_without_a_calendar_show_a_strong_week():
    rng, t = np.random.default_rng(1), np.arange(900)
    day, week = rng.normal(size=24), np.repeat(rng.normal(size=7), 24)
    rows = [day[t % 24] + week[t % 168] + 0.3 * rng.normal(size=900) for _ in range(5)]
    assert detect_seasons(panel(rows)) == (24, 168)


def test_months_without_a_calendar_show_the_year():
    rng, t = np.random.default_rng(2), np.arange(96)
    shape = rng.normal(size=12)
    rows = [(100 + t) * (1 + 0.1 * shape[t % 12]) + rng.normal(size=96) for _ in range(8)]
    assert detect_seasons(panel(rows)) == (12,)


@pytest.mark.parametrize("n", [40, 120, 600])
def test_random_walks_and_noise_have_no_season(n):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert detect_seasons(panel([np.cumsum(rng.normal(size=n)) for _ in range(3)])) == (1,)
        assert detect_seasons(panel([rng.normal(size=n) for _ in range(3)])) == (1,)


def test_missing_values_and_spikes_do_not_hide_the_season():
    rng, t = np.random.default_rng(3), np.arange(480)
    y = np.sin(2 * np.pi * t / 24) + 0.2 * rng.normal(size=480)
    y[rng.random(480) < 0.1] = np.nan
    y[100] = 1e6
    assert detect_seasons(panel([y])) == (24,)


@pytest.mark.parametrize("rows", [[np.ones(200)], [np.zeros(1)], [np.full(50, np.nan)], [np.arange(300.0)]])
def test_constants_points_holes_and_lines_have_no_season(rows):
    assert detect_seasons(panel(rows)) == (1,)


def test_a_calendar_season_must_fit_twice_into_the_median_series():
    assert detect_seasons(panel([np.arange(400.0)], "h")) == (24, 168)
    assert detect_seasons(panel([np.arange(300.0)], "h")) == (24,)
    assert detect_seasons(panel([np.arange(30.0)], "h")) == (1,)
    assert detect_seasons(panel([np.arange(30.0)], "MS")) == (12,)


def test_new_series_have_no_say_in_the_season_of_old_ones():
    t, rng = np.arange(96), np.random.default_rng(4)
    old = [np.sin(2 * np.pi * t / 12) + 0.2 * rng.normal(size=96) for _ in range(5)]
    new = [rng.normal(size=10) for _ in range(6)]
    for freq in ("MS", None):
        assert detect_seasons(panel(old + new, freq)) == (12,)
        assert detect_seasons(panel(new, freq)) == (1,)
    # Many new ones with most of the rows are the panel.
    assert detect_seasons(panel(old[:1] + 40 * new[:1], "MS")) == (1,)


@pytest.mark.parametrize("n", [20, 24, 96, 500])
def test_series_of_one_length_have_the_usual_seasons_that_fit_twice(n):
    assert detect_seasons(panel([np.arange(n)] * 7, "MS")) == ((12,) if n >= 24 else (1,))


def test_the_usual_length_is_the_median_unless_that_holds_too_little():
    lengths = np.array([96] * 5 + [10] * 6)
    assert usual_length(lengths, 10) == 10
    assert usual_length(lengths, 11) == 96
    assert usual_length(np.full(9, 7), 100) == 7
    assert usual_length(np.array([1000] + 400 * [10]), 24) == 10
