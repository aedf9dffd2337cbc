"""A large table as pieces that workers read by themselves: row groups of Parquet files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, first_line
from zoo.tables.arrow import stream
from zoo.tables.source import CSV_SUFFIXES, PARQUET_SUFFIXES, files_at, folder_keys, opened_parquet

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Piece", "head_of", "pieces_of"]

# Rows of a piece that is written here, and of what is read at once.
_ROWS = 1_000_000
# Bytes of a CSV file that are read at once; the first ones tell the types.
_CSV_BYTES = 1 << 25


@dataclass(frozen=True)
class Piece:
    """Some rows of a Parquet file.

    Args:
        file: The file, which all workers reach.
        groups: Which of its row groups.
        rows: How many rows they have.
        keys: Columns that stand in the names of the file's folders (``store=7/``), and their values.
    """

    file: str
    groups: tuple[int, ...]
    rows: int
    keys: tuple[tuple[str, str], ...] = ()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the rows, about a million at once.

        Args:
            columns: Those that are wanted, of the file and of its folders' names; None for all of the file.

        Raises:
            DataError: The file cannot be read, or lacks a column.
        """
        import pyarrow as pa

        with opened_parquet(Path(self.file)) as opened:
            given = dict(self.keys)
            inside = [c for c in columns if c not in given] if columns is not None else None
            lacking = sorted(set(inside or ()) - set(opened.schema_arrow.names))
            if lacking:
                raise DataError(
                    f"all files of a table must have the same columns, but {self.file} lacks {lacking}",
                    "read only the files that belong together, for example with a pattern",
                )
            for batch in opened.iter_batches(_ROWS, row_groups=list(self.groups), columns=inside):
                table = pa.Table.from_batches([batch])
                for name in columns or ():
                    if name in given:
                        table = table.append_column(name, pa.array([given[name]] * table.num_rows, pa.string()))
                yield table


def pieces_of(data: Any, folder: Path) -> list[Piece]:
    """Return a table as pieces of Parquet files, in their order.

    Args:
        data: The path of Parquet or CSV files (a file, a folder, a pattern), or anything that streams: a pandas or
            Arrow table, a Ray Dataset, a Spark DataFrame. What is not Parquet is written into ``folder`` first.
        folder: Where all workers reach files.

    Raises:
        DataError: There is nothing to read, or it is no table.
    """
    if isinstance(data, str | Path):
        files = [f for f in files_at(str(data)) if _ends(f, (*PARQUET_SUFFIXES, *CSV_SUFFIXES))]
        if not files:
            raise DataError(
                f"{str(data)!r} must hold CSV or Parquet files, but none was found",
                f"file names must end with one of {', '.join((*PARQUET_SUFFIXES, *CSV_SUFFIXES))}",
            )
        other = [f for f in files if _ends(f, CSV_SUFFIXES)]
        if other and len(other) < len(files):
            raise DataError(f"{str(data)!r} must hold one kind of file, but {other[0].name} is none of Parquet", "")
        if other:
            files = _as_parquet(itertools.chain.from_iterable(_csv_batches(f) for f in other), folder)
    else:
        with stream(data) as rows:
            files = _as_parquet(iter(rows), folder)
    pieces = [piece for file in files for piece in _row_groups(file)]
    if not pieces:
        raise DataError("a table must have rows, but it is empty", "check the query or file that it came from")
    return pieces


def head_of(pieces: Sequence[Piece], rows: int) -> pa.Table:
    """Return the first rows of a table, without what stands in names of folders."""
    import pyarrow as pa

    taken: list[Any] = []
    left = rows
    for batch in itertools.chain.from_iterable(piece.batches() for piece in pieces):
        taken.append(batch.slice(0, left))
        left -= taken[-1].num_rows
        if left <= 0:
            break
    return pa.concat_tables(taken, promote_options="permissive")


def _ends(file: Path, ends: Sequence[str]) -> bool:
    return file.name.lower().endswith(tuple(ends))


def _row_groups(file: Path) -> Iterator[Piece]:
    """Yield row groups, small ones together."""
    with opened_parquet(file) as opened:
        sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
    keys = tuple(folder_keys(file))
    groups: list[int] = []
    for i, size in enumerate(sizes):
        groups += [i] if size else []
        rows = sum(sizes[g] for g in groups)
        if groups and (rows >= _ROWS or i == len(sizes) - 1):
            yield Piece(str(file.absolute()), tuple(groups), rows, keys)
            groups = []


def _csv_batches(file: Path) -> Iterator[Any]:
    """Yield the rows of a CSV file, whose types its first rows tell."""
    import pyarrow as pa
    from pyarrow import csv

    separator = "\t" if ".tsv" in file.name.lower() else ","
    try:
        with csv.open_csv(
            file, csv.ReadOptions(block_size=_CSV_BYTES), csv.ParseOptions(delimiter=separator), csv.ConvertOptions()
        ) as rows:
            yield from rows
    except pa.ArrowException as error:
        raise DataError(
            f"a large CSV file must have columns of one type each, but {file}: {first_line(error)}",
            "write it as Parquet, or make its first rows typical: the types of columns come from them",
        ) from error


def _as_parquet(batches: Iterator[Any], folder: Path) -> list[Path]:
    """Write rows into one file."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    file, writer = folder / "rows.parquet", None
    try:
        for batch in batches:
            if writer is None:
                writer = pq.ParquetWriter(file, batch.schema)
            writer.write_batch(batch, row_group_size=_ROWS)
    finally:
        if writer is not None:
            writer.close()
    return [file] if writer is not None else []
