"""``zoo demo``: a fit of real data that needs no file and no network."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autots.commands.run import fit_run
from zoo.clock import parse_duration
from zoo.commands import Outcome
from zoo.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from autots.datasets import Demo

__all__ = ["demo"]

_OUT = "zoo-demo"


def demo(
    dataset: Annotated[str, typer.Option(help="co2, elnino, electrical, macro, sunspots, nile or shop.")] = "co2",
    budget: Annotated[str, typer.Option(help="Wall-clock time for all of it.")] = "60s",
    out: Annotated[Path | None, typer.Option(help="Run directory; a new zoo-demo by default.")] = None,
) -> Outcome:
    """Fit a data set without its last horizon, which is left beside the run for the commands that come next."""
    parse_duration(budget)  # before anything is written
    from autots.datasets import DEMOS, load
    from autots.search.folder import check_writable

    table = load(dataset)
    described = DEMOS[dataset.lower()]
    run = _fresh() if out is None else out
    if (run / "run.json").exists():
        raise ConfigError(f"a run directory must be new, but {run} holds a run already", "choose another --out")
    data = run / "data"
    check_writable(data)
    train, test, future = (data / f"{name}.csv" for name in ("train", "test", "future"))
    _split(table, described, train, test, future)
    options = {
        "horizon": described.horizon,
        "freq": described.freq,
        "season": described.season,
        "known": described.known,
        "target_col": "y",
        "quantiles": (0.1, 0.5, 0.9),
        "budget": budget,
    }
    return fit_run(str(train), run, options, title=described.title, test=test, future=future)


def _fresh() -> Path:
    """Return ``zoo-demo``, or the first of ``zoo-demo-2``, ``zoo-demo-3``, ... that is free."""
    names = itertools.chain([_OUT], (f"{_OUT}-{number}" for number in itertools.count(2)))
    return next(path for path in map(Path, names) if not path.exists())


def _split(table: pd.DataFrame, described: Demo, train: Path, test: Path, future: Path) -> None:
    """Write the history, the last horizon of each series, and what is known of it ahead."""
    ahead = table.groupby("unique_id").cumcount(ascending=False) < described.horizon
    table[~ahead].to_csv(train, index=False)
    table[ahead].to_csv(test, index=False)
    if described.known:
        table.loc[ahead, ["unique_id", "ds", *described.known]].to_csv(future, index=False)
