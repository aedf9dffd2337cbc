"""The panels that the portfolio is learned from: training tables of public sets, thinned to what can be paid for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from autots.models.base import Task
from autots.panel import Panel
from autots.panel.season import detect_seasons
from autots.reading.read import read_panel
from zoo.errors import DataError

__all__ = ["SETS", "PortfolioSet", "load"]

#: Series of a set that are looked at, and rows of all of them together.
MOST_SERIES, MOST_ROWS = 120, 100_000


@dataclass(frozen=True)
class PortfolioSet:
    """A set whose training table the portfolio is learned from.

    Args:
        season: What a user of these data knows, in rows; None to let it be found.
        known: Covariates known in the future.
        horizon: Steps that are forecast; 0 for what the set's own description says.
        series: The end of the ids that are kept, all by default.
        held_back: Rows at the end of the table that are its test window.
    """

    season: int | None = None
    known: tuple[str, ...] = ()
    horizon: int = 0
    series: str = ""
    held_back: int = 0


_PRICES = ("Exogenous1", "Exogenous2", *(f"day_{i}" for i in range(7)))
_EVENTS = tuple(f"event_type_{kind}" for kind in ("Cultural", "National", "Religious", "Sporting"))

#: Folder -> set, smallest first, so that a table that is not complete yet knows as many as possible.
SETS: Mapping[str, PortfolioSet] = {
    "m3_yearly": PortfolioSet(),
    "tourism_yearly": PortfolioSet(),
    "m1_quarterly": PortfolioSet(),
    "m4_yearly": PortfolioSet(1),
    "car_parts": PortfolioSet(),
    "m3_quarterly": PortfolioSet(),
    "epf_short": PortfolioSet(known=_PRICES),
    "m1_monthly": PortfolioSet(),
    "hospital": PortfolioSet(),
    "australia_tourism_regions": PortfolioSet(),
    "nab": PortfolioSet(horizon=1, series="nyc_taxi", held_back=1032),
    "m5_sample": PortfolioSet(known=("sell_price", *_EVENTS)),
    "m4_monthly": PortfolioSet(12),
    "bike_sharing": PortfolioSet(known=("holiday", "workingday")),
    "exchange_rate": PortfolioSet(),
    "ett_h1": PortfolioSet(),
    "vic_electricity": PortfolioSet(known=("Holiday",)),
    "m4_weekly": PortfolioSet(52),
    "m4_hourly": PortfolioSet(24),
    "gefcom2012_load": PortfolioSet(known=("temperature_mean",)),
}


def load(data: Path, name: str) -> tuple[Panel, Panel, Task]:
    """Return the panel of a set's training table, what of it is looked at, and its task; the test table is not opened.

    Args:
        data: The folder with one folder per set.
        name: The set's key in SETS.

    Raises:
        DataError: The set's folder is missing.
    """
    folder, one = data / name, SETS[name]
    if not (folder / "meta.json").exists():
        raise DataError(f"the benchmark needs the set's folder, but there is no {folder}", "give --data")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(folder / "train.parquet")
    table["unique_id"] = table["unique_id"].astype(str)
    if one.series:
        table = table[table["unique_id"].str.endswith(one.series)]
    if one.held_back:
        table = table.sort_values("ds", kind="stable").iloc[: -one.held_back]
    horizon = one.horizon or int(meta["horizon"])
    keep = ["unique_id", "ds", "y", *one.known]
    whole = read_panel(table[keep], known=one.known, horizon=horizon).panel
    panel = _thinned(whole)
    return whole, panel, Task(horizon, (one.season,) if one.season else detect_seasons(panel))


def _thinned(panel: Panel) -> Panel:
    """Return evenly spaced series, and the newest rows of each."""
    if panel.n_series > MOST_SERIES:
        panel = panel.select(np.linspace(0, panel.n_series - 1, MOST_SERIES).astype(np.intp))
    return panel.tail(max(MOST_ROWS // panel.n_series, 1))
