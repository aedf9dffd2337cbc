"""The registry with many versions: milliseconds of what operators ask, and of publishing and promoting."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from zoo.commands import Outcome
from zoo.registry.ledger import ModelEvent, ModelLedger
from zoo.registry.registry import Registry

__all__ = ["bench_registry", "run"]

_PER_MODEL = 100  # versions of each model
_ASKED = 500  # questions of each kind


def bench_registry(
    versions: Annotated[int, typer.Option(min=100, help="Versions in the registry.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of what is asked.")] = 0,
) -> Outcome:
    """Print one JSON line per question."""
    records = []
    for record in run(versions, seed=seed):
        print(json.dumps(record), flush=True)
        records.append(record)
    return Outcome({"records": records})


def run(versions: int, *, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the median and the 99th percentile of each question, in milliseconds.

    Args:
        versions: How many there are, a hundred of each model, each of which served in its turn.
        seed: Source of chance of what is asked.
    """
    chance = np.random.default_rng(seed)
    models = versions // _PER_MODEL
    with tempfile.TemporaryDirectory(prefix="registry-") as made:
        folder = Path(made)
        (folder / "run").mkdir()
        (folder / "run" / "model.json").write_text("{}", encoding="utf-8")
        began = time.perf_counter()
        first, last = _filled(folder / "models", models)
        yield {"figure": "filled", "versions": versions, "seconds": round(time.perf_counter() - began, 1)}
        registry = Registry(folder / "models")
        try:
            name = iter([f"model-{i}" for i in chance.integers(models, size=10 * _ASKED)])
            moment = iter(chance.uniform(first, last, size=10 * _ASKED).tolist())
            yield _asked("what served at a moment", lambda: registry.at(next(name), next(moment)))
            yield _asked("what is live", lambda: registry.get(f"{next(name)}@live"))
            yield _asked("one version", lambda: registry.get(f"{next(name)}@{_PER_MODEL // 2}"))
            yield _asked("all versions of a model", lambda: registry.versions(next(name)))
            publish = _publishing(registry, folder / "run")
            yield _asked("publish", publish, times=50, asked=None)
        finally:
            registry.close()


def _publishing(registry: Registry, folder: Path) -> Callable[[], object]:
    return lambda: registry.publish("model-0", folder, owner="ana", team="demand")


def _filled(folder: Path, models: int) -> tuple[float, float]:
    """Write the versions of all models into a new registry, one transaction a model; return the first and last time."""
    folder.mkdir()
    clock = iter(range(1_000_000_000, 2_000_000_000))
    ledger = ModelLedger(folder / "registry.db", lambda: float(next(clock)))
    body = {
        "owner": "ana",
        "team": "demand",
        "digest": "0" * 64,
        "files": {},
        "parents": [],
        "metrics": {},
        "notes": {},
    }
    times = []
    for i in range(models):
        name = f"model-{i}"
        with ledger.writing() as db:
            for version in range(1, _PER_MODEL + 1):
                ledger.append(db, ModelEvent("publish", name, version, "ana", body=body))
                stage = {"from": "staged", "to": "live", "test": "backtest"}
                times.append(ledger.append(db, ModelEvent("stage", name, version, "ben", version, stage)))
                if version < _PER_MODEL:
                    retired = {"from": "live", "to": "retired"}
                    ledger.append(db, ModelEvent("stage", name, version, "ben", body=retired))
    ledger.close()
    return times[0], times[-1]


def _asked(
    what: str, question: Callable[[], object], *, times: int = _ASKED, asked: float | None = 10.0
) -> dict[str, Any]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        question()
        taken.append(1e3 * (time.perf_counter() - began))
    record = {
        "figure": what,
        "median_ms": round(float(np.median(taken)), 2),
        "p99_ms": round(float(np.quantile(taken, 0.99)), 2),
    }
    return record if asked is None else {**record, "asked_p99_ms": asked}
