"""Accuracy on public sets beside what others reached: one record per set.

The data are not part of the project: a folder per set with ``meta.json``, ``train.parquet`` and ``test.parquet`` in the
layout ``unique_id, ds, y``. Nothing here is seen by a fit but the training table; scores are computed from the forecast
table as a user gets it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autots.metrics import METRICS, coverage, season_scale
from autots.panel import Frequency, Panel
from autots.pipeline import Pipeline
from autots.report.terminal import SilentProgress
from benchmarks.machine import half_busy, million_additions_per_second
from zoo.errors import DataError

__all__ = ["SETS", "Case", "measure", "read_set", "run"]


@dataclass(frozen=True)
class Case:
    """One set and budget.

    Args:
        folder: Name of the set's folder.
        budgets: Seconds that each of its fits may take.
        season: What a user of these data knows; None to let it be found.
        known: Covariates known in the future.
        metric: What the fit minimises.
        must: Score -> bound, for each budget the same or by budget.
        peers: What others reached, as published or measured beside.
    """

    folder: str
    budgets: tuple[int, ...] = (60,)
    season: int | None = None
    known: tuple[str, ...] = ()
    metric: str = "mase"
    must: Mapping[str, float | Mapping[int, float]] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)


def _monash(folder: str, mase: tuple[float, float, float]) -> Case:
    """Return the case of a set of the zero-shot benchmark of Chronos.

    Args:
        folder: Name of the set's folder.
        mase: What AutoTheta, AutoETS and seasonal naive reach there; the bound is a percent above the best of them.
    """
    named = zip(("AutoTheta", "AutoETS", "seasonal naive"), mase, strict=True)
    return Case(folder, must={"mase": round(1.01 * min(mase), 4)}, peers={name: f"MASE {v:.3f}" for name, v in named})


SETS: Mapping[str, Case] = {
    "m4_hourly": Case(
        "m4_hourly",
        (60, 300),
        24,
        metric="owa",
        must={"owa": {60: 0.44, 300: 0.41}},
        peers={"best published (Doornik)": "OWA .410", "AutoGluon 1.6.3, 264 s": "OWA .496, WQL .0379, coverage .954"},
    ),
    "m4_weekly": Case(
        "m4_weekly",
        (60, 300),
        52,
        metric="owa",
        must={"owa": {60: 0.80, 300: 0.76}},
        peers={"best published": "OWA .739", "AutoGluon 1.6.3, 246 s": "OWA .760, WQL .0408, coverage .902"},
    ),
    "m4_monthly": Case(
        "m4_monthly",
        (60,),
        12,
        metric="owa",
        must={"owa": 0.84},
        peers={"AutoGluon 1.6.3, 229 s": "OWA .815, WQL .0766, coverage .885"},
    ),
    "m4_yearly": Case(
        "m4_yearly", (60,), 1, metric="owa", must={"owa": 0.88}, peers={"best published, all": "OWA .778"}
    ),
    "nyc_taxi": Case(
        "nab",
        (60,),
        None,
        metric="mse",
        must={"mse": 0.50e6},
        peers={"linear, weekly lags": "MSE .582e6", "the ancestor's AutoTS": "MSE 1.25e6", "naive": "MSE 2.76e6"},
    ),
    "hospital": Case(
        "hospital",
        (60,),
        None,
        must={"mase": 0.750, "wql": 0.0530},
        peers={"AutoGluon 1.6.3, 195 s": "MASE .743, WQL .0518, coverage .865", "Theta": "MASE .756"},
    ),
    "car_parts": Case(
        "car_parts",
        (60,),
        None,
        must={"mase": 0.82, "wql": 1.00},
        peers={"AutoGluon 1.6.3, 199 s": "MASE .797, WQL .976, coverage .789", "ETS (Monash)": "MASE .925"},
    ),
    "epf_short": Case(
        "epf_short",
        (60,),
        None,
        ("Exogenous1", "Exogenous2", *(f"day_{i}" for i in range(7))),
        must={"mase": 0.4234},
        peers={"seasonal naive": "MASE .5646"},
    ),
    "bike_sharing": Case(
        "bike_sharing",
        (60,),
        None,
        ("holiday", "workingday"),
        must={"mase": 1.0651},
        peers={"seasonal naive (168)": "MASE 1.4202"},
    ),
    "m1_monthly": _monash("m1_monthly", (1.0917, 1.0890, 1.3145)),
    "m1_quarterly": _monash("m1_quarterly", (1.6671, 1.6609, 2.0775)),
    "m3_quarterly": _monash("m3_quarterly", (1.1186, 1.1436, 1.4253)),
    "m3_yearly": _monash("m3_yearly", (2.6099, 2.6953, 3.1717)),
    "tourism_yearly": _monash("tourism_yearly", (2.9916, 3.1832, 3.5520)),
    "tourism_regions": Case("australia_tourism_regions"),
    "m5_sample": Case("m5_sample"),
    "exchange_rate": Case("exchange_rate"),
    "ett_h1": Case("ett_h1"),
    "gefcom_load": Case("gefcom2012_load"),
    "vic_electricity": Case("vic_electricity"),
}


def run(
    data: Path,
    names: Sequence[str],
    *,
    budget: int | None,
    seed: int,
    bare: bool,
    windows: int = 0,
    seeds: int = 1,
    slow: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yield one record per set and budget, or one per set and window and one for each set's windows together.

    Args:
        data: The folder of the sets.
        names: Keys of SETS, measured in this order.
        budget: Seconds instead of each set's own.
        seed: The seed that every fit is given.
        bare: Whether sets with covariates are measured without them, too.
        windows: How many windows before each test window are forecast instead, each by a fit of what was known then.
        seeds: How many fits of each set are made, with seeds from ``seed`` on; several add a record of their mean.
        slow: Whether every core is kept busy by a process beside it, so that the machine is half as fast.
    """
    speed = million_additions_per_second()
    print(f"this machine: {speed:.1f} million additions a second", file=sys.stderr)
    everything = []
    for name in names:
        case = SETS[name]
        for seconds in (budget,) if budget is not None else case.budgets:
            if windows:
                made = []
                for window in range(min(windows, _reach(data, name)), 0, -1):
                    made.append(measure(data, name, seconds, seed=seed, window=window))
                    yield made[-1]
                yield {"set": name, "budget": seconds, "windows": len(made), **_together(made)}
                continue
            with_known = (True, False) if case.known and bare else (True,)
            for known in with_known:
                of_seeds = []
                for one in range(seed, seed + seeds):
                    of_seeds.append(measure(data, name, seconds, seed=one, with_known=known, slow=slow))
                    yield of_seeds[-1]
                if seeds > 1:
                    yield {"set": of_seeds[0]["set"], "budget": seconds, "seeds": seeds, **_spread(of_seeds)}
                everything += of_seeds
    if len(everything) > 1:
        yield _summary(everything, speed)


