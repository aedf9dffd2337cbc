"""Same numbers before and after: digests of what the program computes, part by part.

    python tests/golden/bits.py --write before.json     # on the tree that is taken as right
    python tests/golden/bits.py --against before.json   # on the changed one, on the same machine

Bits of floating point depend on processor and libraries, so that no digests are kept in the tree; both runs belong on
one machine. ``tests/golden/test_saved.py`` holds, everywhere, that files of former versions open and say the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def digest(*parts: Any) -> str:
    """Return a digest of arrays, tables and plain values, to the last bit."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, pd.DataFrame):
            found.update(repr([(str(c), str(part[c].dtype)) for c in part.columns]).encode())
            for name in part.columns:
                found.update(digest(part[name].to_numpy()).encode())
        elif isinstance(part, np.ndarray) and part.dtype != object:
            whole = np.ascontiguousarray(part)
            # All NaN are one: their payload is nobody's promise.
            if whole.dtype.kind == "f":
                whole = np.where(np.isnan(whole), np.nan, whole)
            found.update(f"{whole.dtype}{whole.shape}".encode() + whole.tobytes())
        elif isinstance(part, np.ndarray):
            found.update(repr(part.tolist()).encode())
        else:
            found.update(json.dumps(part, sort_keys=True, default=str).encode())
    return found.hexdigest()[:16]


