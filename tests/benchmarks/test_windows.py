"""Earlier windows of a set: what came after a window's begin is not there to be learnt from."""

import pandas as pd

from benchmarks.accuracy import _earlier


def _table() -> pd.DataFrame:
    parts = [pd.DataFrame({"unique_id": name, "ds": range(n), "y": 1.0}) for name, n in (("a", 20), ("b", 13))]
    return pd.concat(parts).sample(frac=1.0, random_state=0)


def test_the_history_ends_where_the_window_begins() -> None:
    history, window = _earlier(_table(), 4, 2)
    for name, n in (("a", 20), ("b", 13)):
        assert history[history["unique_id"] == name]["ds"].tolist() == list(range(n - 8))
        assert window[window["unique_id"] == name]["ds"].tolist() == list(range(n - 8, n - 4))


def test_windows_follow_each_other() -> None:
    first, second = (_earlier(_table(), 4, k)[1] for k in (2, 1))
    assert first.groupby("unique_id")["ds"].max().add(1).equals(second.groupby("unique_id")["ds"].min())


def test_a_series_with_less_than_a_horizon_of_history_is_left_out() -> None:
    history, window = _earlier(_table(), 4, 3)  # of "b", 13 rows, one would be left before the window
    assert set(history["unique_id"]) == set(window["unique_id"]) == {"a"}
