"""The keys of a merge: the columns that tell rows apart, each key there once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.tables.arrow import cast

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_key", "keyed_rows", "same_key"]


def check_key(key: Sequence[str], schema: pa.Schema) -> None:
    """Raise unless the key's columns are among the rows'."""
    unknown = [name for name in key if name not in schema.names]
    if unknown:
        raise DataError(f"key columns must be in the rows, but {unknown} are not", f"columns: {schema.names}")


def keyed_rows(rows: Any, schema: pa.Schema, key: Sequence[str]) -> pa.Table:
    """Return all rows of a merge; each key must be there once, or the result would depend on their order.

    Args:
        rows: A reader of the rows, which is read to its end.
        schema: The types that the table keeps.
        key: The columns that tell rows apart.

    Raises:
        DataError: A key is missing, or is there more than once; the message shows one.
    """
    import pyarrow.compute as pc

    table = cast(rows, schema).read_all()
    for name in key:
        column = table.column(name)
        if column.null_count:
            raise DataError(f"keys must have values, but {name} has {column.null_count} missing", "fill or drop them")
    counted = table.group_by(list(key)).aggregate([([], "count_all")])
    twice = counted.filter(pc.greater(counted.column("count_all"), 1))
    if twice.num_rows:
        example = {name: twice.column(name)[0].as_py() for name in key}
        raise DataError(
            f"keys of a merge must be unique, but {twice.num_rows} are there more than once, the first is {example}",
            "deduplicate the rows first",
        )
    return table


def same_key(key: Sequence[str]) -> str:
    """Return the condition, in SQL, under which a row of the table (``mine``) and a new one (``new``) are the same."""
    return " AND ".join(f"mine.{_quoted(name)} = new.{_quoted(name)}" for name in key)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
