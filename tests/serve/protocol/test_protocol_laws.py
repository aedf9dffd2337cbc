"""Every shape of the wire keeps the laws of shapes."""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from serve.protocol.arrow import CONTENT_TYPE as ARROW
from serve.testing.protocols import HourlySeries, ProtocolConformance

JSON = {"content-type": "application/json"}


def times(one: HourlySeries) -> list[str]:
    start = datetime.fromisoformat(one.start)
    return [(start + timedelta(hours=i)).isoformat() for i in range(len(one.y))]


def stream(table: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


class TestNativeLists(ProtocolConformance):
    path = "/v1/forecast"

    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        rows = [{"id": one.id, "y": list(one.y), "start": one.start} for one in series]
        return json.dumps({"series": rows, "horizon": horizon}).encode(), JSON

    def means(self, response: Any) -> list[list[float]]:
        return [one["mean"] for one in response.json()["forecasts"]]


class TestNativeFlat(TestNativeLists):
    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        body = {
            "ids": [one.id for one in series],
            "y": [value for one in series for value in one.y],
            "sizes": [len(one.y) for one in series],
            "start": [one.start for one in series],
            "horizon": horizon,
        }
        return json.dumps(body).encode(), JSON


class ArrowShape(ProtocolConformance):
    def means(self, response: Any) -> list[list[float]]:
        with pa.ipc.open_stream(response.content) as reader:
            rows = reader.read_all().to_pylist()
        found: dict[str, list[float]] = {}
        for row in rows:
            found.setdefault(row["id"], []).append(row["mean"])
        return list(found.values())

    def ask(self, call: Any, body: bytes, headers: Mapping[str, str]) -> Any:
        headers = dict(headers)
        return call("POST", f"/v1/forecast?horizon={headers.pop('horizon')}", content=body, headers=headers)


class TestArrowLists(ArrowShape):
    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        columns = {
            "id": pa.array([one.id for one in series], pa.string()),
            "y": pa.array([list(one.y) for one in series], pa.list_(pa.float64())),
            "start": pa.array([one.start for one in series], pa.string()),
        }
        return stream(pa.table(columns)), {"content-type": ARROW, "horizon": str(horizon)}


class TestArrowRows(ArrowShape):
    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        columns = {
            "id": pa.array([one.id for one in series for _ in one.y], pa.string()),
            "time": pa.array([t for one in series for t in times(one)], pa.string()),
            "y": pa.array([value for one in series for value in one.y], pa.float64()),
        }
        return stream(pa.table(columns)), {"content-type": ARROW, "horizon": str(horizon)}


class TestOpenInference(ProtocolConformance):
    path = "/v2/models/hours/infer"

    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        n, y = len(series), [value for one in series for value in one.y]
        inputs = [
            {"name": "y", "shape": [len(y)], "datatype": "FP64", "data": y},
            {"name": "sizes", "shape": [n], "datatype": "INT64", "data": [len(one.y) for one in series]},
            {"name": "ids", "shape": [n], "datatype": "BYTES", "data": [one.id for one in series]},
            {"name": "start", "shape": [n], "datatype": "BYTES", "data": [one.start for one in series]},
            {"name": "horizon", "shape": [1], "datatype": "INT64", "data": [horizon]},
        ]
        return json.dumps({"inputs": inputs}).encode(), JSON

    def means(self, response: Any) -> list[list[float]]:
        one = next(out for out in response.json()["outputs"] if out["name"] == "mean")
        rows, steps = one["shape"]
        return [one["data"][i * steps : (i + 1) * steps] for i in range(rows)]


class TestOpenInferenceBinary(TestOpenInference):
    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        body, _ = super().written(series, horizon)
        told = json.loads(body)
        values = [math.nan if value is None else value for value in told["inputs"][0].pop("data")]
        raw = struct.pack(f"<{len(values)}d", *values)
        told["inputs"][0]["parameters"] = {"binary_data_size": len(raw)}
        head = json.dumps(told).encode()
        return head + raw, {"inference-header-content-length": str(len(head))}


class TestMlflowRecords(ProtocolConformance):
    path = "/invocations"

    def rows(self, series: Sequence[HourlySeries]) -> list[dict[str, Any]]:
        return [
            {"unique_id": one.id, "ds": t, "y": value}
            for one in series
            for t, value in zip(times(one), one.y, strict=True)
        ]

    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        body = {"dataframe_records": self.rows(series), "params": {"horizon": horizon}}
        return json.dumps(body).encode(), JSON

    def means(self, response: Any) -> list[list[float]]:
        found: dict[str, list[float]] = {}
        for row in response.json()["predictions"]:
            found.setdefault(row["unique_id"], []).append(row["mean"])
        return list(found.values())


class TestMlflowSplit(TestMlflowRecords):
    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        split = {"columns": ["unique_id", "ds", "y"], "data": [list(row.values()) for row in self.rows(series)]}
        return json.dumps({"dataframe_split": split, "params": {"horizon": horizon, "model": "hours"}}).encode(), JSON


class TestSageMaker(ProtocolConformance):
    path = "/invocations"

    def written(self, series: Sequence[HourlySeries], horizon: int) -> tuple[bytes, Mapping[str, str]]:
        inputs = [{"item_id": one.id, "target": list(one.y), "start": one.start} for one in series]
        return json.dumps({"inputs": inputs, "parameters": {"prediction_length": horizon}}).encode(), JSON

    def means(self, response: Any) -> list[list[float]]:
        return [one["mean"] for one in response.json()["predictions"]]
