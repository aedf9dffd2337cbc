"""``zoo forecast``: a table of what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autots.commands.opened import opened
from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["forecast"]

_KINDS = (".csv", ".parquet")
_OWN_HISTORY = "a sharded fit forecasts from its own history, but --data is given", "leave it out"


def forecast(
    run: Annotated[Path, typer.Argument(help="A run directory, a saved pipeline, or a sharded fit.")],
    out: Annotated[Path, typer.Option(help="Where to: a .csv or .parquet file; of a sharded fit also a folder.")],
    data: Annotated[str | None, typer.Option(help="Forecast from this table instead of the history.")] = None,
    future: Annotated[str | None, typer.Option(help="Table with the known covariates of the horizon.")] = None,
) -> Outcome:
    """Forecast and write the table."""
    kind = out.suffix.lower()
    if not kind and (run / "shards.json").is_file():
        return _into_folder(run, out, data, future)
    if kind not in _KINDS or out.is_dir():
        raise ConfigError(
            f"--out must be a file that ends with {' or '.join(_KINDS)}, but got {str(out)!r}",
            "for example --out forecast.csv",
        )
    from autots.search.folder import write_whole

    pipeline = opened(run)
    if pipeline.known and future is None:
        raise ConfigError(
            f"the known covariates {list(pipeline.known)} must be given over the horizon, but --future is not given",
            "add --future FILE with the id, the time and these columns, for every step of the horizon",
        )
    given = {} if data is None else {"data": data}
    if given and (run / "shards.json").is_file():
        raise ConfigError(*_OWN_HISTORY)
    frame = pipeline.predict(future, **given)
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


def _into_folder(run: Path, out: Path, data: str | None, future: str | None) -> Outcome:
    """Forecast a sharded fit into a file for each shard, so that nothing holds all of it."""
    from autots.shards import ShardedPipeline
    from zoo.page.wording import plural

    if data is not None:
        raise ConfigError(*_OWN_HISTORY)
    pipeline = ShardedPipeline(run)
    columns = list(pipeline.predict(future, out=out).columns)
    files = sorted(file.name for file in out.glob("*.parquet"))
    rows = pipeline.n_series * pipeline.horizon
    found = {
        "out": str(out),
        "files": files,
        "series": pipeline.n_series,
        "horizon": pipeline.horizon,
        "rows": rows,
        "columns": columns,
        "quantiles": list(pipeline.levels),
    }
    return Outcome(found, f"{rows:,} rows ({pipeline.n_series:,} series) in {plural(len(files), 'file')} of {out}")
