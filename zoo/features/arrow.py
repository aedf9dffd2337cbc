"""Batches as Arrow tables, and a checksum that no order and no engine changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.features.batch import Batch

__all__ = ["arrow_of", "bits", "checksum", "mixed", "schema_text"]

_Words = npt.NDArray[np.uint64]


def arrow_of(batch: Batch, columns: Sequence[str]) -> Any:
    """Return a batch as an Arrow table: id, time, columns; what is missing is null.

    Args:
        batch: The computed series, one row per time.
        columns: Names of those that are wanted, in that order.
    """
    import pyarrow as pa

    out: dict[str, Any] = {}
    if batch.names.id is not None:
        ids = pa.array(batch.ids.tolist(), pa.string() if batch.ids.dtype == object else pa.int64())
        out[batch.names.id] = ids.take(pa.array(batch.offsets.codes))
    if batch.axis.integer:
        out[batch.names.time] = pa.array(batch.times)
    else:
        kind = pa.timestamp("us", tz=None if batch.axis.zone is None else "UTC")
        out[batch.names.time] = pa.array(batch.times).cast(kind)
    for name in columns:
        values = batch.columns[name]
        if values.dtype == object:
            out[name] = pa.array(values, pa.string(), from_pandas=True)
        else:
            out[name] = pa.array(np.ascontiguousarray(values), pa.float64(), from_pandas=True)
    return pa.table(out)


def schema_text(schema: Any) -> list[list[str]]:
    """Return names and types of an Arrow schema, as JSON has them."""
    return [[field.name, str(field.type)] for field in schema]


def checksum(tables: Iterable[Any]) -> str:
    """Return a number for the rows of Arrow tables, whatever their order: equal for equal bits.

    Args:
        tables: Parts with the same columns.
    """
    total = np.uint64(0)
    rows = 0
    for table in tables:
        rows += table.num_rows
        words = np.zeros(table.num_rows, dtype=np.uint64)
        for place, name in enumerate(table.column_names):
            words += mixed(bits(table.column(name)) + np.uint64((0x9E3779B97F4A7C15 * (place + 1)) % 2**64))
        total += mixed(words).sum(dtype=np.uint64)
    return f"{int(total):016x}-{rows}"


def bits(column: Any) -> _Words:
    """Return a number for each value of an Arrow column: equal for equal values, 1 for a missing one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        found = column.combine_chunks().dictionary_encode()
        found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
        texts = np.array(found.dictionary.to_pylist(), dtype=object)
        hashed = pd.util.hash_array(texts, categorize=False) if len(texts) else np.zeros(1, dtype=np.uint64)
        codes = found.indices.fill_null(0).to_numpy(zero_copy_only=False)
        out = hashed[codes]
        out[found.indices.is_null().to_numpy(zero_copy_only=False)] = np.uint64(1)
        return np.asarray(out)
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy().astype(np.float64)
        missing = np.isnan(numbers)
        out = (np.where(missing, 0.0, numbers) + 0.0).view(np.uint64).copy()  # + 0.0: one zero
        out[missing] = np.uint64(1)
        return np.asarray(out)
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us", tz=column.type.tz), safe=False)
    return np.asarray(column.cast(pa.int64()).fill_null(1).to_numpy().view(np.uint64))


def mixed(words: _Words) -> _Words:
    """Spread bits (splitmix64, Steele et al. 2014)."""
    out = words.copy()
    out ^= out >> np.uint64(30)
    out *= np.uint64(0xBF58476D1CE4E5B9)
    out ^= out >> np.uint64(27)
    out *= np.uint64(0x94D049BB133111EB)
    out ^= out >> np.uint64(31)
    return out
