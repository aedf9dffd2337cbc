"""``--append`` computes nothing on rows that are not what they were: the digest of the old ones tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import DataError
from zoo.features import Pipeline
from zoo.features.batch import FeatureRoles, batch_of
from zoo.features.digest import added, changed, digest
from zoo.features.run import run


def rows(hours: int = 10) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=hours, freq="h")
    frame = pd.DataFrame({"id": np.repeat(["a", "b"], hours), "ts": np.tile(times, 2), "y": np.arange(2.0 * hours)})
    return frame.assign(note="x", other=1)


def pipeline(folder: Path, **said: Any) -> Pipeline:
    steps = said.pop("steps", [{"lags": [1]}])
    return Pipeline(steps, id="id", time="ts", target="y", source=str(folder / "in.parquet"), engine="pandas", **said)


def _value(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[3, "y"] = 99.0
    return frame


def _swapped(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[[3, 4], "y"] = frame.loc[[4, 3], "y"].to_numpy()
    return frame


def _late_for_gone(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[3, "ts"] += pd.Timedelta("10min")
    return frame


def _other_series(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[[3], "id"] = "b"
    return frame


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[3, "note"] = "y"
    return frame


def _missing(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[3, "y"] = np.nan
    return frame


@pytest.mark.parametrize("change", [_value, _swapped, _late_for_gone, _other_series, _text, _missing])
def test_old_rows_that_changed_are_refused(tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    made = pipeline(tmp_path, sink=str(tmp_path / "out"))
    frame = rows()
    frame[frame["ts"] < "2024-01-01 08:00"].to_parquet(tmp_path / "in.parquet")
    first = run(made)
    change(frame.copy()).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"must be as they were, but values, times or ids of \[.*\] have changed") as e:
        run(made, appending=True)
    assert "without --append" in e.value.hint and len(pd.read_parquet(tmp_path / "out")) == first.rows_out
    frame.sample(frac=1, random_state=1).to_parquet(tmp_path / "in.parquet")
    assert run(made, appending=True).checksum == run(pipeline(tmp_path)).checksum
    change(frame.copy()).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match="must be as they were"):  # also after an append
        run(made, appending=True)


def test_a_new_column_that_no_feature_needs_is_no_change(tmp_path: Path) -> None:
    made = pipeline(tmp_path, sink=str(tmp_path / "out"), steps=[{"lags": [1]}])
    frame = rows()
    frame[frame["ts"] < "2024-01-01 08:00"].to_parquet(tmp_path / "in.parquet")
    run(made)
    frame.assign(more=2.0).to_parquet(tmp_path / "in.parquet")
    assert "4 new rows" in run(made, appending=True).why


def test_a_joined_table_may_grow_but_not_change_what_was_joined(tmp_path: Path) -> None:
    at = pd.date_range("2023-12-31", periods=6, freq="6h")
    weather = pd.DataFrame({"at": at, "sun": np.arange(6.0)})
    steps = [{"join": {"table": str(tmp_path / "w.parquet"), "asof": "at"}}]
    frame = rows()

    def made() -> Pipeline:
        return pipeline(tmp_path, sink=str(tmp_path / "out"), steps=steps)

    frame[frame["ts"] < "2024-01-01 08:00"].to_parquet(tmp_path / "in.parquet")
    weather.to_parquet(tmp_path / "w.parquet")
    run(made())
    frame.to_parquet(tmp_path / "in.parquet")
    grown = pd.concat([weather, pd.DataFrame({"at": [pd.Timestamp("2024-01-02")], "sun": [7.0]})])
    grown.to_parquet(tmp_path / "w.parquet")
    run(made(), appending=True)
    weather.assign(sun=9.0).to_parquet(tmp_path / "w.parquet")
    with pytest.raises(DataError, match="joined table"):
        run(made(), appending=True)


_ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.floats(0, 3), st.sampled_from(["x", "y", None])), min_size=1
)


@settings(max_examples=100, deadline=None)
@given(_ROWS, _ROWS, st.randoms(use_true_random=False))
def test_digests_are_equal_for_equal_rows_in_any_order_and_add_up(one: Any, two: Any, chance: Any) -> None:
    def said(items: Any) -> dict[str, str]:
        frame = pd.DataFrame(items, columns=["id", "ts", "y", "note"])
        return digest(batch_of(frame, FeatureRoles("id", "ts", "y")))

    assert said(chance.sample(one, len(one))) == said(one)
    assert added([said(one), said(two)]) == said([*one, *two])

    def order(item: Any) -> Any:
        return (*item[:3], item[3] or "")

    same = [sorted((i, t, v) for i, t, v, _ in rows_) for rows_ in (one, two)]
    assert ("y" in changed(said(one), said(two))) == (same[0] != same[1])
