"""Tables as Arrow streams and back, for the client: what JSON would take too long for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from serve.client.frames import Columns, times_of
from serve.client.tidy import tidy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ARROW", "from_arrow", "to_arrow"]

ARROW = "application/vnd.apache.arrow.stream"


def to_arrow(frame: pd.DataFrame, columns: Columns) -> bytes:
    """Return the table as an Arrow stream, a row per value: ``id``, ``time``, ``y`` and ``past_NAME``."""
    import pyarrow as pa

    rows = tidy(frame, columns)
    named = {columns.ids[0]: "id", columns.time: "time", columns.target: "y"}
    table = pa.table(
        {
            named.get(name, f"past_{name}"): pa.array(rows[name], from_pandas=True, type=_type(rows[name]))
            for name in rows.columns
        }
    )
    return _stream(table)


def _type(column: pd.Series[Any]) -> Any:
    """Return the type of a tidy column; of one without any value it cannot be seen."""
    import pyarrow as pa

    return pa.string() if column.dtype == object else None


def _stream(table: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_arrow(body: bytes) -> dict[str, Any]:
    """Return an Arrow answer in the wire's form: rows of one series lie together."""
    import pyarrow as pa

    with pa.ipc.open_stream(body) as reader:
        table = reader.read_all()
    told = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    frame = table.to_pandas()
    frame["id"] = frame["id"].astype(object)
    # As an answer in JSON has them: moments if they are, else the model's own writing; several models at the end.
    frame["time"] = times_of(frame["time"].tolist()) if frame["time"].dtype == object else frame["time"]
    if "model" in frame:
        frame["model"] = frame.pop("model").astype(object)
    levels = [name for name in frame.columns if name not in ("model", "id", "time", "mean")]
    return {
        "model": told.get("model", ""),
        "model_version": told.get("model_version", ""),
        "request_id": told.get("request_id", ""),
        "quantiles": json.loads(told["quantiles"]) if "quantiles" in told else [float(q) for q in levels],
        "errors": json.loads(told.get("errors", "[]")),
        "frame": frame,
    }