_SCORES = ("smape", "mase", "owa", "mse", "wql", "coverage", "relative", "useful", "wall")


def _spread(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each score over the seeds of one set, and how far apart the least and the largest are."""
    values = {key: [float(r[key]) for r in records] for key in _SCORES if key in records[0]}
    means: dict[str, Any] = {key: round(float(np.mean(v)), 4) for key, v in values.items()}
    return {**means, "spread": {key: round(max(v) - min(v), 4) for key, v in values.items()}}


def _summary(records: Sequence[Mapping[str, Any]], speed: float) -> dict[str, Any]:
    """Return what all records say together."""
    relative = float(np.exp(np.mean(np.log([r["relative"] for r in records]))))
    return {
        "set": "all",
        "fits": len(records),
        "relative": round(relative, 4),
        "useful": round(float(np.median([r["useful"] for r in records])), 3),
        "coverage": round(float(np.mean([r["coverage"] for r in records])), 3),
        "million_additions_per_second": round(speed, 1),
    }


def _reach(data: Path, name: str) -> int:
    """Return how many windows before the test window the longest series has, with a horizon of history."""
    train, test, meta = read_set(data, name)
    return max(0, (int(train.groupby("unique_id").size().max()) - 1) // _window(name, test, meta) - 1)


def _window(name: str, test: pd.DataFrame, meta: Mapping[str, Any]) -> int:
    """Return the rows of a test window of one series."""
    return len(test) if name == "nyc_taxi" else int(meta["horizon"])


def _together(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean of each score over the windows of one set."""
    return {
        k: round(float(np.mean([r[k] for r in records])), 4)
        for k in ("smape", "mase", "mse", "wql", "coverage", "wall")
    }


def measure(
    data: Path,
    name: str,
    budget: int,
    *,
    seed: int = 0,
    with_known: bool = True,
    window: int = 0,
    slow: bool = False,
) -> dict[str, Any]:
    """Fit one set and score its forecasts.

    Args:
        data: The folder of the sets.
        name: The set's key in SETS.
        budget: Seconds that the fit may take.
        seed: The seed that the fit is given.
        with_known: Whether the set's covariates are used.
        window: 0 for the test window; k for the k-th before it, with nothing known of what came after its begin.
        slow: Whether every core is kept busy by a process beside it.

    Raises:
        DataError: The set's folder is missing.
    """
    from autots.api import AutoTS

    case, (train, test, meta) = SETS[name], read_set(data, name)
    known = case.known if with_known else ()
    keep = ["unique_id", "ds", "y", *known]
    horizon = 1 if name == "nyc_taxi" else int(meta["horizon"])
    if window:
        train, test = _earlier(train, _window(name, test, meta), window)
        meta = {k: v for k, v in meta.items() if k != "published"}
    started = time.perf_counter()
    with half_busy() if slow else nullcontext(), tempfile.TemporaryDirectory(prefix="bench-") as folder:
        options: dict[str, Any] = {"metric": case.metric, "season": case.season, "known": known, "seed": seed}
        watched = _FirstSkill()
        auto = AutoTS(horizon, budget=budget, out=Path(folder) / "run", progress=watched, **options)
        pipeline = auto.fit(train[keep], title=name)
        wall = time.perf_counter() - started
        if name == "nyc_taxi":
            scores = _rolled(pipeline, test[keep])
        else:
            forecast = pipeline.predict(test[["unique_id", "ds", *known]] if known else None)
            scores = _scores(train, test, forecast, horizon, int(meta.get("mase_seasonality") or 1), meta)
    record = {
        "set": name if with_known else f"{name} without covariates",
        "seed": seed,
        **({"slow": True} if slow else {}),
        **({"window": -window} if window else {}),
        "budget": budget,
        "wall": round(wall, 1),
        **{k: round(v, 4) for k, v in scores.items()},
        "useful": 0.0 if pipeline.facts is None else pipeline.facts.settings.get("useful_share", 0.0),
        "first": None if watched.seconds is None else round(watched.seconds, 1),
        "members": len(pipeline.members),
        "messages": [] if pipeline.facts is None else list(pipeline.facts.messages),
        "trials": len(pipeline.leaderboard()) - 1,
    }
    return record | (_asked(case, budget, scores, wall) if with_known and not window else {})


def _rolled(pipeline: Pipeline, test: pd.DataFrame) -> dict[str, float]:
    """Return the scores of one step after another through a test table."""
    found = pipeline.evaluate(test)
    scores = {k: float(found[k]) for k in ("smape", "mase", "mse", "wql")}
    # Seasonal naive of one step is what the scale of MASE is made of.
    return scores | {"coverage": float(found["coverage"]["0.8"]), "relative": scores["mase"]}


def _asked(case: Case, budget: int, scores: Mapping[str, float], wall: float) -> dict[str, Any]:
    """Return what was asked of a set, whether it holds, and what others reached."""
    must = {k: (v if isinstance(v, int | float) else v.get(budget)) for k, v in case.must.items()}
    asked = {k: v for k, v in must.items() if v is not None}
    held = all(scores[k] <= v for k, v in asked.items())
    holds = bool(held and 0.76 <= scores["coverage"] <= 0.84 and wall <= budget + 5)
    return {
        "must": {**asked, "coverage": [0.76, 0.84], "wall": budget + 5},
        "holds": holds,
        "peers": dict(case.peers),
    }


class _FirstSkill(SilentProgress):
    """Notes when a number that beats seasonal naive was first on screen.

    Attributes:
        seconds: After the beginning of the fit; None where there was none.
    """

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self.seconds: float | None = None

    def trial(self, done: int, running: int, best: float | None, skill: float | None, model: str) -> None:
        """Note the time."""
        if self.seconds is None and skill is not None and skill > 0:
            self.seconds = time.perf_counter() - self._begin


def read_set(data: Path, name: str) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return the training table, the test table and the notes of a set; see ``measure`` for the arguments."""
    folder = data / SETS[name].folder
    if not (folder / "meta.json").exists():
        raise DataError(f"the benchmark needs the set's folder, but there is no {folder}", "give --data")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    train = pd.read_parquet(folder / "train.parquet")
    if name == "nyc_taxi":
        series = train[train["unique_id"].str.endswith("nyc_taxi")].sort_values("ds", kind="stable")
        # The last tenth, as the ancestor's examples split it.
        return series.iloc[:-1032], series.iloc[-1032:], meta
    return train, pd.read_parquet(folder / "test.parquet"), meta


def _earlier(train: pd.DataFrame, size: int, window: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what came before the k-th window of ``size`` rows from the end, and that window."""
    train = train.sort_values(["unique_id", "ds"], kind="stable")
    left = train.groupby("unique_id")["y"].transform("size") - train.groupby("unique_id").cumcount()
    long = train.groupby("unique_id")["y"].transform("size") > size * (window + 1)
    inside = long & (left > size * (window - 1)) & (left <= size * window)
    return train[long & (left > size * window)], train[inside]


def _scores(
    train: pd.DataFrame, test: pd.DataFrame, forecast: pd.DataFrame, horizon: int, season: int, meta: Mapping[str, Any]
) -> dict[str, float]:
    """Score a forecast table by position: the i-th forecast row of a series against its i-th test row."""
    train = train.assign(unique_id=train["unique_id"].astype(str)).sort_values(["unique_id", "ds"], kind="stable")
    test = test.assign(unique_id=test["unique_id"].astype(str)).sort_values(["unique_id", "ds"], kind="stable")
    test = test.assign(step=test.groupby("unique_id").cumcount())
    forecast = forecast.assign(unique_id=forecast["unique_id"].astype(str))
    forecast = forecast.assign(step=forecast.groupby("unique_id").cumcount())
    merged = test[test["step"] < horizon].merge(
        forecast.drop(columns="ds"), on=["unique_id", "step"], how="left", suffixes=("", "_forecast")
    )
    levels = tuple(sorted(float(c) for c in forecast.columns if str(c).replace(".", "", 1).isdigit()))
    shape = (merged["unique_id"].nunique(), -1)
    actual = merged["y"].to_numpy(dtype=float).reshape(shape)
    point = merged["mean"].to_numpy(dtype=float).reshape(shape)
    quantiles = merged[[f"{q:g}" for q in levels]].to_numpy(dtype=float).reshape(*actual.shape, len(levels))
    counts = train.groupby("unique_id", sort=True).size()
    indptr = np.concatenate([[0], np.cumsum(counts.to_numpy())]).astype(np.int64)
    ids = np.asarray(counts.index, dtype=object)
    panel = Panel(ids, indptr, np.arange(len(train)), train["y"].to_numpy(dtype=float), Frequency("", 1))
    scale = season_scale(panel, season)
    out = {
        n: METRICS[n].report(METRICS[n].sums(actual, point, quantiles, levels, scale))
        for n in ("smape", "mase", "mse", "wql")
    }
    rows = panel.indptr[1:, None] - max(season, 1) + np.arange(horizon) % max(season, 1)
    naive = panel.y[np.maximum(rows, panel.indptr[:-1, None])][:, : actual.shape[1]]
    trivial = METRICS["mase"].report(
        METRICS["mase"].sums(actual, naive, np.repeat(naive[..., None], len(levels), axis=-1), levels, scale)
    )
    out["relative"] = out["mase"] / trivial
    out["coverage"] = coverage(actual, quantiles, levels)["0.8"]
    published = (meta.get("published") or {}).get("on_these_series (recomputed from the official forecast files)", {})
    if "Naive2" in published:
        naive = published["Naive2"]
        out["owa"] = (out["smape"] / naive["sMAPE"] + out["mase"] / naive["MASE"]) / 2
    return out
