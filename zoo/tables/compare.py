"""What changed between two versions of a table, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.tables.commits import AsOf
from zoo.tables.versioned import VersionedTable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableDifference", "compare", "diff", "different", "paired"]


@dataclass(frozen=True)
class TableDifference:
    """What one table has and the other has not.

    Args:
        before: Rows of the first.
        after: Rows of the second.
        columns_added: Only in the second.
        columns_removed: Only in the first.
        retyped: Column -> its two types.
        key: The columns that told rows apart; empty if none are known, and then the rest is empty too.
        rows_added: Keys only in the second.
        rows_removed: Keys only in the first.
        changed: Column -> rows in both whose values differ; only columns with a difference.
    """

    before: int
    after: int
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    retyped: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    rows_added: int | None = None
    rows_removed: int | None = None
    changed: Mapping[str, int] = field(default_factory=dict)


def diff(table: VersionedTable, before: AsOf, after: AsOf, *, key: Sequence[str] = ()) -> TableDifference:
    """Compare two versions of a table.

    Args:
        table: The table that has both.
        before: The version or time that is compared with.
        after: The version or time that is compared.
        key: Columns that tell rows apart; by default those that a writer last named.

    Raises:
        DataError: There is no such version, or the key is not unique in one of them.
    """
    first, second = table.resolve(before), table.resolve(after)
    key = tuple(key) or next((commit.key for commit in table.log() if commit.key), ())
    return compare(table.read(as_of=first), table.read(as_of=second), key=key)


def compare(before: pa.Table, after: pa.Table, *, key: Sequence[str] = ()) -> TableDifference:
    """Compare two tables; missing values are equal to each other.

    >>> import pyarrow as pa
    >>> old = pa.table({"id": [1, 2], "y": [1.0, None]})
    >>> compare(old, pa.table({"id": [2, 3], "y": [5.0, 1.0]}), key=["id"]).changed
    {'y': 1}
    """
    shared = [name for name in before.column_names if name in after.column_names]
    types = {name: (str(before.schema.field(name).type), str(after.schema.field(name).type)) for name in shared}
    common = {
        "before": before.num_rows,
        "after": after.num_rows,
        "columns_added": tuple(name for name in after.column_names if name not in shared),
        "columns_removed": tuple(name for name in before.column_names if name not in shared),
        "retyped": {name: pair for name, pair in types.items() if pair[0] != pair[1]},
    }
    if not key:
        return TableDifference(**common)
    unknown = [name for name in key if name not in shared]
    if unknown:
        raise DataError(f"key columns must be in both tables, but {unknown} are not", f"in both: {shared}")
    left, right = paired(before, after, key)
    changed = {
        name: different(before.column(name).take(left), after.column(name).take(right))
        for name in shared
        if name not in key
    }
    return TableDifference(
        **common,
        key=tuple(key),
        rows_added=after.num_rows - len(right),
        rows_removed=before.num_rows - len(left),
        changed={name: count for name, count in changed.items() if count},
    )


def paired(before: pa.Table, after: pa.Table, key: Sequence[str]) -> tuple[Any, Any]:
    """Return the row numbers in both of the keys that both have."""
    import numpy as np
    import pyarrow as pa

    names = list(key)
    sides = []
    for side, table in (("first", before), ("second", after)):
        keys = table.select(names)
        if keys.group_by(names).aggregate([]).num_rows != table.num_rows:
            raise DataError(f"the key {names} must be unique, but rows of the {side} table share one", "name all of it")
        sides.append(keys)
    types = {name: sides[1].schema.field(name) for name in names}
    left = sides[0].cast(pa.schema([types[name] for name in names]))
    left = left.append_column("_row_before", pa.array(np.arange(before.num_rows)))
    right = sides[1].append_column("_row_after", pa.array(np.arange(after.num_rows)))
    both = left.join(right, keys=names, join_type="inner")
    return both.column("_row_before").combine_chunks(), both.column("_row_after").combine_chunks()


def different(before: Any, after: Any) -> int:
    """Return how many values differ; a missing value equals another, NaN too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if before.type != after.type or pa.types.is_nested(before.type):
        return sum(a != b for a, b in zip(before.to_pylist(), after.to_pylist(), strict=True))
    if pa.types.is_floating(before.type):
        before, after = (
            pc.if_else(pc.fill_null(pc.is_nan(c), False), pa.scalar(None, c.type), c) for c in (before, after)
        )
    same = pc.fill_null(pc.equal(before, after), False)
    missing = pc.and_(pc.is_null(before), pc.is_null(after))
    return int(len(before) - (pc.sum(pc.or_(same, missing)).as_py() or 0))
