"""``zoo fit``: from a table to a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from autots.commands.options import levels, name_or_names, names, whole_numbers, whole_or_text
from autots.commands.run import default_run, fit_run, sharded_run
from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["fit"]


def fit(
    data: Annotated[str, typer.Argument(help="CSV or Parquet: a file, a folder, or a quoted pattern.")],
    horizon: Annotated[int, typer.Option(help="Steps to forecast.")],
    freq: Annotated[
        str | None, typer.Option(help="pandas alias (h, D, W-SUN, MS), or the step of an integer clock.")
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(help="How dates are written, such as %d/%m/%Y; found if left out.")
    ] = None,
    season: Annotated[str | None, typer.Option(help="Season length(s) in rows, such as 24,168.")] = None,
    id_col: Annotated[
        str | None, typer.Option(help="Column that names the series; store,item where only both do.")
    ] = None,
    time_col: Annotated[str | None, typer.Option(help="Column of the clock.")] = None,
    target_col: Annotated[str | None, typer.Option(help="Column to forecast.")] = None,
    zone: Annotated[
        str | None, typer.Option(help="Zone whose local hours count, such as Europe/Berlin, for times with offsets.")
    ] = None,
    known: Annotated[str, typer.Option(help="Columns whose future is known, such as price,holiday.")] = "",
    static: Annotated[str | None, typer.Option(help="Table with one row per series.", metavar="FILE")] = None,
    metric: Annotated[str, typer.Option(help="mase, mae, mse, rmse, smape, wape, wql, sql or owa.")] = "mase",
    quantiles: Annotated[str, typer.Option(help="Quantile levels of the forecasts.")] = "0.1,0.5,0.9",
    budget: Annotated[str, typer.Option(help="Wall-clock time for all of it, such as 90s, 5min, 1h30min.")] = "5min",
    workers: Annotated[int | None, typer.Option(help="Worker processes; one per CPU by default.")] = None,
    folds: Annotated[int | None, typer.Option(help="Backtest windows that choose; found if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    features: Annotated[
        Path | None, typer.Option(help="Feature pipeline (YAML) that makes the columns of the rows.", metavar="FILE")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; runs/<data>-<time> by default.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop if a column must not be used (`zoo check`).")] = False,
    sharded: Annotated[bool, typer.Option("--sharded", help="For panels larger than the memory.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
) -> Outcome:
    """Fit, write the run directory, and say what to do next; the parameters are those of ``AutoTS``."""
    if resume and out is None:
        raise ConfigError("--resume must know the run, but --out is not given", "add --out RUN")
    options: dict[str, Any] = {
        "horizon": horizon,
        "freq": whole_or_text(freq),
        "date_format": date_format,
        "season": whole_numbers("season", season),
        "id_col": name_or_names(id_col),
        "time_col": time_col,
        "target_col": target_col,
        "zone": zone,
        "known": names(known),
        "static": static,
        "metric": metric,
        "quantiles": levels(quantiles),
        "budget": budget,
        "workers": workers,
        "folds": folds,
        "seed": seed,
        "features": features,
        "strict": strict,
    }
    start = sharded_run if sharded else fit_run
    return start(data, out or default_run(data), options, resume=resume)
