import numpy as np
import pandas as pd
import pytest

from autots.panel import Frequency, Panel
from zoo.errors import DataError


def make(lengths, *, missing=0.0, seed=0, freq="D", start="2020-01-01", prefix="s"):
    rng = np.random.default_rng(seed)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = int(indptr[-1])
    y = rng.normal(size=n)
    y[rng.random(n) < missing] = np.nan
    times = np.concatenate([pd.date_range(start, periods=k, freq=freq).to_numpy("datetime64[ns]") for k in lengths])
    return Panel(
        ids=np.array([f"{prefix}{i}" for i in range(len(lengths))], dtype=object),
        indptr=indptr,
        times=times,
        y=y,
        freq=Frequency.parse(freq),
        known={"k": rng.normal(size=n)},
        past={"p": rng.normal(size=n)},
        static={"c": rng.normal(size=len(lengths))},
    )


def assert_equal(a, b):
    assert list(a.ids) == list(b.ids)
    np.testing.assert_array_equal(a.indptr, b.indptr)
    np.testing.assert_array_equal(a.times, b.times)
    np.testing.assert_array_equal(a.y, b.y)
    assert a.freq == b.freq
    for kind in ("known", "past", "static"):
        mine, theirs = getattr(a, kind), getattr(b, kind)
        assert list(mine) == list(theirs)
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


def slow_filled(panel):
    out = panel.y.copy()
    for a, b in zip(panel.indptr[:-1], panel.indptr[1:], strict=True):
        part = out[a:b]
        good = np.flatnonzero(~np.isnan(part))
        part[:] = np.interp(np.arange(b - a), good, part[good]) if len(good) else 0.0
    return out


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.9, 1.0])
def test_filled_agrees_with_the_loop_over_series(missing):
    panel = make([1, 5, 40, 2, 1, 30], missing=missing, seed=3)
    before = panel.y.copy()
    np.testing.assert_allclose(panel.filled(), slow_filled(panel), rtol=1e-12)
    np.testing.assert_array_equal(panel.y, before)


def test_filled_survives_huge_values_of_opposite_sign():
    panel = make([3])
    panel.y[:] = [1.7e308, np.nan, -1.7e308]
    assert np.isfinite(panel.filled()).all()


def test_select_repeats_and_reorders_series():
    panel = make([3, 4, 5])
    chosen = panel.select([2, 0, 2])
    assert list(chosen.ids) == ["s2", "s0", "s2"]
    np.testing.assert_array_equal(chosen.series(1), panel.series(0))
    np.testing.assert_array_equal(chosen.series(2), panel.series(2))
    np.testing.assert_array_equal(chosen.static["c"], panel.static["c"][[2, 0, 2]])


def test_select_of_nothing_is_an_empty_panel():
    empty = make([3, 4]).select([])
    assert empty.n_series == 0
    assert empty.n_rows == 0


def test_tail_and_drop_last_cut_every_series():
    panel = make([2, 5, 9])
    tail = panel.tail(4)
    assert list(tail.lengths) == [2, 4, 4]
    np.testing.assert_array_equal(tail.series(2), panel.series(2)[-4:])
    short = panel.drop_last(3)
    assert list(short.ids) == ["s1", "s2"]
    np.testing.assert_array_equal(short.known["k"], np.concatenate([panel.known["k"][2:4], panel.known["k"][7:13]]))


def test_append_of_what_a_cutoff_removed_gives_the_whole():
    panel = make([7, 5, 9], missing=0.1)
    history = panel.drop_last(3)
    rest = panel.tail(3)
    assert_equal(history.append(rest), panel)
    assert_equal(history.append(rest.select([2, 0, 1])), panel)


def test_append_puts_new_ids_last_and_leaves_silent_series_alone():
    panel, other = make([4, 4]), make([2], start="2020-01-05").select([0])
    fresh = make([3], prefix="new")
    both = panel.append(other).append(fresh)
    assert list(both.ids) == ["s0", "s1", "new0"]
    assert list(both.lengths) == [6, 4, 3]
    np.testing.assert_array_equal(both.series(0), np.concatenate([panel.series(0), other.series(0)]))
    np.testing.assert_array_equal(both.series(1), panel.series(1))
    np.testing.assert_array_equal(both.series(2), fresh.series(0))


def test_append_refuses_rows_that_leave_a_hole():
    with pytest.raises(DataError, match=r"'s0' goes on at 2020-01-06.* where 2020-01-05.* is due"):
        make([4, 4]).append(make([2], start="2020-01-06"))


def test_append_refuses_rows_without_the_covariates():
    other = make([2], start="2020-01-05")
    bare = Panel(other.ids, other.indptr, other.times, other.y, other.freq)
    with pytest.raises(DataError, match=r"known covariates \['k'\]"):
        make([4]).append(bare)


def test_append_refuses_repeated_ids():
    panel = make([4])
    with pytest.raises(DataError, match="ids repeat"):
        panel.append(make([2], start="2020-01-05").select([0, 0]))


def test_cutoff_shows_the_past_the_known_future_and_the_truth():
    panel = make([3, 8, 9])
    history, future, truth = panel.cutoff(4, 2, lookback=3)
    assert list(history.ids) == ["s1", "s2"]
    assert list(history.lengths) == [3, 3]
    np.testing.assert_array_equal(truth, [panel.series(1)[4:6], panel.series(2)[5:7]])
    np.testing.assert_array_equal(future.known["k"][0], panel.known["k"][3 + 4 : 3 + 6])


@pytest.mark.parametrize("freq", ["D", "MS", "ME", "B"])
def test_future_times_continue_each_clock(freq):
    panel = make([3, 6], freq=freq)
    grid = pd.date_range("2020-01-01", periods=12, freq=freq).to_numpy("datetime64[ns]")
    np.testing.assert_array_equal(panel.future_times(4), [grid[3:7], grid[6:10]])
