"""From whatever the user has to a repaired panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autots.panel.aware import in_zone, laid, local_clock
from autots.panel.frequency import Frequency
from autots.panel.layouts import detect
from autots.panel.repair import repair
from autots.panel.schema import Ingested, Schema, id_columns
from autots.panel.table import flatten, read_static
from autots.panel.zones import LocalClock
from zoo.tables.source import read

__all__ = ["Ingested", "read_panel"]


def read_panel(
    data: Any,
    *,
    freq: str | int | None = None,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
    known: Sequence[str] = (),
    static: Any = None,
    horizon: int = 1,
    zone: str | None = None,
) -> Ingested:
    """Read a table of one or many series.

    Args:
        data: A frame, a series, a path, or anything else that ``zoo.tables.source.read`` takes, in any layout that
            ``autots.panel.layouts.detect`` knows.
        freq: A pandas alias, or the step of an integer clock; None to infer it.
        id_col: The column that names the series; None to find it.
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
    parsed = None if freq is None else Frequency.parse(freq)
    table = read(data, text=id_columns(id_col))
    of_columns = isinstance(static, list | tuple | set | frozenset)
    layout = detect(
        table,
        id_col=id_col,
        time_col=time_col,
        target_col=target_col,
        known=known,
        static=tuple(static) if of_columns else (),
    )
    flat = flatten(table, layout)
    if zone is not None:
        flat = in_zone(flat, zone)
    flat = laid(replace(flat, notes=(*layout.notes, *flat.notes)), parsed)
    panel, report, fills = repair(flat, freq=parsed, horizon=horizon)
    if flat.clock.zone is not None and not flat.clock.wall:
        clock, told = local_clock(panel, LocalClock(flat.clock.zone, written=flat.clock.offsets))
        panel = replace(panel, freq=replace(panel.freq, local=clock))
        report = replace(report, findings=(*report.findings, *told))
    names = layout.columns
    covariates = (*names.known, *names.past, *names.static)
    kinds: dict[str, tuple[str, ...] | None] = {name: flat.categories.get(name) for name in covariates}
    of_table: tuple[str, ...] = ()
    if static is not None and not of_columns:
        source = read(static, text=id_columns(names.id)) if isinstance(static, str | Path) else read(static)
        values, found, unknown = read_static(source, layout, panel.ids)
        of_table = tuple(values)
        kinds.update({name: found.get(name) for name in values})
        panel = replace(panel, static={**panel.static, **values}, categorical=panel.categorical | set(found))
        report = report.with_finding(
            "static_missing", unknown, f"{len(unknown)} series have no row in the static table", "kept as missing"
        )
    schema = Schema(layout, flat.ids, flat.clock, panel.freq, kinds, of_table, fills)
    return Ingested(panel, schema, report)