def tables() -> dict[str, tuple[pd.DataFrame, dict[str, Any]]]:
    """Return the tables that are read and forecast, with how they are read."""
    from autots.datasets import load
    from serve.testing.pipelines import hourly

    odd = hourly(4, 150, seed=3).drop(index=[5, 6, 7, 200, 201]).sample(frac=1, random_state=0)
    demos = ("co2", "elnino", "macro", "sunspots", "shop")
    found = {name: (load(name), {"known": ["price", "promo"]} if name == "shop" else {}) for name in demos}
    wide = hourly(3, 120).pivot(index="ds", columns="unique_id", values="y").reset_index()
    text = hourly(2, 90).assign(
        ds=lambda t: t["ds"].dt.strftime("%d.%m.%Y %H:%M"), y=lambda t: t["y"].map("{:.2f}".format)
    )
    local = hourly(2, 24 * 120).assign(ds=lambda t: t["ds"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"))
    more = {"odd": odd, "wide": wide, "text": text, "local": local}
    return found | {name: (table, {}) for name, table in more.items()}


def reading() -> Iterator[tuple[str, str]]:
    """Panels of tables."""
    from autots.reading import read_panel

    for name, (table, options) in tables().items():
        got = read_panel(table, horizon=6, **options)
        p = got.panel
        yield f"panel of {name}", digest(p.ids, p.indptr, p.times, p.y, *(p.known[k] for k in sorted(p.known)))
        yield f"report of {name}", digest([list(x) for x in got.report.reading], [str(f) for f in got.report.findings])


def forecasts() -> Iterator[tuple[str, str]]:
    """Every family of the catalog on four panels, alone and saved and loaded."""
    from autots.models.base import Task
    from autots.models.catalog import families, fit_here
    from autots.models.wall_clock import predict_local
    from autots.panel import Future
    from autots.reading import read_panel

    for name in ("co2", "elnino", "shop", "odd"):
        table, options = tables()[name]
        panel = read_panel(table, horizon=6, **options).panel.tail(260)
        season = next((m for m in panel.freq.seasons if 2 * m <= 130), 1)
        history, future, _ = panel.cutoff(6, 6)
        assert isinstance(future, Future)
        for family in families():
            if family == "sarimax" and name == "co2":
                continue  # a minute
            try:
                model = fit_here(family, {}, history, Task(6, (season,)), 3)
                made = predict_local(model, history, future, 6)
                said = digest(made.mean, made.quantiles)
            except Exception as error:  # what is refused must stay refused
                said = digest(type(error).__name__)
            yield f"{family} on {name}", said


def spaces() -> Iterator[tuple[str, str]]:
    """What the search may try."""
    import inspect

    from autots.models.catalog import families, family

    for name in families():
        given = inspect.signature(family(name)).parameters
        yield f"parameters of {name}", digest({k: str(v.default) for k, v in given.items()})


def features() -> Iterator[tuple[str, str]]:
    """Every step of the catalog on pandas."""
    from zoo.features import Pipeline
    from zoo.testing.feature_cases import CASES
    from zoo.testing.features import raw_table

    table = raw_table(5)
    for name, steps in CASES.items():
        pipeline = Pipeline(list(steps), id="meter", time="ts", target="kwh")
        made = pipeline.fit_transform(table)
        yield f"features: {name}", digest(made, pipeline.hash)


def suggestions() -> Iterator[tuple[str, str]]:
    """What each sampler tries, and what each stopper decides, in virtual time."""
    from zoo.clock import ManualClock
    from zoo.search import Study, run
    from zoo.search.stoppers.choice import STOPPERS
    from zoo.testing.samplers import rich_space

    def train(trial: Any) -> float:
        p, loss = trial.params, 0.0
        for step in range(trial.step + 1, 10):
            loss = (np.log10(p["lr"]) + 2.5) ** 2 + 0.1 * p["layers"] + 0.3 * (p["opt"] != "sgd") + 1.0 / step
            if trial.report(step, loss, seconds=1.0 + p["layers"]) == "pause":
                return loss
        return loss

    for sampler in ("random", "tpe", "gp", "freeze_thaw", "population"):
        for stopper in (None, *STOPPERS):
            if (sampler == "population") != (stopper == "population") or (sampler == "gp" and stopper):
                continue
            with Study.open(
                None, rich_space(), seed=11, sampler=sampler, stopper=stopper, budget=24, clock=ManualClock()
            ) as study:
                run(study, train, "virtual", workers=3)
                rows = [(t.number, t.state, dict(t.params), t.value, dict(t.reports)) for t in study.trials]
            yield f"{sampler} with {stopper}", digest(json.loads(json.dumps(rows, default=str)))


def answers() -> Iterator[tuple[str, str]]:
    """What an endpoint answers, in each shape of the wire."""
    from serve.testing.caller import sent, served
    from serve.testing.pipelines import fitted, hourly

    table = hourly(3, 150)
    with tempfile.TemporaryDirectory() as folder:
        pipelines = {f: fitted(table, families=[f]) for f in ("linear_direct", "auto_theta", "seasonal_naive")}
        call = served(Path(folder), pipelines)
        series = [sent(table, f"H{i}") for i in range(3)]
        for name in pipelines:
            got = call.forecast(model=name, series=series)
            yield f"/v1/forecast of {name}", digest(got["forecasts"])
            by_id = call.forecast(model=name, series=series[1:2], horizon=5, quantiles=[0.1, 0.9])
            yield f"/v1/forecast of {name}, one", digest(by_id["forecasts"])
        frame = {
            "dataframe_split": {"columns": ["unique_id", "ds", "y"], "data": table.astype({"ds": str}).values.tolist()}
        }
        got = call("POST", "/invocations", content=json.dumps(frame), headers={"content-type": "application/json"})
        yield "/invocations", digest(got.status_code, got.json() if got.status_code == 200 else got.json().get("error"))
        inputs = [{"name": "y", "shape": [1, 150], "datatype": "FP64", "data": series[0]["y"]}]
        got = call("POST", "/v2/models/linear_direct/infer", content=json.dumps({"inputs": inputs}))
        said = got.json()
        yield "/v2/infer", digest(got.status_code, said.get("outputs", said.get("error")))
        for path in ("/v1/models", "/v2/models/linear_direct", "/openapi.json"):
            got = call("GET", path)
            yield path, digest(got.status_code, sorted(got.json()) if got.status_code == 200 else None)


PARTS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "reading": reading,
    "forecasts": forecasts,
    "spaces": spaces,
    "features": features,
    "suggestions": suggestions,
    "answers": answers,
}


def main() -> int:
    """Write digests, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="where digests go")
    parser.add_argument("--against", type=Path, help="digests to compare with")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {', '.join(PARTS)}")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    found: dict[str, str] = {}
    for part in given.only.split(","):
        found |= dict(PARTS[part]())
        print(f"{part}: {len(found)} digests so far", flush=True)
    if given.write:
        given.write.write_text(json.dumps(found, indent=1))
    if not given.against:
        return 0
    before = json.loads(given.against.read_text())
    differ = [name for name in found if before.get(name) != found[name]]
    for name in differ:
        print(f"differs: {name}" if name in before else f"new: {name}")
    print(f"{len(found) - len(differ)} of {len(found)} equal")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
