"""Files of delimited text (CSV, TSV) -> Arrow: UTF-8 straight from the disk, others decoded as a whole.

A file says nothing about types, so a column is read as numbers only when that loses nothing; see ``source``.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from zoo.errors import DataError, first_line
from zoo.tables.sniff import Sniffed, decode, encoding_of, sniff, without_foot

__all__ = ["Decisions", "read_delimited"]

#: What was decided about a file, such as its encoding: what, and how.
Decisions: TypeAlias = "tuple[tuple[str, str], ...]"
_PEEK_BYTES = 1 << 18  # of a file that are looked at before it is read


def read_delimited(file: Path, text: frozenset[str]) -> tuple[Any, Decisions]:
    """Return a file as an Arrow table, and what was decided about it.

    Args:
        file: The file, which may be compressed with gzip.
        text: The names of columns, in lower case, that are identifiers and stay text.

    Raises:
        DataError: It is empty, damaged, or no table.
    """
    import pyarrow as pa

    head = _content(file, _PEEK_BYTES + 1)
    if not head.strip():
        raise DataError(f"{file} must hold a table, but the file is empty", "check how it was written")
    if encoding_of(head[:_PEEK_BYTES]) == "utf-8":
        found = _sniffed(file, head[:_PEEK_BYTES].decode("utf-8-sig", errors="replace"), len(head) <= _PEEK_BYTES)
        # Bytes that are no UTF-8 make a column binary, or stop the reader; they may come far down.
        with contextlib.suppress(UnicodeDecodeError):
            table, said = _read_utf8(file, found, text, str(file))
            if not any(pa.types.is_binary(kind) for kind in table.schema.types):
                return table, said
    content, encoding = decode(_content(file), file)
    found = _sniffed(file, content[:_PEEK_BYTES], len(content) <= _PEEK_BYTES)
    table, said = _read_utf8(file, found, text, content.encode())
    return table, (("encoding", "cp1252 (Western European)" if encoding == "cp1252" else encoding.upper()), *said)


def _content(file: Path, size: int = -1) -> bytes:
    opener: Callable[..., Any] = gzip.open if file.name.lower().endswith(".gz") else open
    try:
        with opener(file, "rb") as stream:
            return bytes(stream.read(size))
    except (OSError, EOFError) as error:
        raise _damaged(file, error) from error


def _sniffed(file: Path, head: str, whole: bool) -> Sniffed:
    return sniff(head, whole=whole, delimiter="\t" if ".tsv" in file.name.lower() else None)


def _read_utf8(file: Path, found: Sniffed, text: frozenset[str], source: str | bytes) -> tuple[Any, Decisions]:
    """Read a file, or its content, that is UTF-8."""
    import pyarrow as pa

    kept = [name for name in found.header if name.lower() in text or name in found.texts]
    said = found.decisions
    try:
        table = _parse(file, found, kept, source)
    except DataError:
        content = (source if isinstance(source, bytes) else _content(file)).decode("utf-8-sig")
        body, foot = without_foot(content, found.delimiter, len(found.header))
        if not foot:
            raise
        source = body.encode()
        said = (*said, ("lines under the table", f"{len(foot)} left out: {foot[0][:60]!r}"))
        table = _parse(file, found, kept, source)
    fractions = [f.name for f in table.schema if pa.types.is_floating(f.type)] if found.comma else []
    if fractions:
        # Beside decimal commas, "1.234" is no fraction: who reads the column decides.
        kept += fractions
        table = _parse(file, found, kept, source)
    if not table.column_names:
        raise DataError(f"{file} must hold a table, but it has no columns", "check how it was written")
    return _whole_numbers(table, kept), said


def _parse(file: Path, found: Sniffed, kept: Sequence[str], source: str | bytes) -> Any:
    import pyarrow as pa
    import pyarrow.csv as pc

    options = pc.ConvertOptions(column_types=dict.fromkeys(kept, pa.string()))
    named = {} if found.skip is None else {"skip_rows": found.skip, "column_names": found.header}
    inside: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with pa.input_stream(inside, compression="detect" if inside is source else None) as stream:
            return pc.read_csv(
                stream,
                read_options=pc.ReadOptions(**named),
                parse_options=pc.ParseOptions(delimiter=found.delimiter),
                convert_options=options,
            )
    except pa.ArrowInvalid as error:
        # Arrow fixes each column's type on the first block; a later "12.5" after whole numbers ends here.
        return _parse_slowly(file, found, kept, source, error)
    except OSError as error:
        raise _damaged(file, error) from error


def _parse_slowly(file: Path, found: Sniffed, kept: Sequence[str], source: str | bytes, cause: Exception) -> Any:
    import pyarrow as pa

    named: dict[str, Any] = {} if found.skip is None else {"header": None, "names": found.header}
    inside: Any = io.BytesIO(source) if isinstance(source, bytes) else file
    types: Any = dict.fromkeys(kept, str)
    try:
        with warnings.catch_warnings():
            # Longer rows than the header would be cut to its length.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                inside,
                sep=found.delimiter,
                dtype=types,
                low_memory=False,
                skiprows=found.skip or 0,
                index_col=False,
                **named,
            )
        for name in frame.select_dtypes(object):
            if pd.api.types.infer_dtype(frame[name], skipna=True).startswith("mixed"):  # numbers, and a word far down
                frame[name] = frame[name].map(lambda v: v if pd.isna(v) else str(v))
        return pa.Table.from_pandas(frame, preserve_index=False)
    except UnicodeDecodeError:
        raise
    except (ValueError, pa.ArrowException, OSError, EOFError, pd.errors.ParserWarning) as error:
        raise _damaged(file, cause) from error


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{file} must be a whole table with the same number of fields in every row, but {first_line(error)}",
        "the file is truncated, or a field holds the delimiter without quotes",
    )


def _whole_numbers(table: Any, kept: Sequence[str]) -> Any:
    """Turn text columns into integers where every value is written as an integer prints itself."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for i, name in enumerate(table.column_names):
        if name in kept and pa.types.is_string(table.schema.field(name).type):
            column = table.column(name)
            plain = pc.all(pc.match_substring_regex(column, r"^(0|-?[1-9][0-9]{0,17})$")).as_py()
            if plain and column.null_count < len(column):
                table = table.set_column(i, name, column.cast(pa.int64()))
    return table
