"""Arrow IPC streams, for large bodies: a row per series with lists, or a row per value; the answer has a row per step.

Columns of a request: ``y`` (a list per series, or a number per row), ``id``, ``start`` (of a list) or ``time`` (of each
row; rows of a series stand together), ``known_NAME``, ``past_NAME``, ``static_NAME``. What is not a column (horizon,
quantiles, model, models, combine) comes as query parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from serve.protocol.answer import Answer
from serve.protocol.errors import RequestError
from serve.protocol.iso import shown
from serve.protocol.request import ForecastRequest, RequestLimits, Series, check_limits, parse_options

__all__ = ["CONTENT_TYPE", "parse", "write"]

CONTENT_TYPE = "application/vnd.apache.arrow.stream"


def parse(body: bytes, options: Mapping[str, str], limits: RequestLimits) -> ForecastRequest:
    """Read a stream.

    Args:
        body: Arrow IPC, stream format.
        options: The parameters of the URL: horizon, quantiles, model, models, combine.
        limits: What one request may ask for.

    Raises:
        RequestError: 400 for what is no such stream, 422 for what does not fit.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(body) as reader:
            table = reader.read_all().combine_chunks()
        table.validate(full=True)
        _ = table.column_names  # which are bytes until somebody reads them
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RequestError(f"a body of this type must be an Arrow IPC stream, but {error}", "", "", 400) from None
    if "y" not in table.column_names:
        raise RequestError(f"the table must have a column y, but has {table.column_names}", "", "y")
    if not table.num_rows:
        raise RequestError("the table must have rows, but it is empty", "", "y")
    lists = pa.types.is_list(table.schema.field("y").type) or pa.types.is_large_list(table.schema.field("y").type)
    try:
        series = _of_lists(table) if lists else _of_rows(table)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise RequestError(f"the table cannot be read: {error}", "y must be numbers") from None
    check_limits(series, limits)
    return parse_options(series, options)


def _column(table: Any, name: str) -> Any:
    column = table.column(name)
    chunk = column.chunk(0) if column.num_chunks else column
    return chunk.dictionary_decode() if hasattr(chunk, "dictionary_decode") else chunk


def _numbers(array: Any) -> Any:
    import pyarrow as pa

    values = np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if np.isinf(values).any():
        raise RequestError("y must be finite, null or NaN where missing", "", "y")
    return values


def _flat(array: Any) -> tuple[Any, Any]:
    """Return the values of a column of lists, and (S + 1,) offsets into them."""
    if array.null_count:
        raise RequestError("every row must have a list, but some are null", "", "y")
    offsets = np.asarray(array.offsets)
    return array.values, offsets


def _of_lists(table: Any) -> list[Series]:
    values, offsets = _flat(_column(table, "y"))
    y, n = _numbers(values), table.num_rows
    ids = _texts(table, "id") or (["" if n == 1 else f"series_{i}" for i in range(n)])
    starts = _texts(table, "start") or [None] * n
    known, past = (_listed(table, f"{role}_", lists=True) for role in ("known", "past"))
    static = _listed(table, "static_")
    bounds = offsets.tolist()
    plain = not (known or past or static)
    return [
        Series(
            ids[i],
            y[bounds[i] : bounds[i + 1]],
            starts[i],
            known={} if plain else {name: column[i] for name, column in known.items()},
            past={} if plain else {name: column[i] for name, column in past.items()},
            static={} if plain else {name: column[i] for name, column in static.items()},
        )
        for i in range(n)
    ]


def _of_rows(table: Any) -> list[Series]:
    y = _numbers(_column(table, "y"))
    names = _texts(table, "id")
    if names is None:
        bounds = [0, len(y)]
        ids = [""]
    else:
        column = np.array(names, dtype=object)
        change = np.flatnonzero(column[1:] != column[:-1]) + 1
        bounds = [0, *change.tolist(), len(y)]
        ids = [names[b] for b in bounds[:-1]]
    times = None
    if "time" in table.column_names:
        times = _times(_column(table, "time"))
    past = _listed(table, "past_")
    return [
        Series(
            id_,
            y[a:b],
            time=None if times is None else times[a:b],
            past={name: column[a:b] for name, column in past.items()},
        )
        for id_, a, b in zip(ids, bounds[:-1], bounds[1:], strict=True)
    ]


