"""What learning after the fit is worth: the last horizons of public sets, forecast with and without it.

Each set is fitted on all but its last horizons, which are then rolled over twice: with the weights, level and intervals
of the fit, and with those that follow what came before each horizon. The layout of the sets is that of ``accuracy``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from zoo.errors import DataError

__all__ = ["SETS", "RollingCase", "run"]


@dataclass(frozen=True)
class RollingCase:
    """A set and the horizons that are forecast.

    Args:
        folder: Name of the set's folder.
        horizon: Steps of each forecast.
        windows: How many horizons are rolled over.
        before: So many times ``windows`` horizons are left out at the end.
        metric: What the fit minimises, and what is compared.
        series: The end of the ids that are kept, all by default.
    """

    folder: str
    horizon: int
    windows: int
    before: int = 0
    metric: str = "mase"
    series: str = ""


SETS: Mapping[str, RollingCase] = {
    **{f"taxi tenth {10 - k}": RollingCase("nab", 1, 1032, k, "mse", "nyc_taxi") for k in range(4)},
    "bikes 24 h": RollingCase("bike_sharing", 24, 30),
    "bikes 1 h": RollingCase("bike_sharing", 1, 500, 1),
    "prices 24 h": RollingCase("epf_short", 24, 14),
    "ETTh1 24 h": RollingCase("ett_h1", 24, 30),
    "exchange 10 d": RollingCase("exchange_rate", 10, 30),
    "gefcom 24 h": RollingCase("gefcom2012_load", 24, 30),
    "gefcom before 24 h": RollingCase("gefcom2012_load", 24, 30, 1),
    "M4 hourly 6 h": RollingCase("m4_hourly", 6, 10),
    "M5 7 d": RollingCase("m5_sample", 7, 20),
    "Victoria 24 h": RollingCase("vic_electricity", 48, 30),
    "Victoria 30 min": RollingCase("vic_electricity", 1, 500, 1, "mse"),
}


def run(data: Path, names: Sequence[str], *, budget: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one record per set.

    Args:
        data: The folder of the sets.
        names: Keys of SETS, measured in this order.
        budget: Seconds of each fit.
        seed: The seed that every fit is given.

    Raises:
        DataError: A set's folder is missing.
    """
    from autots.api import AutoTS

    for name in names:
        one = SETS[name]
        train, test = _split(_read(data, one), one)
        pipeline = AutoTS(one.horizon, budget=budget, metric=one.metric, seed=seed).fit(train)
        fixed, followed = (pipeline.evaluate(test, learning=learning) for learning in (False, True))
        yield {
            "set": name,
            "horizons": one.windows,
            "metric": one.metric,
            "fixed": _shown(fixed, one.metric),
            "followed": _shown(followed, one.metric),
            "ratio": round(followed[one.metric] / fixed[one.metric], 3),
            "members": len(pipeline.members),
        }


def _shown(found: Mapping[str, Any], metric: str) -> dict[str, float]:
    shown = {"score": found[metric], "wql": found["wql"], "coverage": found["coverage"]["0.8"]}
    return {name: float(f"{value:.5g}") for name, value in shown.items()}


def _read(data: Path, one: RollingCase) -> pd.DataFrame:
    parts = [data / one.folder / f"{part}.parquet" for part in ("train", "test")]
    if not parts[0].exists():
        raise DataError(f"the benchmark needs the set's folder, but there is no {parts[0].parent}", "give --data")
    table = pd.concat([pd.read_parquet(part) for part in parts if part.exists()])[["unique_id", "ds", "y"]]
    kept = table[table["unique_id"].astype(str).str.endswith(one.series)]
    return kept.sort_values(["unique_id", "ds"], kind="stable")


def _split(table: pd.DataFrame, one: RollingCase) -> tuple[pd.DataFrame, pd.DataFrame]:
    groups = table.groupby("unique_id")
    left = groups["y"].transform("size") - groups.cumcount()
    size = one.horizon * one.windows
    return table[left > size * (one.before + 1)], table[(left <= size * (one.before + 1)) & (left > size * one.before)]
