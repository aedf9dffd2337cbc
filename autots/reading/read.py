"""From whatever the user has to a repaired panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from autots.panel.panel import Panel
from autots.reading.detect import detect
from autots.reading.findings import Finding
from autots.reading.keys import key_of
from autots.reading.layouts import Layout, names_of
from autots.reading.repair import repair
from autots.reading.report import DataReport
from autots.reading.schema import Ingested, Schema, id_columns
from autots.reading.table import COUNT, FlatTable, StaticTable, counted, flatten, read_static
from autots.reading.tidy import Tidied, tidied, tidy, turned, without_partitions
from autots.reading.time_zones import in_zone, laid, local_clock
from zoo.series.frequency import Frequency
from zoo.series.zones import LocalClock
from zoo.tables.source import Table, decisions, partitions, read

__all__ = ["Ingested", "read_panel"]


def read_panel(
    data: Any,
    *,
    freq: str | int | None = None,
    date_format: str | None = None,
    id_col: Any = None,
    time_col: Any = None,
    target_col: Any = None,
    known: Sequence[Any] = (),
    static: Any = None,
    horizon: int = 1,
    zone: str | None = None,
) -> Ingested:
    """Read a table of one or many series.

    Args:
        data: A frame, a series, a path, or anything else that ``zoo.tables.source.read`` takes, in any layout that
            ``autots.reading.detect`` knows.
        freq: A pandas alias, a name of ``zoo.series.rules``, or the step of an integer clock; None to infer it;
            ``"count"`` to number the rows of each series where their times make no regular clock.
        date_format: The strptime format of times that are texts, such as ``"%d/%m/%Y"``; None to find it.
        id_col: The column that names the series, or a list of those that only together do; None to find it.
        time_col: The clock; None to find it.
        target_col: What is to be forecast; None to find it.
        known: Covariates whose future is known.
        static: A table (or its path) with one row per series, or the names of columns of the data.
        horizon: Steps that will be forecast, for the report's list of short series.
        zone: Whose local time counts, such as ``"Europe/Berlin"``, where times have another zone or offsets; answers
            are in it. None for the zone of the times.

    Raises:
        DataError: The table cannot be used; the message says where, the hint what to do.
        ConfigError: An argument contradicts the table.

    >>> import pandas as pd
    >>> got = read_panel(pd.Series([1.0, 2.0, 4.0], index=pd.date_range("2020", periods=3, freq="MS")))
    >>> got.panel.freq.alias, got.panel.n_rows
    ('MS', 3)
    """
    parsed = None if freq is None else Frequency.parse(1 if freq == COUNT else freq)
    table = read(data, text=id_columns(id_col))
    of_columns = isinstance(static, list | tuple | set | frozenset | np.ndarray | pd.Index)
    known = (known,) if isinstance(known, str) else tuple(known)
    in_data = tuple(static) if of_columns else ()
    tidy_table = _tidy(table, id_col, [time_col, target_col, *known, *in_data], known, in_data)
    layout = detect(
        tidy_table.table, id_col=id_col, time_col=time_col, target_col=target_col, known=known, static=in_data
    )
    layout = replace(layout, dropped=tidy_table.dropped, across=tidy_table.across)
    said = [f"{what}: {how}" for what, how in decisions(table)]
    flat = _rows(tidy_table, layout, date_format, said)
    flat = counted(flat) if freq == COUNT else flat
    flat = laid(flat if zone is None else in_zone(flat, zone), parsed)
    panel, report, fills = repair(flat, freq=parsed, horizon=horizon)
    if flat.clock.zone is not None and not flat.clock.wall:
        clock, told = local_clock(panel, LocalClock(flat.clock.zone, written=flat.clock.offsets))
        panel = replace(panel, freq=replace(panel.freq, local=clock))
        report = replace(report, findings=(*report.findings, *told))
    rows = None if static is None or of_columns else read(static, text=id_columns(layout.columns.ids))
    return _ingested(panel, report, flat, layout, fills, rows, decisions(table))


def _ingested(
    panel: Panel,
    report: DataReport,
    flat: FlatTable,
    layout: Layout,
    fills: Mapping[str, float],
    static: Table | None,
    source: tuple[tuple[str, str], ...],
) -> Ingested:
    """Return the panel with its static table, the schema that reads later tables, and the whole report."""
    names = layout.columns
    covariates = (*names.known, *names.past, *names.static)
    kinds: dict[str, tuple[str, ...] | None] = {name: flat.categories.get(name) for name in covariates}
    of_table: tuple[str, ...] = ()
    numbers = dict(flat.numbers)
    if static is not None:
        rows = read_static(static, layout, panel.ids)
        panel, report = _with_static(panel, report, rows)
        of_table = tuple(rows.values)
        kinds.update({name: rows.categories.get(name) for name in rows.values})
        numbers.update(rows.numbers)
    schema = Schema(layout, flat.ids, flat.clock, panel.freq, kinds, of_table, fills, numbers, source)
    (series, how), *others = schema.describe()
    several = f"{how}, {panel.n_series} series" if layout.kind != "series" else how
    return Ingested(panel, schema, replace(report, reading=((series, several), *others)))


def _rows(tidy_table: Tidied, layout: Layout, date_format: str | None, said: Sequence[str]) -> FlatTable:
    """Return the rows as flat arrays, with all that was noted on the way to them."""
    inside, findings = layout.inside(tidy_table.table), tidy_table.findings
    if isinstance(inside, pd.DataFrame):
        trimmed = tidied(inside, layout)
        inside, findings = trimmed.table, (*findings, *trimmed.findings)
    flat = flatten(inside, layout, date_format=date_format)
    return replace(flat, notes=(*said, *findings, *layout.notes, *flat.notes))


def _with_static(panel: Panel, report: DataReport, rows: StaticTable) -> tuple[Panel, DataReport]:
    """Return the panel with covariates from a table of one row per series, and the report with what it lacks."""
    coded = panel.categorical | set(rows.categories)
    panel = replace(panel, static={**panel.static, **rows.values}, categorical=coded)
    lacking = f"{len(rows.without)} series have no row in the static table"
    report = report.with_finding("static_missing", rows.without, lacking, "kept as missing")
    return panel, report.with_findings(rows.findings)


def _tidy(table: Table, id_col: Any, named: Sequence[Any], known: Sequence[Any], static: Sequence[Any]) -> Tidied:
    """Return the table without what surrounds it, and turned if its columns are times."""
    if not isinstance(table, pd.DataFrame):
        return Tidied(table)
    key = key_of(id_col, names_of(table))
    given = [name for name in (*key, *named) if name is not None]
    without = without_partitions(table, partitions(table), given)
    made = tidy(without.table, given)
    made = replace(made, findings=(*without.findings, *made.findings), dropped=(*without.dropped, *made.dropped))
    long = None if known else turned(made.table, named=key, kept=static)
    if long is None:
        return made
    message = f"the names of {made.table.shape[1] - long.shape[1] + 2} columns are times"
    remark = Finding("turned", len(made.table), message, "read as one row per series and time")
    return replace(made, table=long, findings=(*made.findings, remark), across=True)
