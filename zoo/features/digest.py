"""What raw rows were, in a few numbers: whether they are still the same is known without keeping them.

One number per column, a sum over the rows of a hash of id, time and value: so no order matters, the numbers of two
parts add up to those of the whole, and the engines agree (they hash what the engines agree on: whole microseconds,
doubles, texts).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from zoo.features.arrow import arrow_of, bits, mixed
from zoo.features.batch import Batch

__all__ = ["Digest", "added", "changed", "digest", "digest_of_rows"]

#: Column -> a number of 16 hexadecimal digits.
Digest: TypeAlias = dict[str, str]
_ROWS = 1 << 19


def digest(batch: Batch, *, until: int | None = None) -> Digest:
    """Return what the rows of a batch were.

    Args:
        batch: The raw rows of all series.
        until: The last time that counts; all by default.
    """
    found: Digest = {}
    if until is not None:
        batch = batch.take(batch.times <= until)
    # Whole series, about so many rows at a time: a table is not copied as a whole.
    for some in batch.offsets.chunks(_ROWS):
        part = batch.series(some.start, some.stop)
        found = added([found, digest_of_rows(arrow_of(part, list(part.columns)), batch.names.id, batch.names.time)])
    return found


def digest_of_rows(table: Any, id: str | None, time: str) -> Digest:
    """Return what the rows of an Arrow table were.

    Args:
        table: Id, time and columns.
        id: The id column; None for one series.
        time: The name of the time column.
    """
    key = mixed(bits(table.column(time)))
    if id is not None:
        key = mixed(key + bits(table.column(id)))
    return {
        name: f"{int(mixed(key + mixed(bits(table.column(name)))).sum(dtype=np.uint64)):016x}"
        for name in table.column_names
        if name not in (id, time)
    }


def added(parts: Iterable[Mapping[str, str]]) -> Digest:
    """Return what the rows of several parts were."""
    total: dict[str, int] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = (total.get(name, 0) + int(number, 16)) % 2**64
    return {name: f"{number:016x}" for name, number in total.items()}


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the columns that are not what they were; new ones do not count."""
    return sorted(name for name, number in then.items() if now.get(name) != number)
