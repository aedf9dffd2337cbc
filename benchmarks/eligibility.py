"""Figure of the eligibility checks: planted leaks found, no alarm on clean public tables, at little cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autots.eligibility import Eligibility, examine
from autots.reading.read import read_panel

__all__ = ["SETS", "UNSEEN", "cost", "planted", "run"]

#: Sets -> what their notes declare known in the future; the other columns are past.
SETS: Mapping[str, tuple[str, ...]] = {
    "gefcom2012_load": ("temperature_mean",),
    "bike_sharing": ("holiday", "workingday"),
    "vic_electricity": ("Holiday",),
    "epf_short": ("Exogenous1", "Exogenous2", *(f"day_{i}" for i in range(7))),
}
#: Sets that no threshold was adjusted on.
UNSEEN: Mapping[str, tuple[str, ...]] = {
    "car_parts": (),
    "hospital": (),
    "m4_hourly": (),
    "m4_weekly": (),
    "m4_monthly": (),
    "m4_yearly": (),
    "exchange_rate": (),
    "ett_h1": (),
    "m5_sample": (
        "sell_price",
        "event_type_Cultural",
        "event_type_National",
        "event_type_Religious",
        "event_type_Sporting",
    ),
    "australia_tourism_regions": (),
    "taxi": (),
}


@dataclass(frozen=True)
class _Leak:
    """A column that nobody may use.

    Args:
        values: Of each row.
        known: Whether it is declared known.
        kinds: What the check may call it.
        before: Its values in an earlier version of the table.
    """

    values: Any
    known: bool
    kinds: tuple[str, ...]
    before: Any = None


def run(data: Path) -> Iterator[dict[str, Any]]:
    """Yield one record per set, then what the checks cost on a large table.

    Args:
        data: Folder with a folder per set: ``meta.json`` and ``train.parquet``.
    """
    for name, known in {**SETS, **UNSEEN}.items():
        table, horizon = _read(data, name)
        covariates = [c for c in table.columns if c not in ("unique_id", "ds", "y")]
        # Once as declared, once with everything declared known, as people do with weather.
        alarms = [v for given in (known, tuple(covariates)) for v in _alarms(_examined(table, horizon, given))]
        missed: list[str] = []
        found: list[str] = []
        for leak, planted_leak in planted(table, horizon).items():
            verdict = _planted(table, leak, planted_leak, horizon, known)
            (found if verdict[0] else missed).append(f"{leak}: {verdict[1]}")
        target = _examined(table, horizon, known).target
        yield {
            "figure": "eligibility",
            "set": name,
            "adjusted_on_it": name in SETS,
            "planted": len(found) + len(missed),
            "found": len(found),
            "missed": missed,
            "found_as": found,
            "false_alarms": alarms,
            "asked": "all found, no false alarm",
            "held": not missed and not alarms,
            "better_than_seasonal_naive": f"{target.verdict}: {target.reason}",
        }
    yield cost()


def _read(data: Path, name: str) -> tuple[pd.DataFrame, int]:
    """Return a set's training rows, sorted, without what its authors added for scoring; and its horizon."""
    if name == "taxi":
        table = pd.read_parquet(data / "nab" / "train.parquet")
        table = table[table["unique_id"].str.contains("nyc_taxi")][["unique_id", "ds", "y"]]
        return table.reset_index(drop=True), 48
    meta = json.loads((data / name / "meta.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(data / name / "train.parquet").drop(columns="split", errors="ignore")
    return table, int(meta["horizon"])


def planted(table: pd.DataFrame, horizon: int, *, seed: int = 0) -> dict[str, _Leak]:
    """Return columns that leak, by name, for a table sorted by series and time.

    >>> rows = pd.DataFrame({"unique_id": "a", "y": np.arange(50.0)})
    >>> planted(rows, 3)["lead_horizon"].values[:2]
    array([3., 4.])
    """
    rng = np.random.default_rng(seed)
    groups = table.groupby("unique_id", sort=False)["y"]
    n, y = len(table), table["y"]
    middle, spread = groups.transform("mean"), groups.transform("std")
    lead = groups.shift(-1)
    gone = rng.random(n) < 0.05
    other = pd.Series(rng.normal(size=n), index=table.index)
    return {
        "lead_1": _Leak(lead.to_numpy(), False, ("lead",)),
        "lead_horizon": _Leak(groups.shift(-horizon).to_numpy(), False, ("lead",)),
        "lead_scaled_known": _Leak((3 * lead - 7).to_numpy(), True, ("lead", "not_known")),
        "copy_known": _Leak(y.to_numpy(), True, ("copy", "not_known")),
        "lag_1_known": _Leak(groups.shift(1).to_numpy(), True, ("short_lag", "not_known")),
        "oracle_known": _Leak(
            np.asarray(np.cbrt((y - middle) / spread)) + rng.normal(0, 0.01, n),
            True,
            ("too_good_alone", "copy", "not_known"),
        ),
        "oracle_ahead": _Leak(
            (lead + 0.02 * spread * rng.normal(size=n)).to_numpy(), False, ("too_good_alone", "lead")
        ),
        "filled_afterwards": _Leak(other.to_numpy(), True, ("revised",), other.mask(gone).to_numpy()),
        "row_number": _Leak(np.arange(n), False, ("identifier",)),
        "hash": _Leak([f"{v:016x}" for v in rng.integers(0, 2**62, n)], False, ("identifier",)),
        "constant": _Leak(np.full(n, 3.5), False, ("constant",)),
        "mostly_missing": _Leak(
            np.where(rng.random(n) < 0.95, np.nan, 1.0 * rng.random(n)), False, ("mostly_missing",)
        ),
    }


def cost(series: int = 10_000, rows: int = 1_000, covariates: int = 3) -> dict[str, Any]:
    """Return the seconds that the checks take on a large table, the best of three, beside reading it."""
    rng = np.random.default_rng(0)
    n = series * rows
    times = pd.date_range("2020-01-01", periods=rows, freq="h").to_numpy()
    table = pd.DataFrame(
        {
            "unique_id": np.repeat(np.array([f"s{i:05d}" for i in range(series)], dtype=object), rows),
            "ds": np.tile(times, series),
            "y": rng.normal(size=n).astype(np.float32),
            **{f"x{i}": rng.normal(size=n).astype(np.float32) for i in range(covariates)},
        }
    )
    began = time.perf_counter()
    ingested = read_panel(table)
    reading = time.perf_counter() - began
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        examine(table, ingested, horizon=24)
        seconds.append(time.perf_counter() - began)
    return {
        "figure": "eligibility_cost",
        "series": series,
        "rows": rows,
        "covariates": covariates,
        "seconds": round(min(seconds), 3),
        "all": [round(s, 3) for s in seconds],
        "reading_the_table": round(reading, 2),
        "asked": "seconds < 1",
        "held": min(seconds) < 1,
    }


def _examined(table: pd.DataFrame, horizon: int, known: tuple[str, ...], before: Any = None) -> Eligibility:
    read = read_panel(table, horizon=horizon, known=list(known), target_col="y", id_col="unique_id", time_col="ds")
    return examine(table, read, horizon=horizon, before=before)


def _alarms(found: Eligibility) -> list[str]:
    return [f"{v.column} ({v.role}): {v.status}, {v.reason}" for v in found.verdicts if v.status != "eligible"]


def _planted(table: pd.DataFrame, name: str, leak: _Leak, horizon: int, known: tuple[str, ...]) -> tuple[bool, str]:
    now = table.assign(**{name: leak.values})
    before = None if leak.before is None else table.assign(**{name: leak.before})
    found = _examined(now, horizon, (*known, name) if leak.known else known, before)
    verdict = next(v for v in found.verdicts if v.column == name)
    ok = verdict.status == "ineligible" and verdict.kind in leak.kinds
    return ok, f"{verdict.status} {verdict.kind} {dict(verdict.evidence) if not ok else ''}".strip()
