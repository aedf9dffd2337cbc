"""Ids are what is written, character by character: nothing makes two series one, on either engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import DataError
from zoo.features import Pipeline
from zoo.features.append import append
from zoo.features.run import run
from zoo.tables.texts import coded, looked_up

#: Ids that somebody takes for one: a NUL, spaces, normal forms, case, what looks alike, what is empty.
LOOK_ALIKES = [
    "m\0a",
    "m\0b",
    "m",
    "m\0",
    "m ",
    " m",
    "M",
    "\0",
    "",
    "é",
    "e\u0301",
    "ﬁ",
    "fi",
    "\u200bm",
    "nan",
    "None",
]
STEPS: list[Any] = [{"lags": [1]}, {"rolling": {"windows": [2], "how": ["mean"]}}]


def table(ids: list[str], rows: int = 4) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=rows, freq="D")
    values = np.arange(len(ids) * rows, dtype=float) ** 2
    named = np.repeat(np.array(ids, dtype=object), rows)
    return pd.DataFrame({"id": named, "ts": np.tile(times, len(ids)), "y": values})


def lags(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the lag that each series has by itself."""
    out = frame.assign(lag=np.where(np.arange(len(frame)) % 4 == 0, np.nan, frame["y"].shift(1)))
    return out.iloc[sorted(range(len(out)), key=lambda row: (out["id"].iloc[row], out["ts"].iloc[row]))]


def test_ids_that_look_alike_are_series_of_their_own() -> None:
    frame = table(LOOK_ALIKES)
    made = Pipeline(STEPS, id="id", time="ts", target="y")
    for given_ in (frame, frame.sample(frac=1, random_state=0), frame.astype({"id": "string"})):
        out = made.fit_transform(given_)
        wanted = lags(frame)
        assert out["id"].tolist() == wanted["id"].tolist()
        np.testing.assert_array_equal(out["y_lag_1"], wanted["lag"])


def test_appending_and_sinks_keep_them_apart(tmp_path: Any) -> None:
    frame = table(LOOK_ALIKES)
    old, new = frame[frame["ts"] < "2024-01-04"], frame[frame["ts"] >= "2024-01-04"]
    made = Pipeline(STEPS, id="id", time="ts", target="y")
    whole = made.fit_transform(frame)
    update = append(made, old, new).applied(made.fit_transform(old), id="id", time="ts")
    pd.testing.assert_frame_equal(update, whole)
    said: Any = {"id": "id", "time": "ts", "target": "y", "source": str(tmp_path / "in.parquet"), "engine": "pandas"}
    into = Pipeline(STEPS, sink=str(tmp_path / "out"), **said)
    old.to_parquet(tmp_path / "in.parquet")
    run(into)
    frame.to_parquet(tmp_path / "in.parquet")
    appended = run(into, appending=True)
    assert appended.checksum == run(Pipeline(STEPS, **said)).checksum and appended.rows_out == len(whole)


def test_groups_and_joined_keys_are_kept_apart() -> None:
    frame = table(LOOK_ALIKES).assign(group=lambda f: f["id"])
    grouped = Pipeline([{"aggregate": {"by": "group"}}], id="id", time="ts", target="y").fit_transform(frame)
    assert grouped["group"].tolist() == lags(frame)["id"].tolist()
    other = pd.DataFrame({"id": LOOK_ALIKES, "at": pd.Timestamp("2023-01-01"), "v": np.arange(len(LOOK_ALIKES)) * 1.0})
    joined = Pipeline([{"join": {"table": other, "on": "id", "asof": "at"}}], id="id", time="ts", target="y")
    out = joined.fit_transform(frame.drop(columns="group"))
    assert all(row.v == LOOK_ALIKES.index(row.id) for row in out.itertuples())


def test_checksums_tell_them_apart() -> None:
    sums = set()
    for name in ("m\0a", "m\0b", "m"):
        made = Pipeline(STEPS, id="id", time="ts", target="y")
        from zoo.features.arrow import checksum

        sums.add(checksum([__import__("pyarrow").Table.from_pandas(made.fit_transform(table([name])))]))
    assert len(sums) == 3


def test_ids_that_are_written_alike_are_one_series() -> None:
    frame = table(["1"]).assign(id=np.array([1, "1", 1, "1"], dtype=object))
    out = Pipeline(STEPS, id="id", time="ts", target="y").fit_transform(frame)
    assert out["id"].tolist() == ["1"] * 4 and out["y_lag_1"].tolist()[1:] == [0.0, 1.0, 4.0]


def test_half_a_character_is_refused() -> None:
    with pytest.raises(DataError, match="half a character"):
        Pipeline(STEPS, id="id", time="ts", target="y").fit_transform(table(["m", "\ud800"]))


_TEXTS = st.text(st.sampled_from("\0ab é\u0301"), max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(_TEXTS, st.none()), max_size=12), st.booleans())
def test_codes_are_equal_where_texts_are(texts: list[str | None], sort: bool) -> None:
    values = np.array([*texts, None], dtype=object)
    codes, found = coded(values, sort=sort)
    assert [None if code < 0 else found[code] for code in codes] == values.tolist()
    assert len(set(found.tolist())) == len(found)
    if sort:
        assert found.tolist() == sorted(found.tolist())
    known = {text: number for number, text in enumerate(found.tolist())}
    looked = looked_up(pd.Series(values), known)
    assert [None if pd.isna(v) else found[int(v)] for v in looked] == values.tolist()
