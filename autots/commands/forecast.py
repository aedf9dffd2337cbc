"""``zoo forecast``: a table of what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["forecast"]

_KINDS = (".csv", ".parquet")


def forecast(
    run: Annotated[Path, typer.Argument(help="A run directory, or a saved pipeline.")],
    out: Annotated[Path, typer.Option(help="Where to: a file that ends with .csv or .parquet.")],
    data: Annotated[str | None, typer.Option(help="Forecast from this table instead of the history.")] = None,
    future: Annotated[str | None, typer.Option(help="Table with the known covariates of the horizon.")] = None,
) -> Outcome:
    """Forecast and write the table."""
    kind = out.suffix.lower()
    if kind not in _KINDS or out.is_dir():
        raise ConfigError(
            f"--out must be a file that ends with {' or '.join(_KINDS)}, but got {str(out)!r}",
            "for example --out forecast.csv",
        )
    from autots.api import load
    from autots.search.folder import write_whole

    pipeline = load(run)
    if pipeline.known and future is None:
        raise ConfigError(
            f"the known covariates {list(pipeline.known)} must be given over the horizon, but --future is not given",
            "add --future FILE with the id, the time and these columns, for every step of the horizon",
        )
    frame = pipeline.predict(future, data=data)
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = frame.rename(columns=str)
    if kind == ".csv":
        write_whole(out, lambda path: frame.to_csv(path, index=False))
    else:
        write_whole(out, lambda path: frame.to_parquet(path, index=False))
    n_series = len(frame) // pipeline.horizon
    found = {
        "out": str(out),
        "series": n_series,
        "horizon": pipeline.horizon,
        "rows": len(frame),
        "columns": list(frame.columns),
        "quantiles": list(pipeline.levels),
    }
    return Outcome(found, f"{len(frame):,} rows ({n_series:,} series, {pipeline.horizon} steps) in {out}")
