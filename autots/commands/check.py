"""``zoo check``: may these columns be used, and can the target be forecast."""

from __future__ import annotations

from typing import Annotated

import typer

from autots.commands.options import name_or_names, names, whole_or_text
from zoo.commands import Outcome

__all__ = ["check"]

_MAX_FINDINGS = 20  # shown in the terminal; --json has all


def check(
    data: Annotated[str, typer.Argument(help="CSV, Parquet, or a versioned table.")],
    horizon: Annotated[int, typer.Option(min=1, help="Steps that will be forecast.")] = 1,
    known: Annotated[str, typer.Option(help="Columns whose future is known, such as price,holiday.")] = "",
    id_col: Annotated[
        str | None, typer.Option(help="Column that names the series; store,item where only both do.")
    ] = None,
    time_col: Annotated[str | None, typer.Option(help="Column of the clock.")] = None,
    target_col: Annotated[str | None, typer.Option(help="Column to forecast.")] = None,
    zone: Annotated[str | None, typer.Option(help="Zone whose local hours count, for times with offsets.")] = None,
    freq: Annotated[str | None, typer.Option(help="pandas alias, or the step of an integer clock.")] = None,
    date_format: Annotated[
        str | None, typer.Option(help="How dates are written, such as %d/%m/%Y; found if left out.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Version or time of a versioned table.")] = None,
    before: Annotated[
        str | None,
        typer.Option(help="An earlier copy of the table, or version: shows what was changed after the fact."),
    ] = None,
) -> Outcome:
    """Judge each column and the target; status 1 if a column must not be used."""
    from autots.commands.screen import on_screen
    from autots.eligibility import earlier_version, examine
    from autots.reading.read import read_panel
    from autots.reading.schema import id_columns
    from autots.report.found import told
    from autots.report.terminal import print_found
    from zoo.tables.source import read
    from zoo.tables.versioned import is_table

    key = name_or_names(id_col)
    text = id_columns(key)
    table = read(data, text=text, as_of=as_of)
    if before is None:
        older = earlier_version(data)
    elif is_table(data) and not is_table(before) and "." not in before and "/" not in before:
        older = read(data, as_of=before)
    else:
        older = read(before, text=text)
    panel = read_panel(
        table,
        freq=whole_or_text(freq),
        date_format=date_format,
        id_col=key,
        time_col=time_col,
        target_col=target_col,
        known=names(known),
        horizon=horizon,
        zone=zone,
    )
    found = examine(panel.schema.inside(table)[0], panel, horizon=horizon, before=older)
    report = panel.report.to_dict()
    shown = on_screen(lambda console: print_found(report, console, most=_MAX_FINDINGS, rest="see --json"))
    return Outcome(
        {**found.to_dict(), **told(report)}, f"{shown}\n{found.summary()}", code=1 if found.ineligible else 0
    )
