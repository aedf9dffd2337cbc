"""The hand-over from Spark to Ray: three ways, one result, held once."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.handover import handover_table
from zoo.errors import ConfigError, DataError
from zoo.tables import exchange
from zoo.tables.exchange import choose, to_ray
from zoo.tables.versioned import VersionedTable


def test_what_is_no_spark_table_is_refused() -> None:
    with pytest.raises(DataError, match="Spark DataFrame, but got DataFrame"):
        to_ray(pd.DataFrame({"a": [1]}))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="one of auto, arrow"):
        to_ray(None, "pandas")  # type: ignore[arg-type]


@pytest.mark.spark
def test_all_ways_give_the_same_rows_and_types_and_leave_nothing(spark_session: Any, tmp_path: Path) -> None:
    kept = spark_session.sparkContext._jsc.getPersistentRDDs().size()
    frame = handover_table(spark_session, 1000).selectExpr("*", "if(meter = 3, null, x0) AS gap", "date(ts) AS day")
    found = {way: to_ray(frame, way, folder=tmp_path) for way in ("arrow", "from_spark", "parquet")}  # type: ignore[arg-type]
    schemas = {way: dataset.schema().base_schema for way, dataset in found.items()}
    assert schemas["arrow"] == schemas["from_spark"] == schemas["parquet"]
    frames = {way: dataset.to_pandas().sort_values("ts", ignore_index=True) for way, dataset in found.items()}
    for way in ("from_spark", "parquet"):
        pd.testing.assert_frame_equal(frames["arrow"], frames[way])
    assert len(frames["arrow"]) == 1000
    assert spark_session.sparkContext._jsc.getPersistentRDDs().size() == kept  # the executors' copies are released
    assert list(tmp_path.iterdir()) == []


@pytest.mark.spark
@pytest.mark.parametrize("way", ["arrow", pytest.param("parquet", marks=pytest.mark.slow)])
def test_a_table_without_rows_keeps_its_columns(spark_session: Any, way: Any) -> None:
    dataset = to_ray(handover_table(spark_session, 10).where("meter < 0"), way)
    assert dataset.count() == 0
    assert dataset.schema().names[:2] == ["meter", "ts"]


@pytest.mark.spark
def test_auto_says_what_it_takes_and_why(spark_session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = handover_table(spark_session, 1000), handover_table(spark_session, 500_000_000)
    assert choose(small).via == "arrow" and "the driver holds" in choose(small).reason
    assert choose(large).via == "parquet"
    monkeypatch.setattr(exchange, "node_count", lambda: 2)
    assert choose(large).via == "from_spark" and choose(large, folder="/shared").via == "parquet"
    with pytest.raises(ConfigError, match="all 2 nodes see") as caught:
        to_ray(small, "parquet")
    assert "folder=" in caught.value.hint


@pytest.mark.spark
def test_a_query_that_fails_is_told_in_one_line(spark_session: Any) -> None:
    spark_session.conf.set("spark.sql.ansi.enabled", "true")
    try:
        with pytest.raises(DataError, match=r"via arrow.*zero"):
            to_ray(spark_session.range(3).selectExpr("1 / id AS x"), "arrow")
    finally:
        spark_session.conf.set("spark.sql.ansi.enabled", "false")


@pytest.mark.spark
def test_a_spark_table_becomes_a_version_without_passing_the_driver(spark_session: Any, tmp_path: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("zoo-rows-*"))
    table = VersionedTable.open(tmp_path / "meters")
    assert table.write(handover_table(spark_session, 1000)).added == 1000
    assert table.read(columns=["meter"]).num_rows == 1000
    assert set(Path(tempfile.gettempdir()).glob("zoo-rows-*")) == before
