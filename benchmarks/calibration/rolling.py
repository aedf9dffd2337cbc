"""Forecasts of quick ensembles from many origins, kept in a folder, so that calibrations are judged in seconds.

At each origin everything is done as a fit does it, on the rows before it alone: windows, backtests, weights, final
fits. What is missing of a fit is its search: the members are a few quick families.

Axes: K windows before the origin, S series, H steps, Q levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from autots.ensembles import Ensemble, Member, combine, ensemble_weights
from autots.evaluate import BacktestPlan, Objective, backtest, plan_cutoffs, targets_of
from autots.evaluate.target_counts import TargetCounts
from autots.metrics import metric, season_scale
from autots.models.base import Context, Task
from autots.models.catalog import create, fit_here
from autots.panel import Floats, Ints, Panel
from autots.reading.read import read_panel
from benchmarks.accuracy import SETS, read_set
from zoo.errors import ZooError

__all__ = ["FAMILIES", "RollingOrigin", "origins_of"]

#: The members of the quick ensembles.
FAMILIES = ("seasonal_naive", "auto_theta", "smoothing", "linear_direct", "trees_direct")
# Series of each set at most, evenly drawn, and rows of each.
_SERIES, _ROWS = 100, 1_500


@dataclass(frozen=True)
class RollingOrigin:
    """What was known at one origin, and what came.

    Args:
        actual: (K, S, H) targets of the windows before it.
        quantiles: (K, S, H, Q) uncalibrated forecasts of them.
        scale: (K, S) seasonal scales before each window.
        came: (S, H) targets after it.
        forecast: (S, H, Q) uncalibrated forecasts of them.
        scale_now: (S,) seasonal scales before it.
        lengths: (S,) rows before it.
        level: (S,) mean absolute value of the rows before it.
        phase: (S, H) place of each target in the season, from 0 to 1.
        season: Rows of a season.
        non_negative: Whether no row before it is below zero.
    """

    actual: Floats
    quantiles: Floats
    scale: Floats
    came: Floats
    forecast: Floats
    scale_now: Floats
    lengths: Ints
    level: Floats
    phase: Floats
    season: int
    non_negative: bool

    def write(self, file: Path) -> None:
        """Write it into one file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        small = {n: v.astype(np.float32) if getattr(v, "ndim", 0) > 2 else v for n, v in asdict(self).items()}
        np.savez(file, **small)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what ``write`` wrote."""
        with np.load(file, allow_pickle=False) as kept:
            values: dict[str, Any] = {one.name: kept[one.name] for one in fields(cls)}
        return cls(**{**values, "season": int(values["season"]), "non_negative": bool(values["non_negative"])})


def origins_of(
    data: Path, folder: Path, name: str, *, origins: Sequence[int], seed: int = 0
) -> dict[int, RollingOrigin]:
    """Return the origins of one set by how many horizons they are before its end, made now or kept in the folder.

    Args:
        data: The folder of the sets.
        folder: Where they are kept.
        name: The key of the set in ``benchmarks.accuracy.SETS``.
        origins: How many horizons before the end of the set's test; 1 is the test window.
        seed: Source of chance of the fits.
    """
    found: dict[int, RollingOrigin] = {}
    panel: Panel | None = None
    for back in origins:
        file = folder / f"{name}-{back}-{seed}.npz"
        if not file.exists():
            if panel is None:
                panel, horizon = _panel_of(data, name)
            made = _origin(panel, horizon, back, SETS[name].season, seed)
            if made is None:
                continue
            made.write(file)
        found[back] = RollingOrigin.read(file)
    return found


def _panel_of(data: Path, name: str) -> tuple[Panel, int]:
    """Return all rows of some series of a set, and its horizon."""
    train, test, meta = read_set(data, name)
    rows = pd.concat([train[["unique_id", "ds", "y"]], test[["unique_id", "ds", "y"]]], ignore_index=True)
    ids = sorted(rows["unique_id"].unique())
    rows = rows[rows["unique_id"].isin(ids[:: max(1, len(ids) // _SERIES)][:_SERIES])]
    panel = read_panel(rows, id_col="unique_id", time_col="ds", target_col="y").panel
    horizon = 24 if name == "nyc_taxi" else int(meta["horizon"])
    return panel.tail(_ROWS), horizon


def _origin(full: Panel, horizon: int, back: int, season: int | None, seed: int) -> RollingOrigin | None:
    """Return one origin; None where no series reaches so far back."""
    from autots.search.settings import FitSettings

    behind = back * horizon
    long = full.select(np.flatnonzero(full.lengths > behind + horizon))
    if not long.n_series:
        return None
    known, future, came = long.cutoff(behind, horizon)
    settings = FitSettings(horizon, 60.0, seasons=None if season is None else (season,))
    task = settings.task(known)
    seen = TargetCounts.of(known, horizon)
    plan = plan_cutoffs(known.lengths, horizon, season=task.season, cheap_rows=36_000, seen=seen)
    if plan is None:
        return None
    objective = Objective(metric("mase"), plan, targets_of(known, plan, task.season), task)
    together, ensemble = _ensemble(known, plan, task, objective, seed)
    forecast = ensemble.forecast(known, future, ensemble.start())[1]
    ends = known.indptr[1:] - known.indptr[:-1]
    steps = ends[:, None] + np.arange(horizon)
    with np.errstate(invalid="ignore"):
        level = np.array([np.nanmean(np.abs(known.series(i))) for i in range(known.n_series)])
    return RollingOrigin(
        objective.targets.actual,
        objective.whole(together.quantiles),
        objective.targets.scale,
        came,
        forecast,
        season_scale(known, task.season),
        known.lengths,
        level,
        (steps % task.season) / task.season,
        task.season,
        bool(np.nanmin(known.y) >= 0),
    )


def _ensemble(known: Panel, plan: BacktestPlan, task: Task, objective: Objective, seed: int) -> tuple[Any, Ensemble]:
    """Return the out-of-fold forecasts of an ensemble, and the ensemble fitted on all rows."""
    names, backtests = [], []
    for name in FAMILIES:
        try:
            backtests.append(backtest(partial(create, name), known, plan, task, Context(seed)))
        except ZooError:
            continue
        names.append(name)
    weights = ensemble_weights(objective, backtests, part="all", kinds=[(n,) for n in names], families=names)
    chosen = [i for i in range(len(names)) if weights[i] > 0]
    pairs = [(float(weights[i]), float(weights[i])) for i in chosen]
    together = combine([backtests[i] for i in chosen], pairs, objective.middle)
    members = tuple(
        Member(names[i], fit_here(names[i], {}, known, task, seed), pair) for i, pair in zip(chosen, pairs, strict=True)
    )
    return together, Ensemble(task, members)
