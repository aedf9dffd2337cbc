"""What AutoTS takes for an argument: whatever pandas and numpy users hold, or an error that says what to write."""

import pickle

import numpy as np
import pandas as pd
import pytest

from autots import AutoTS
from zoo.errors import ConfigError, DataError

DAYS = pd.date_range("2024-01-01", periods=60)


@pytest.mark.parametrize("season", [12, np.int64(12), np.array(12), [12], np.array([12]), pd.Index([12]), {12}, 12.0])
def test_a_season_may_be_any_whole_number_or_several(season):
    assert AutoTS(horizon=6, season=season).settings.seasons == (12,)


@pytest.mark.parametrize("levels", [0.9, np.float32(0.9), [0.9], np.array([0.9]), pd.Series([0.9]), (q for q in [0.9])])
def test_quantiles_may_be_one_or_several(levels):
    assert AutoTS(horizon=6, quantiles=levels).settings.levels == (0.9,)


@pytest.mark.parametrize(
    "names", [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Index(["a", "b"]), pd.Series(["a", "b"])]
)
def test_known_columns_may_be_listed_in_any_way(names):
    assert AutoTS(horizon=6, known=names).columns["known"] == ("a", "b")
    assert AutoTS(horizon=6, static=["a", "b"]).columns["static"] == ("a", "b")
    assert AutoTS(horizon=6, id_col=names).columns["id_col"] in (["a", "b"], ("a", "b"))


def test_whole_numbers_of_numpy_are_whole_numbers():
    made = AutoTS(horizon=np.int32(6), seed=np.int64(1), freq=np.int64(2), folds=np.int8(2), workers=np.int16(1))
    assert (made.settings.horizon, made.settings.seed, made.columns["freq"]) == (6, 1, 2)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("season", "12"),
        ("season", 7.5),
        ("season", [0]),
        ("season", object()),
        ("quantiles", "many"),
        ("quantiles", 9),
        ("quantiles", None),
        ("quantiles", []),
        ("known", "price"),
        ("known", None),
        ("known", 3),
        ("known", [["price"]]),
        ("id_col", [["store"]]),
        ("time_col", ["ds"]),
        ("target_col", pd.Series(["y"])),
    ],
    ids=repr,
)
def test_other_values_are_refused_with_what_to_write(argument, value):
    with pytest.raises(ConfigError, match=argument) as caught:
        AutoTS(horizon=6, **{argument: value})
    assert caught.value.hint


def test_names_that_a_forecast_needs_are_refused_before_anything_starts():
    table = pd.DataFrame({"mean": np.repeat(["a", "b"], 60), "ds": np.tile(DAYS, 2), "y": np.arange(120.0)})
    with pytest.raises(ConfigError, match="'mean' names series"):
        AutoTS(horizon=2, budget="60s", id_col="mean").fit(table)


def test_a_long_line_of_a_message_is_cut():
    error = DataError("columns: " + ", ".join(f"column_{i}" for i in range(1000)), "hint\n" + "x" * 700)
    assert len(str(error)) < 1300
    assert "characters more" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert DataError("short", "hint").message == "short"
