"""Columns of another table, as they were known: never from the future."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import ConfigDict, PrivateAttr, field_validator

from zoo.errors import ConfigError, DataError
from zoo.features.batch import Array, Batch, FeatureRoles, TimeAxis, batch_of
from zoo.features.steps.base import RowStep, Scope, microseconds
from zoo.places import local_path
from zoo.series.offsets import Ints
from zoo.tables.source import read
from zoo.tables.texts import coded

__all__ = ["Join", "Known", "Side"]


@dataclass(frozen=True)
class Side:
    """What a join must know of the other table before it sees its rows.

    Args:
        texts: For each of its columns but the key and the time whether it holds text.
        axis: What its times mean.
        text_key: Whether its keys are text.
    """

    texts: Mapping[str, bool]
    axis: TimeAxis
    text_key: bool


@dataclass(frozen=True)
class Known:
    """A table of what was known when, sorted by key and time.

    Args:
        batch: One series per key.
    """

    batch: Batch

    @cached_property
    def slices(self) -> Mapping[Any, tuple[int, int]]:
        """Key -> its rows."""
        offsets = self.batch.offsets.indptr
        return {key: (int(offsets[i]), int(offsets[i + 1])) for i, key in enumerate(self.batch.ids.tolist())}

    def rows(self, keys: Array, times: Ints, tolerance: int | None) -> Ints:
        """Return for each key and time the row that was the latest then, -1 for none.

        Args:
            keys: (N,) keys, best in runs of equal ones.
            times: (N,) moments at which it is asked.
            tolerance: How old a row may be.
        """
        out = np.full(len(times), -1, dtype=np.int64)
        if not len(keys):
            return out
        change = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        order: Array | None = None
        if len(change) > 64 and len(change) > len(keys) // 8:
            order = np.argsort(coded(keys)[0], kind="stable")
            keys, times = keys[order], times[order]
            change = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        known = self.batch.times
        for begin, end in zip(change.tolist(), [*change[1:].tolist(), len(keys)], strict=True):
            low, high = self.slices.get(keys[begin], (0, 0))
            if low == high:
                continue
            at = np.searchsorted(known[low:high], times[begin:end], side="right") - 1 + low
            good = at >= low
            if tolerance is not None:
                good &= times[begin:end] - known[np.maximum(at, low)] <= tolerance
            out[begin:end] = np.where(good, at, -1)
        if order is not None:
            back = np.empty_like(out)
            back[order] = out
            return back
        return out


class Join(RowStep):
    """Bring columns of another table: for each row the latest row with the same key that is not later.

    Args:
        table: A path (relative to the pipeline's file), or a frame from Python.
        on: The key, a column of both tables; None if the other table has one series.
        asof: The other table's time column.
        tolerance: How old a row may be, such as 2h; any age by default.
        columns: Which columns are brought, and under which names (a list, or name -> new name); all by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)
    kind: ClassVar[str] = "join"
    table: str | pd.DataFrame
    on: str | None = None
    asof: str
    tolerance: str | None = None
    columns: list[str] | dict[str, str] | None = None

    _folder: Path = PrivateAttr(default=Path())
    _known: Known | None = PrivateAttr(default=None)
    _side: Side | None = PrivateAttr(default=None)

    @field_validator("tolerance")
    @classmethod
    def _positive(cls, tolerance: str | None) -> str | None:
        if tolerance is not None:
            microseconds(tolerance, "tolerance")
        return tolerance

    def beside(self, folder: Path) -> Join:
        """Return the step with its table looked for in ``folder``."""
        out = self.model_copy()
        out._folder = folder
        return out

    def with_side(self, side: Side) -> Join:
        """Return the step for an engine that reads the other table itself."""
        out = self.model_copy()
        out._side = side
        return out

    @property
    def side(self) -> Side:
        """What is known of the other table, which is read if nobody has said."""
        if self._side is None:
            known = self.known().batch
            texts = {name: values.dtype == object for name, values in known.columns.items() if name}
            self._side = Side(texts, known.axis, known.ids.dtype == object)
        return self._side

    @property
    def is_read(self) -> bool:
        """Whether the other table is in memory."""
        return self._known is not None

    @property
    def reach(self) -> int | None:
        """The tolerance in microseconds."""
        return None if self.tolerance is None else microseconds(self.tolerance, "tolerance")

    @property
    def path(self) -> str:
        """Where the table is; only for tables given by their path."""
        assert isinstance(self.table, str)
        return str(self._folder / local_path(self.table, "a joined table"))

    def known(self) -> Known:
        """Return the other table, read once.

        Raises:
            DataError: It cannot be read, or a key occurs twice at one time.
        """
        if self._known is None:
            frame = read(self.path) if isinstance(self.table, str) else self.table
            if isinstance(frame, pd.Series):
                frame = frame.to_frame()
            said = self.table if isinstance(self.table, str) else "the joined table"
            self._known = Known(self._checked(frame, said))
        return self._known

    def _checked(self, frame: pd.DataFrame, said: str) -> Batch:
        self.check_columns(list(frame.columns), said)
        if not len(frame):
            raise DataError(f"a table must hold rows, but {said} has none", "check how it was written")
        numeric = [c for c in frame.columns if c not in (self.on, self.asof)]
        roles = FeatureRoles(self.on, self.asof, next((c for c in numeric if frame[c].dtype != object), numeric[0]))
        if frame[roles.target].dtype == object:
            # Only texts are brought: a number stands in for the target that a batch must have.
            frame = frame.assign(**{"": 0.0})
            roles = replace(roles, target="")
        batch = batch_of(frame, roles)
        same = (np.diff(batch.times) == 0) & (np.diff(batch.offsets.codes) == 0)
        if same.any():
            at = int(np.argmax(same))
            key = batch.ids[batch.offsets.codes[at]]
            raise self.doubles(said, key, int(batch.times[at]), batch.axis, int(same.sum()))
        return batch

    def check_columns(self, names: list[str], said: str) -> None:
        """Raise where the other table lacks the key, the time, or anything to bring.

        Args:
            names: The columns that it has.
            said: What messages call it.

        Raises:
            DataError: One is missing.
        """
        for name in (self.asof, *([self.on] if self.on is not None else [])):
            if name not in names:
                raise DataError(f"{said} must have the column {name!r}, but has {names[:12]}", "check it")
        if not any(name not in (self.on, self.asof) for name in names):
            raise DataError(f"{said} must have columns to bring, but has only the key and the time", "check it")

    def doubles(self, said: str, key: Any, time: int, axis: TimeAxis, count: int) -> DataError:
        """Return what is raised where a key occurs more than once at a time.

        Args:
            said: What messages call the other table.
            key: The first key that occurs twice.
            time: The time at which it does.
            axis: What the time means.
            count: Rows that are too many.
        """
        moment = time if axis.integer else np.datetime64(time, "us")
        return DataError(
            f"a key must occur once at a time, but {said} has {self.on or 'a row'}={key} {count + 1} "
            f"times or more at {moment}",
            "deduplicate the table: an as-of join would have to pick one at random",
        )

    def brings(self) -> dict[str, str]:
        """Return the other table's columns and what they are called here."""
        there = list(self.side.texts)
        if self.columns is None:
            return {name: name for name in there}
        chosen = self.columns if isinstance(self.columns, dict) else {name: name for name in self.columns}
        for name in chosen:
            if name not in there:
                raise ConfigError(f"the joined table must have {name!r}, but has {there}", "check `columns`")
        return dict(chosen)

    def kinds(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the new names of the columns of numbers, and of those of texts."""
        brings, is_text = self.brings(), self.side.texts
        numbers = tuple(new for old, new in brings.items() if not is_text[old])
        return numbers, tuple(new for old, new in brings.items() if is_text[old])

    def scope(self, scope: Scope) -> Scope:
        """Return the columns with the new ones."""
        here = (*scope.numbers, *scope.texts, scope.names.time, scope.names.id)
        if self.on is not None and self.on not in here:
            raise ConfigError(f"`on` must be a column of both tables, but the source has no {self.on!r}", "check `on`")
        brings = self.brings()
        for name in brings.values():
            if name in here:
                raise ConfigError(
                    f"a joined column must have a new name, but {name!r} is there already",
                    f"rename it: columns: {{{name}: {name}_joined}}",
                )
        numbers, texts = self.kinds()
        return replace(scope, numbers=scope.numbers + numbers, texts=scope.texts + texts)

    def apply(self, batch: Batch) -> Batch:
        """Return the batch with the columns of the other table."""
        known = self.known()
        self.check(batch.axis, text=self._is_text(batch))
        at = known.rows(self.keys(batch), batch.times, self.reach)
        return batch.with_columns({new: _taken(known.batch.columns[old], at) for old, new in self.brings().items()})

    def check(self, axis: TimeAxis, *, text: bool) -> None:
        """Raise where the other table is of another kind.

        Args:
            axis: The clock of this table.
            text: Whether its key is text.

        Raises:
            DataError: Clocks or keys cannot be compared.
        """
        other = self.side
        if other.axis.integer != axis.integer:
            raise DataError("both tables of a join must have the same kind of clock, but one is a number", "convert it")
        if (other.axis.zone is None) != (axis.zone is None):
            raise DataError(
                "both tables of a join must have a zone, or none of them, but only one has", "convert one of them"
            )
        if self.on is not None and text != other.text_key:
            raise DataError(f"{self.on!r} must be of one type in both tables, but is text in one only", "convert it")

    def _is_text(self, batch: Batch) -> bool:
        if self.on is None:
            return True
        if self.on == batch.names.id:
            return batch.ids.dtype == object
        keys = batch.columns[self.on]
        return keys.dtype == object or (self.side.text_key and _all_missing(keys))

    def keys(self, batch: Batch) -> Array:
        """Return the key of each row, of the type that the other table has."""
        if self.on is None:
            return np.full(len(batch), "all", dtype=object)
        of_id = self.on == batch.names.id
        keys = batch.ids[batch.offsets.codes] if of_id else batch.columns[self.on]
        if of_id or keys.dtype == object:
            return keys
        if self.side.text_key and _all_missing(keys):
            return np.full(len(keys), None, dtype=object)
        return np.where(np.isnan(keys), np.iinfo(np.int64).min, keys)


def _all_missing(keys: Array) -> bool:
    """Return whether nothing tells of which type a column is."""
    return bool(np.isnan(keys).all())


def _taken(values: Array, at: Ints) -> Array:
    if values.dtype == object:
        out = values[np.maximum(at, 0)].copy() if len(values) else np.full(len(at), None, dtype=object)
        out[at < 0] = None
        return out
    return np.where(at >= 0, values[np.maximum(at, 0)], np.nan)
