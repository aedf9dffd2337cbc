"""A table of known covariates, laid on the horizon of each series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autots.panel.panel import Floats, Future, Panel
from autots.reading.columns import read_covariate, read_numbers
from autots.reading.grid import JITTER
from autots.reading.ids import read_key
from autots.reading.layouts import shown
from autots.reading.times import read_times
from zoo.errors import DataError

if TYPE_CHECKING:
    from autots.reading.schema import Schema

__all__ = ["read_future"]

_NAMED = 3  # missing rows that a message shows


def read_future(schema: Schema, frame: Any, panel: Panel, horizon: int) -> Future:
    """Return what ``Schema.read_future`` does."""
    names = schema.layout.columns
    if not names.known:
        return Future()
    if frame is None:
        raise DataError(
            f"the known covariates {list(names.known)} must be given over the horizon, but no future table came",
            "give future=..., a table with the time, the series and these columns",
        )
    table, _ = schema.read_table(frame)
    if isinstance(table, pd.Series):
        table = schema.layout.inside(table.to_frame())
        assert isinstance(table, pd.DataFrame)
    lacking = [name for name in names.known if name not in table.columns]
    if lacking:
        raise DataError(
            f"the future table must hold the known covariates, but {shown(lacking)} are missing from "
            f"{shown(table.columns)}",
            "give their future values, or train without them as known",
        )
    rows, doubles = _future_rows(schema, table, panel, horizon)
    known = {}
    for name in names.known:
        kinds = schema.categories.get(name)
        if kinds is not None:
            values = read_covariate(table[name], name, kinds).values
        else:
            style = schema.numbers.get(name)
            values = read_numbers(table[name], name, what="a covariate", style=style).values
        _refuse_doubles(schema, name, values, doubles, table)
        known[name] = values[rows]
        bad = ~np.isfinite(known[name])
        if bad.any():
            s, h = np.argwhere(bad)[0]
            raise DataError(
                f"known covariates must be known, but {name!r} is missing in {int(bad.sum())} rows of the "
                f"future, first {_where(schema, panel, int(s), panel.future_times(horizon)[s, h])}",
                "fill these values",
            )
    return Future(known)


def _refuse_doubles(
    schema: Schema, name: str, values: Floats, doubles: npt.NDArray[np.int64], table: pd.DataFrame
) -> None:
    """Raise if rows of one series and time disagree on a covariate: neither of them can be preferred."""
    one, other = values[doubles[:, 0]], values[doubles[:, 1]]
    differ = np.flatnonzero((one != other) & ~(np.isnan(one) & np.isnan(other)))
    if len(differ):
        first, second = doubles[differ[0]]
        column = table[name]
        raise DataError(
            f"the future table must have one row per series and time, but rows {first} and {second} are of one and "
            f"differ in {name!r}: {column.iloc[first]!r} and {column.iloc[second]!r} ({len(differ)} such rows)",
            "drop the rows that do not hold",
        )


def _future_rows(
    schema: Schema, table: pd.DataFrame, panel: Panel, horizon: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the (S, H) rows of the future table, and the (D, 2) pairs of rows of one series and time."""
    wanted = panel.future_times(horizon)
    if len(table) == 0:
        raise DataError("the future table must have rows, but it is empty", "give every step of the horizon")
    times, _, _ = read_times(schema.layout.get(table, "time"), schema.layout.columns.time, schema.clock)
    steps, step_of_wanted = np.unique(wanted.astype(np.int64), return_inverse=True)
    moments = times.astype(np.int64)
    right = np.clip(np.searchsorted(steps, moments), 0, len(steps) - 1)
    left = np.maximum(right - 1, 0)
    step = np.where(np.abs(moments - steps[left]) < np.abs(moments - steps[right]), left, right)
    on_step = np.abs(moments - steps[step]) <= JITTER * schema.freq.spacing
    series, shared = _future_series(schema, table, panel)
    # One table of (series, step) -> row.
    found = np.full((1 if shared else panel.n_series, len(steps)), -1, dtype=np.int64)
    usable = np.flatnonzero(on_step & (series >= 0))
    found[series[usable], step[usable]] = usable
    last = found[series[usable], step[usable]]
    doubles = np.column_stack([usable, last])[last != usable]
    owners = np.zeros(panel.n_series, dtype=np.int64) if shared else _owners(panel)
    rows = found[owners[:, None], step_of_wanted.reshape(wanted.shape)]
    absent = np.argwhere(rows < 0)
    if len(absent):
        shown = "; ".join(_where(schema, panel, int(s), wanted[s, h]) for s, h in absent[:_NAMED])
        raise DataError(
            f"the future table must have a row for every step of the horizon, but {len(absent)} of {rows.size} are "
            f"missing: {shown}",
            f"each series needs {horizon} rows right after its last known target",
        )
    return rows, doubles


def _future_series(schema: Schema, table: pd.DataFrame, panel: Panel) -> tuple[npt.NDArray[np.int64], bool]:
    """Return the series of each row (-1 for others), and whether the rows hold for all series."""
    names = schema.layout.columns.ids
    if schema.layout.kind != "long" or not names:
        return np.zeros(len(table), dtype=np.int64), True
    there = [name for name in names if name in table.columns or name in table.index.names]
    if len(names) > 1 and 0 < len(there) < len(names):
        raise DataError(
            f"the future table must name its series by the key {shown(names)}, but has only {shown(there)}",
            "give all columns of the key, or none if its rows hold for all series",
        )
    try:
        columns = schema.layout.ids(table)
    except DataError:
        return np.zeros(len(table), dtype=np.int64), True
    codes, labels, _ = read_key(columns, names)
    # The first of series that share an id stands for all of them.
    first = pd.Series(np.arange(panel.n_series), index=panel.ids)
    where = first[~first.index.duplicated()].reindex(labels).fillna(-1).to_numpy(dtype=np.int64)
    return where[codes], False


def _owners(panel: Panel) -> npt.NDArray[np.int64]:
    codes, _ = pd.factorize(panel.ids)
    first = np.unique(codes, return_index=True)[1]
    return first[codes].astype(np.int64)


def _where(schema: Schema, panel: Panel, series: int, time: Any) -> str:
    if schema.clock.zone is not None:
        written = schema.clock.write(np.array([time], dtype="datetime64[ns]"))[0]
        when = written if isinstance(written, str) else str(written)
    else:
        when = str(time)[:19] if schema.clock.kind != "integer" else str(time)
    return f"at {when}" if schema.layout.kind == "series" else f"{panel.ids[series]!r} at {when}"
