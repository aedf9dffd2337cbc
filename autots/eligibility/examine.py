"""All checks of a table, in a moment: each column's own values, its versions, its leads, and the target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from autots.eligibility.columns import judge_values
from autots.eligibility.leads import Past, judge_leads
from autots.eligibility.revisions import judge_revisions
from autots.eligibility.sample import sample_of
from autots.eligibility.target import judge_target
from autots.eligibility.verdicts import ColumnVerdict, Eligibility
from autots.reading.columns import read_numbers
from autots.reading.layouts import ColumnRoles
from autots.reading.schema import Ingested
from zoo.tables.source import Table, read
from zoo.tables.versioned import VersionedTable, is_table

__all__ = ["earlier_version", "examine"]


def examine(table: Table, read_as: Ingested, *, horizon: int, before: Table | None = None) -> Eligibility:
    """Judge the columns of a table, and whether its target can be forecast.

    At most 48 series and 1200 rows of each are looked at for leads, 100,000 rows for the rest.

    Args:
        table: The user's table, with the names used inside (``Schema.inside``).
        read_as: What ``read_panel`` made of it.
        horizon: Steps H that are to be forecast.
        before: An earlier version of the table, to see what was changed after the fact.

    Example:
        >>> import numpy as np
        >>> from autots.reading.read import read_panel
        >>> y = np.random.default_rng(0).normal(size=300).cumsum()
        >>> table = pd.DataFrame({"ds": pd.date_range("2024", periods=300), "y": y, "next": np.roll(y, -1)})
        >>> found = examine(table, read_panel(table), horizon=7)
        >>> [(verdict.column, verdict.kind) for verdict in found.ineligible]
        [('next', 'lead')]
    """
    panel, columns = read_as.panel, read_as.schema.layout.columns
    roles = {name: role for role in ("known", "past", "static") for name in getattr(columns, role)}
    seasons = read_as.report.seasons or (1,)
    sample = sample_of(panel)
    found = {name: _own(table, read_as, name, role) for name, role in roles.items()}
    if sample is not None:
        past = Past(sample, seasons)
        for name, role in roles.items():
            if found[name].status == "eligible" and role in ("known", "past"):
                values = getattr(sample.panel, role)[name]
                coded = name in panel.categorical
                judged = judge_leads(values, name, role, past, horizon=horizon, categorical=coded)
                found[name] = found[name].worse(judged)
    target = ColumnVerdict(columns.target, "target")
    if before is not None and isinstance(table, pd.DataFrame) and isinstance(before, pd.DataFrame):
        before, _ = read_as.schema.inside(before)
        key = [*columns.ids, columns.time]
        if all(name in table.columns for name in key):
            assert isinstance(before, pd.DataFrame)
            for verdict in judge_revisions(table, before, key=key, roles={**roles, columns.target: "target"}):
                if verdict.role == "target":
                    target = verdict
                else:
                    found[verdict.column] = found[verdict.column].worse(verdict)
    return Eligibility((*found.values(), target), judge_target(sample, max(seasons), horizon))


def earlier_version(data: Any) -> Table | None:
    """Return the first version that can still be read of a versioned table; None for anything else."""
    if not isinstance(data, str | Path) or not is_table(data):
        return None
    table = VersionedTable.open(data)
    for version in range(table.version):
        try:
            return read(data, as_of=version)
        except Exception:  # noqa: S112  # its files were removed by vacuum: the next one may be there
            continue
    return None


def _series(table: pd.DataFrame, columns: ColumnRoles) -> Any:
    """Return what names the series of each row, or None where the table has no column for it."""
    if not columns.ids or not all(name in table.columns for name in columns.ids):
        return None
    if not columns.key:
        return table[columns.ids[0]]
    return table.groupby(list(columns.key), sort=False, dropna=False, observed=True).ngroup()


def _own(table: Table, read_as: Ingested, name: str, role: str) -> ColumnVerdict:
    """Judge a column by its own values, if the table has it as a column (an index or a static table may hold it)."""
    columns = read_as.schema.layout.columns
    if not isinstance(table, pd.DataFrame) or name not in table.columns:
        return ColumnVerdict(name, role)
    column, style = table[name], read_as.schema.numbers.get(name)
    if style is not None and not pd.api.types.is_numeric_dtype(column.dtype):
        # Numbers that were written as text are judged as numbers.
        column = pd.Series(read_numbers(column, name, style=style).values, index=column.index)
    return judge_values(
        column,
        name,
        role,
        target=table[columns.target] if columns.target in table.columns else None,
        series=_series(table, columns),
    )