def _times(array: Any) -> Any:
    """Return the times of rows: an index of moments, with the zone that its type has, or an array of texts or counts.

    Raises:
        RequestError: One is null, or beyond the years that can be told.
    """
    import pyarrow as pa

    if array.null_count:
        place = int(np.argmax(np.asarray(array.is_null())))
        raise RequestError("every value must have a time, but one is null", "leave the row out", f"time[{place}]")
    if not pa.types.is_temporal(array.type):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    zone = getattr(array.type, "tz", None)
    try:
        moments = array.cast(pa.timestamp("ns", zone))
    except pa.ArrowException as error:
        raise RequestError(f"times must lie between the years 1680 and 2250, but {error}", "", "time") from None
    index = pd.DatetimeIndex(np.asarray(moments.cast(pa.timestamp("ns")).to_numpy(zero_copy_only=False)))
    return index if zone is None else index.tz_localize("UTC")


def _texts(table: Any, name: str) -> list[Any] | None:
    """Return a column of names or times as text or whole numbers."""
    import pyarrow as pa

    if name not in table.column_names:
        return None
    array = _column(table, name)
    if array.null_count:
        raise RequestError(f"{name} must not be null", "", name)
    if pa.types.is_integer(array.type):
        found: list[Any] = array.to_pylist()
        return found if name == "start" else [str(value) for value in found]
    return [str(value) for value in array.cast(pa.string()).to_pylist()]


def _listed(table: Any, prefix: str, *, lists: bool = False) -> dict[str, Sequence[Any]]:
    """Return the covariates of a role: numbers or texts, in lists for a row per series.

    Raises:
        RequestError: A column holds something else.
    """
    import pyarrow as pa

    covariates = {}
    for name in table.column_names:
        if not name.startswith(prefix):
            continue
        column = _column(table, name)
        kind = column.type
        nested = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        kind = kind.value_type if nested else kind
        plain = any(
            test(kind)
            for test in (
                pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string,
                pa.types.is_large_string, pa.types.is_null,
            )
        )  # fmt: skip
        if nested != lists or not plain or (lists and column.null_count):
            wanted = "a list of numbers or texts in every row" if lists else "numbers or texts"
            raise RequestError(f"{shown(name)} must hold {wanted}, but is of type {column.type}", "", name)
        covariates[name.removeprefix(prefix)] = column.to_pylist()
    return covariates


def write(answer: Answer, request_id: str) -> bytes:
    """Return a stream with a row per series and step: id, time, mean and one column per level.

    The model, its version, the request's id and the errors are in the schema's metadata. Several models that were not
    combined have a column ``model``.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {}
    steps = answer.forecasts[0].mean.shape[1]
    every = answer.forecasts
    if answer.separate:
        columns["model"] = pa.array([f.model for f in every for _ in range(f.mean.size)])
    columns["id"] = pa.array([id_ for f in every for id_ in f.ids]).take(
        pa.array(np.repeat(np.arange(sum(len(f.ids) for f in every)), steps))
    )
    columns["time"] = _moments([time for f in every for row in f.times for time in row])
    columns["mean"] = np.concatenate([f.mean.ravel() for f in every])
    for q, level in enumerate(answer.levels):
        columns[f"{level:g}"] = np.concatenate([f.quantiles[:, :, q].ravel() for f in every])
    told = {
        "model": answer.model,
        "model_version": answer.version,
        "request_id": request_id,
        "quantiles": json.dumps(answer.levels),
        "errors": json.dumps(answer.listed_errors()),
    }
    table = pa.table(columns).replace_schema_metadata(told)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _moments(times: list[Any]) -> Any:
    """Return times as timestamps where all are ISO 8601 without a zone, else as they are."""
    import pyarrow as pa

    array = pa.array(times)
    if pa.types.is_string(array.type):
        try:
            return array.cast(pa.timestamp("ns"))
        except pa.ArrowException:
            return array
    return array
