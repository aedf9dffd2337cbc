"""The laws of a feature step, as tests for anyone's implementation.

Derive a test class from ``StepConformance`` and say which steps are tested, and if need be on what table::

    class TestMyStep(StepConformance):
        def steps(self):
            return [{"resample": {"every": "1h"}}, MyStep(window=7)]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from zoo.features.append import append, needed
from zoo.features.batch import batch_of
from zoo.features.pipeline import FeaturePipeline
from zoo.features.plan import aggregated
from zoo.features.steps import Step

__all__ = ["StepConformance", "assert_same", "raw_table"]


def raw_table(seed: int = 0, *, series: int = 3, hours: int = 420) -> pd.DataFrame:
    """Return rows as they come: half-hourly with holes, doubles, missing values, out of order; text and a covariate."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(series):
        count = 2 * hours - int(rng.integers(0, 40))
        times = pd.date_range("2024-03-01", periods=count, freq="30min") + pd.Timedelta(int(rng.integers(0, 5)), "min")
        kwh = 10 + 3 * np.sin(np.arange(count) * np.pi / 24) + rng.normal(0, 1, count)
        kwh[rng.random(count) < 0.02] *= 5
        parts.append(
            pd.DataFrame(
                {
                    "meter": f"m{i}",
                    "ts": times,
                    "kwh": kwh,
                    "temperature": rng.normal(5, 2, count),
                    "station": f"s{i % 2}",
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    hole = rng.random(len(table)) < 0.08
    for begin in rng.integers(0, max(len(table) - 30, 1), 6 * series):
        hole[begin : begin + int(rng.integers(1, 24))] = len(table) > 400
    table = table[~hole]
    table.loc[table.index[rng.random(len(table)) < 0.03], "kwh"] = np.nan
    doubles = table.sample(min(25, len(table) // 4), random_state=seed).assign(kwh=lambda t: t["kwh"] + 1)
    return pd.concat([table, doubles]).sample(frac=1, random_state=seed).reset_index(drop=True)


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Assert that two tables are equal to the last bit, whatever their index."""
    pd.testing.assert_frame_equal(
        left.reset_index(drop=True), right.reset_index(drop=True), check_exact=True, check_freq=False
    )


class StepConformance(ABC):
    """Tests of the contract of ``zoo.features.steps.base``; every method is one law."""

    @abstractmethod
    def steps(self) -> Sequence[Step | Mapping[str, Any]]:
        """Return the step, with those that must come before it."""

    def table(self, seed: int = 0) -> pd.DataFrame:
        """Return rows with the columns meter, ts, kwh, temperature, station."""
        return raw_table(seed)

    def pipeline(self, **names: str) -> FeaturePipeline:
        """Return a pipeline with the steps."""
        roles = {"id": "meter", "time": "ts", "target": "kwh"} | names
        return FeaturePipeline(self.steps(), id=roles["id"], time=roles["time"], target=roles["target"])

    def test_the_future_does_not_change_the_past(self) -> None:
        """Rows after a moment are changed, removed and added; the features before it keep their bits."""
        table = self.table()
        cut = pd.Timestamp("2024-03-13 08:00")
        changed = table.copy()
        late = changed["ts"] >= cut
        changed.loc[late, "kwh"] = changed.loc[late, "kwh"] * -7 + 1
        changed.loc[late, "temperature"] += 100
        changed = changed[~late | (np.arange(len(changed)) % 3 != 0)]
        pipeline = self.pipeline().fit(table)
        time = pipeline.spec.source.time
        was, now = pipeline.transform(table), pipeline.transform(changed)
        assert_same(was[was[time] < cut], now[now[time] < cut])
        without = pipeline.transform(table[~late])
        assert_same(was[was[time] < cut], without[without[time] < cut])

    def test_the_order_of_rows_and_columns_changes_nothing(self) -> None:
        """Nobody promises an order: neither files nor Spark."""
        table = self.table()
        shuffled = table.sample(frac=1, random_state=5)[list(table.columns[::-1])]
        was, now = self.pipeline().fit_transform(table), self.pipeline().fit_transform(shuffled)
        assert_same(was, now[list(was.columns)])

    def test_renaming_columns_changes_names_only(self) -> None:
        """A column called y is no better than one called kwh."""
        table = self.table().rename(columns={"meter": "station_id"})
        new = {"ts": "when", "station_id": "unit"}
        was = self.pipeline(id="station_id").fit_transform(table)
        now = self.pipeline(id="unit", time="when").fit_transform(table.rename(columns=new))
        assert_same(was.rename(columns=new), now)

    def test_the_lookback_is_enough(self) -> None:
        """The newest row has the same bits when the history is cut to what the step says it needs."""
        table = self.table()
        pipeline = self.pipeline().fit(table)
        time, names = pipeline.spec.source.time, pipeline.spec.source.names
        for end in ("2024-03-09 05:00", "2024-03-12 14:00", "2024-03-15 22:30"):
            seen = table[table["ts"] < pd.Timestamp(end)]
            whole = pipeline.transform(seen)
            plan = pipeline.prepare(seen).plan
            ids = whole.columns[0]
            newest = whole.groupby(ids, sort=True).tail(1)
            moments = newest[time].to_numpy().astype("datetime64[us]").view(np.int64)
            history = batch_of(seen, names)
            if aggregated(plan):
                first = {key: int(moments.min()) for key in history.ids.tolist()}
            else:
                first = dict(zip(newest[ids], moments.tolist(), strict=True))
            limit = pd.to_datetime(seen["meter"].map(needed(plan, history, first)), unit="us")
            short = seen[seen["ts"] >= limit.to_numpy()]
            assert plan.lookback > 200 or len(short) < len(seen)
            assert_same(newest, pipeline.last(short))
            if not aggregated(plan):
                alone = pipeline.last(short[short["meter"] == "m1"])
                assert_same(newest[newest["meter"] == "m1"], alone[list(newest.columns)])

    def test_series_do_not_see_each_other(self) -> None:
        """But where they are put together."""
        table = self.table()
        pipeline = self.pipeline().fit(table)
        if aggregated(pipeline.prepare(table).plan):
            return
        whole = pipeline.transform(table)
        for meter in ("m0", "m2"):
            alone = pipeline.transform(table[table["meter"] == meter])
            assert_same(whole[whole["meter"] == meter], alone[list(whole.columns)])

    def test_appending_equals_computing_everything_again(self) -> None:
        """Also for rows that come late, and for series that are new."""
        table = self.table()
        late = (table["ts"] >= pd.Timestamp("2024-03-14")) & (table["meter"] != "m1")
        late |= (table["ts"] >= pd.Timestamp("2024-03-16 02:30")) | table.index.isin(table.index[5:8])
        if not aggregated(self.pipeline().prepare(table).plan):
            late |= table["meter"] == "m2"
        old, new = table[~late], table[late]
        pipeline = self.pipeline().fit(table)
        time = pipeline.spec.source.time
        before, whole = pipeline.transform(old), pipeline.transform(table)
        update = append(pipeline, old, new)
        assert_same(whole, update.applied(before, id=str(whole.columns[0]), time=time))

    def test_fitting_again_changes_nothing(self) -> None:
        """And what was asked for stays as it was."""
        table = self.table()
        pipeline = self.pipeline()
        asked = pipeline.items()
        first = pipeline.fit_transform(table)
        assert_same(first, pipeline.fit_transform(table))
        assert_same(first, pipeline.transform(table))
        assert pipeline.items() == asked

    def test_the_table_that_is_given_stays_as_it_is(self) -> None:
        """The arrays of a user's frame are read only."""
        table = self.table()
        copy = table.copy(deep=True)
        self.pipeline().fit_transform(table)
        assert_same(copy, table)
