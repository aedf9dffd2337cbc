"""Rows -> shards: all rows of a series meet in one, decided by a hash of its name.

A worker reads a piece of the table and writes one file, in which each shard has its own part; another one later reads
its shard's parts of all files. Nobody ever holds more than a piece or a shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.shards.source import Piece
from zoo.errors import DataError, first_line
from zoo.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Hashes", "hashes", "key_hashes", "read_shard", "shard_of", "split_piece", "split_table"]

Hashes = npt.NDArray[np.uint64]

# Between the values of a key of several columns, in what is hashed.
_BETWEEN = "\x1f"


def hashes(table: pa.Table, key: Sequence[str]) -> Hashes:
    """Return (N,) hashes of what names the series of each row: equal for equal text, in every process."""
    import pyarrow as pa

    codes, texts = None, [""]
    for name in key:
        column = table.column(name)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        words = [_text(v) for v in column.dictionary.to_pylist()] + [""]
        at = column.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False).astype(np.int64)
        if codes is None:
            codes, texts = at, words
            continue
        both, codes = np.unique(codes * len(words) + at, return_inverse=True)
        texts = [f"{texts[c // len(words)]}{_BETWEEN}{words[c % len(words)]}" for c in both.tolist()]
    assert codes is not None
    return np.asarray(_hashed(texts)[codes])


def key_hashes(keys: Sequence[Sequence[Any]]) -> Hashes:
    """Return the hashes of series by the values of their keys' columns."""
    return _hashed([_BETWEEN.join(_text(v) for v in values) for values in keys])


def _hashed(texts: Sequence[str]) -> Hashes:
    return np.asarray(pd.util.hash_array(np.array(texts, dtype=object), categorize=False))


def shard_of(values: Hashes, shards: int) -> npt.NDArray[np.int64]:
    """Return the shards of series by their hashes."""
    return np.asarray((values % np.uint64(shards)).astype(np.int64))


def split_piece(piece: Piece, columns: Sequence[str], key: Sequence[str], shards: int, folder: Path, name: str) -> int:
    """Write the rows of a piece into ``folder`` by shards, whole files or none, and return how many they are.

    Args:
        piece: The rows that are read.
        columns: Those that are kept.
        key: Those that name the series.
        shards: Number of shards K.
        folder: Where the files go.
        name: Of the files, which differs from piece to piece.
    """
    rows = 0
    for i, table in enumerate(piece.batches(columns)):
        split_table(table, key, shards, folder / f"{name}-{i:03d}.arrow")
        rows += table.num_rows
    return rows


def split_table(table: pa.Table, key: Sequence[str], shards: int, file: Path) -> None:
    """Write rows into a file with a part for each of the K shards."""
    import pyarrow as pa

    # Dictionaries differ from file to file, and a shard is read from many.
    plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in table.schema]
    where = shard_of(hashes(table, key), shards)
    table = table.cast(pa.schema(plain))
    order = np.argsort(where, kind="stable")
    bounds = np.searchsorted(where[order], np.arange(shards + 1))
    ordered = table.take(pa.array(order)).combine_chunks()
    with (
        replacing(file, durable=False) as part,
        pa.OSFile(str(part), "wb") as out,
        pa.ipc.new_file(out, ordered.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer,
    ):
        for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            writer.write_batch(_one_batch(ordered.slice(begin, end - begin)))


def read_shard(folder: Path, shard: int) -> pa.Table:
    """Return the rows of one shard from all files of a folder, in the order of the files' names.

    Raises:
        DataError: Files were written with columns that do not fit together.
    """
    import pyarrow as pa

    tables = []
    for file in sorted(folder.glob("*.arrow")):
        with pa.memory_map(str(file)) as mapped:
            tables.append(pa.Table.from_batches([pa.ipc.open_file(mapped).get_batch(shard)]))
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"files read together must have the same types, but {first_line(error)}",
            "write the column with one type in all files",
        ) from error


def _one_batch(table: pa.Table) -> Any:
    import pyarrow as pa

    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _text(value: object) -> str:
    """Return a value of a key as text, the same for 7 and 7.0: columns with gaps hold numbers as floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
