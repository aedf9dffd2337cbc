"""Small pipelines without a search: families that are named, calibrated on one window, fitted in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from autots.api import Pipeline
from autots.ensembles import Ensemble, Member, average
from autots.features import Features
from autots.intervals import Conformal, fit_conformal
from autots.metrics import season_scale
from autots.models.base import DEFAULT_LEVELS, Task
from autots.models.catalog import fit_here
from autots.models.wall_clock import predict_local
from autots.panel import Panel
from autots.reading.read import read_panel
from autots.report import Facts

__all__ = ["fitted", "hourly", "of_panel"]


def hourly(series: int = 3, rows: int = 200, *, seed: int = 0) -> pd.DataFrame:
    """Return a long table of hourly series with a daily season, named H0, H1, ..."""
    rng = np.random.default_rng(seed)
    hour = np.arange(rows)
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    parts = []
    for i in range(series):
        y = 20 + i + 5 * np.sin(2 * np.pi * hour / 24 + i) + rng.normal(0, 1, rows)
        parts.append(pd.DataFrame({"unique_id": f"H{i}", "ds": times, "y": y}))
    return pd.concat(parts, ignore_index=True)


def fitted(
    table: Any,
    *,
    horizon: int = 24,
    families: Sequence[str] = ("linear_direct",),
    known: Sequence[str] = (),
    static: Any = None,
    levels: tuple[float, ...] = (0.1, 0.5, 0.9),
    params: Mapping[str, Any] | None = None,
    features: Any = None,
) -> Pipeline:
    """Fit an equal-weight ensemble.

    Args:
        table: As ``AutoTS.fit`` takes it.
        horizon: Steps that the pipeline forecasts.
        families: Names of families in the catalog, a member each.
        known: Columns of covariates that are known ahead.
        static: As ``AutoTS`` takes it.
        levels: The quantile levels that answers have.
        params: Hyper-parameters that all families get.
        features: As ``AutoTS`` takes it; the table has raw rows then.
    """
    if features is not None:
        before, columns = Features.of(features, table)
        read = read_panel(columns, horizon=horizon, **before.roles)
        forecasts = of_panel(read.panel, read.schema, horizon=horizon, families=families, levels=levels, params=params)
        forecasts.features = before
        return forecasts
    read = read_panel(table, horizon=horizon, known=known, static=static)
    return of_panel(read.panel, read.schema, horizon=horizon, families=families, levels=levels, params=params)


def of_panel(
    panel: Panel,
    schema: Any,
    *,
    horizon: int,
    families: Sequence[str],
    levels: tuple[float, ...] = (0.1, 0.5, 0.9),
    params: Mapping[str, Any] | None = None,
) -> Pipeline:
    """Fit on a panel; see ``fitted``."""
    seasons = tuple(m for m in panel.freq.seasons if 2 * m <= int(np.median(panel.lengths))) or (1,)
    task = Task(horizon, seasons, tuple(sorted({*DEFAULT_LEVELS, *levels})))
    weight = 1.0 / len(families)
    members = tuple(Member(f, fit_here(f, params or {}, panel, task, 0), (weight, weight)) for f in families)
    facts = Facts("test", {}, {}, {}, pd.DataFrame(), {}, {}, (), (), pd.DataFrame())
    ensemble = Ensemble(task, members, _calibrated(members, panel, task))
    return Pipeline(schema, panel, ensemble, levels=levels, metric_name="mase", facts=facts)


def _calibrated(members: Sequence[Member], panel: Panel, task: Task) -> Conformal | None:
    """Calibrate on the last window, with models that have seen it: good enough for a test of the wire."""
    if int(panel.lengths.min()) <= task.horizon:
        return None
    history, future, actual = panel.cutoff(task.horizon, task.horizon)
    forecasts = [predict_local(m.model, history, future, task.horizon) for m in members]
    weights = [m.weight for m in members]
    _, quantiles = average(
        [f.mean for f in forecasts], [f.quantiles for f in forecasts], weights, task.levels.index(0.5)
    )
    scale = season_scale(history, task.season)
    return fit_conformal(actual[None], quantiles[None], scale[None], task.levels, non_negative=False)
