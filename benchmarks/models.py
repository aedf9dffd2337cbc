"""Classical families beside statsforecast's own: processor time per series, and how far forecasts are apart."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from autots.models.base import Context, Task
from autots.models.catalog import create
from autots.panel import Floats, Frequency, Future, Panel
from zoo.errors import ConfigError

__all__ = ["FAMILIES", "SETS", "compared", "run"]

#: Sets and their seasons.
SETS = {"m4_monthly": 12, "hospital": 12, "m3_quarterly": 4, "tourism_yearly": 1}
FAMILIES = ("auto_ets", "auto_theta", "auto_ces", "mstl", "auto_arima")
# Additions that tell how fast the machine is, as the figures are read beside them.
_ADDITIONS = 5_000_000


def run(data: Path, only: Sequence[str] = (), *, series: int = 60) -> Iterator[dict[str, Any]]:
    """Yield the speed of the machine, then one record per set and family.

    Args:
        data: Folder with a folder per set: ``meta.json``, ``train.parquet`` and ``test.parquet``.
        only: Families to measure; empty for all.
        series: Series of each set at most, evenly drawn.

    Raises:
        ConfigError: A name is none of a family.
    """
    unknown = sorted(set(only) - set(FAMILIES))
    if unknown:
        raise ConfigError(f"a family must be one of {list(FAMILIES)}, but got {unknown}", "see --only")
    started, total = time.perf_counter(), 0
    for _ in range(_ADDITIONS):
        total += 1
    yield {"figure": "machine", "seconds_of_5m_additions": round(time.perf_counter() - started, 3)}
    for name, season in SETS.items():
        horizon = int(json.loads((data / name / "meta.json").read_text(encoding="utf-8"))["horizon"])
        past = _histories(data / name / "train.parquet")
        future = _histories(data / name / "test.parquet")
        ids = [id_ for id_ in past if len(past[id_]) > 3 * season and id_ in future and np.ptp(past[id_]) > 0]
        ids = ids[:: max(1, len(ids) // series)][:series]
        # Without a season statsforecast's MSTL has nothing to take off, and fails.
        for family in [f for f in only or FAMILIES if season > 1 or f != "mstl"]:
            record = compared(family, [past[i] for i in ids], [future[i] for i in ids], season, horizon)
            yield {"figure": "models", "set": name, **record}


def compared(
    family: str, past: Sequence[Floats], future: Sequence[Floats], season: int, horizon: int
) -> dict[str, Any]:
    """Return the record of one family: fits and forecasts of the same series, one after the other, ours then theirs.

    Args:
        family: Name of the family, one of ``FAMILIES``.
        past: (T,) histories of all series.
        future: (H,) what came after each.
        season: Rows of a season, 1 for none.
        horizon: Steps that are forecast.
    """
    lengths = [len(y) for y in past]
    panel = Panel(
        ids=np.array([f"s{i}" for i in range(len(past))], dtype=object),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([np.arange(n) for n in lengths]),
        y=np.concatenate(past),
        freq=Frequency.parse(1),
    )
    task = Task(horizon=horizon, seasons=(season,), levels=(0.1, 0.5, 0.9))
    model, rival = create(family), _rival(family, season)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        # What is imported and compiled on first use is not the fit.
        create(family).fit(panel.select([0]), task, Context())
        rival(past[0], horizon)
        fit_seconds = _timed(lambda: model.fit(panel, task, Context()))
        ours = np.zeros((len(past), horizon))
        predict_seconds = _timed(lambda: ours.__iadd__(model.predict(panel, Future()).mean))
        theirs = np.zeros((len(past), horizon))
        their_seconds = _timed(lambda: theirs.__iadd__(np.stack([rival(y, horizon) for y in past])))
    scale = np.array([np.mean(np.abs(y[season:] - y[:-season])) for y in past])
    apart = np.abs(ours - theirs).max(axis=1) / np.array([np.abs(y).mean() for y in past])
    record = {
        "family": family,
        "series": len(past),
        "fit_ms": round(1e3 * fit_seconds / len(past), 2),
        "predict_ms": round(1e3 * predict_seconds / len(past), 2),
        "statsforecast_ms": round(1e3 * their_seconds / len(past), 2),
        "times_cheaper": round(their_seconds / fit_seconds, 1),
        "forecasts_within_1e-3": round(float(np.mean(apart <= 1e-3)), 3),
        "mase": round(_mase(ours, future, scale), 4),
        "statsforecast_mase": round(_mase(theirs, future, scale), 4),
    }
    if family == "auto_ets":
        record |= {"equal_or_better": _equal_or_better(past, season, apart), "asked": ">= 5 times cheaper, .95 equal"}
    return record


def _equal_or_better(past: Sequence[Floats], season: int, apart: Floats) -> float:
    """Return the share of series whose forecast is statsforecast's, or whose AICc is at most 1e-3 above its."""
    from statsforecast.ets import ets_f

    from autots.models.statistical.ets_search import best_form

    def good(y: Floats) -> bool:
        return best_form(y, season, "ZZZ", None).aicc <= float(ets_f(y, season)["aicc"]) + 1e-3

    with threadpool_limits(1):
        return round(float(np.mean([near <= 1e-3 or good(y) for y, near in zip(past, apart, strict=True)])), 3)


def _rival(family: str, season: int) -> Callable[[Floats, int], Floats]:
    """Return statsforecast's own fit and forecast of one series."""
    from statsforecast import models

    def forecast(y: Floats, horizon: int) -> Floats:
        made = {
            "auto_ets": lambda: models.AutoETS(season_length=season),
            "auto_theta": lambda: models.Theta(season_length=season),
            "auto_ces": lambda: models.AutoCES(season_length=season),
            "mstl": lambda: models.MSTL(season_length=season),
            # The orders of our default.
            "auto_arima": lambda: models.AutoARIMA(
                season_length=season, max_p=3, max_q=3, max_P=1, max_Q=1, approximation=True
            ),
        }[family]()
        return np.asarray(made.forecast(y=y, h=horizon)["mean"])

    return forecast


def _timed(work: Callable[[], object]) -> float:
    # Processor time: both are measured one after the other, and a neighbour must not decide which is cheaper.
    started = time.process_time()
    work()
    return time.process_time() - started


def _mase(forecasts: Floats, future: Sequence[Floats], scale: Floats) -> float:
    errors = [np.abs(f[: len(y)] - y).mean() for f, y in zip(forecasts, future, strict=True)]
    return float(np.nanmean(np.array(errors) / scale))


def _histories(file: Path) -> dict[str, Floats]:
    table = pd.read_parquet(file, columns=["unique_id", "ds", "y"]).dropna(subset="y").sort_values(["unique_id", "ds"])
    return {str(id_): rows["y"].to_numpy(dtype=np.float64) for id_, rows in table.groupby("unique_id")}
