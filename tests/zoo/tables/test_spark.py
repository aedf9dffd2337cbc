"""A real Spark session, on the Java that comes as a wheel."""

import pandas as pd
import pytest

from zoo.tables.source import read

pytestmark = pytest.mark.spark


def test_a_spark_table_is_read_with_its_rows_and_columns(spark_session):
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"] * 2)
    frame = pd.DataFrame({"unique_id": ["007", "a"] * 3, "ds": days, "y": range(6)})
    table = read(spark_session.createDataFrame(frame))
    assert sorted(table["unique_id"].unique()) == ["007", "a"]
    assert sorted(table["y"]) == list(range(6))
    assert pd.api.types.is_datetime64_any_dtype(table["ds"])
