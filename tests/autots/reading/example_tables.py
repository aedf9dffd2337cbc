"""Two daily series in the usual long layout, and what must come of them."""

import numpy as np
import pandas as pd

DAYS = pd.date_range("2020-01-01", periods=30)
NS = DAYS.to_numpy("datetime64[ns]")


def long(**names):
    frame = pd.DataFrame(
        {"unique_id": np.repeat(["a", "b"], 30), "ds": np.tile(DAYS, 2), "y": np.arange(60.0)},
    )
    return frame.rename(columns=names)


def check_two(got, ids=("a", "b")):
    assert list(got.panel.ids) == list(ids)
    assert got.panel.freq.alias == "D"
    np.testing.assert_array_equal(got.panel.times, np.tile(NS, 2))
    np.testing.assert_array_equal(got.panel.y, np.arange(60.0))


def answer(got, horizon=2):
    """Forecasts of the right shape, written in the user's way."""
    times = got.panel.future_times(horizon)
    mean = np.arange(times.size, dtype=float).reshape(times.shape)
    return got.schema.write(got.panel.ids, times, mean, mean[:, :, None] + np.array([-1, 0, 1]), (0.1, 0.5, 0.9))
