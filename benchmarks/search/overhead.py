"""What a trial costs besides its training: this project's pool and Ray Tune, side by side on one cluster."""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from zoo.cluster import Session, connect
from zoo.search.run import RunOptions, run
from zoo.search.space import Categorical, Float, Int, Space
from zoo.search.study import Study
from zoo.search.trial import Trial

__all__ = ["overhead"]

# Trials at the beginning that are not counted: workers start, code is imported.
_WARM = 20
_SPACE = Space(
    rate=Float(1e-5, 1e-1, log=True),
    momentum=Float(0.0, 1.0),
    layers=Int(1, 8),
    kind=Categorical("adam", "sgd", "rmsprop"),
)


def overhead(workers: int = 2, trials: int = 300, *, tune_trials: int = 100, sampler: str = "tpe") -> dict[str, Any]:
    """Measure milliseconds per trial of a training that returns at once.

    Both draw with TPE; ours writes a journal on disk, Ray Tune its own storage, with reused actors. Counted from the
    start of the 20th training to the start of the last one, so that neither pays for its start.

    Args:
        workers: Trainings at a time, a CPU each.
        trials: Number of trials of our study.
        tune_trials: Of Ray Tune's, which takes longer.
        sampler: Name of our study's sampler.

    Returns:
        ``pool_ms``, ``pool_ask_ms`` (median seconds of a suggestion at the end, in milliseconds), ``tune_ms``, and what
        was run.
    """
    with tempfile.TemporaryDirectory() as folder, connect(workers=workers) as session:
        pool_ms, ask_ms = _pool(session, Path(folder), workers, trials, sampler)
        tune_ms = _tune(Path(folder), workers, tune_trials)
    return {
        "figure": "overhead",
        "pool_ms": round(pool_ms, 3),
        "pool_ask_ms": round(ask_ms, 3),
        "tune_ms": round(tune_ms, 3),
        "ratio": round(tune_ms / pool_ms, 2),
        "workers": workers,
        "trials": trials,
        "tune_trials": tune_trials,
        "sampler": sampler,
        "load": round(os.getloadavg()[0], 2),
    }


def _pool(session: Session, folder: Path, workers: int, trials: int, sampler: str) -> tuple[float, float]:
    def train(trial: Trial) -> float:
        return float((trial.params["momentum"] - 0.3) ** 2)

    options = RunOptions(workers=workers, session=session, quiet=True)
    with Study.open(folder / "study.journal", _SPACE, budget=trials, sampler=sampler) as study:
        run(study, train, "pool", options=options)
        moments = sorted(record.runs[0][0] for record in study.trials)
    with Study.open(folder / "study.journal", _SPACE, sampler=sampler) as study:
        asks = []
        for _ in range(5):
            start = time.perf_counter()
            study.ask()
            asks.append(time.perf_counter() - start)
    return _per_trial(moments), 1e3 * statistics.median(asks)


def _tune(folder: Path, workers: int, trials: int) -> float:
    from optuna.samplers import TPESampler
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def train(config: dict[str, Any]) -> dict[str, float]:
        return {"loss": (config["momentum"] - 0.3) ** 2, "moment": time.time()}

    space = {
        "rate": tune.loguniform(1e-5, 1e-1),
        "momentum": tune.uniform(0.0, 1.0),
        "layers": tune.randint(1, 9),
        "kind": tune.choice(["adam", "sgd", "rmsprop"]),
    }
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            num_samples=trials,
            max_concurrent_trials=workers,
            reuse_actors=True,
            search_alg=OptunaSearch(sampler=TPESampler(seed=0, multivariate=True, constant_liar=True)),
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    )
    with redirect_stdout(io.StringIO()):  # the answer belongs there, not Tune's banner
        results = tuner.fit()
    return _per_trial(sorted(result.metrics["moment"] for result in results if result.metrics))


def _per_trial(moments: list[float]) -> float:
    """Return the milliseconds from one start to the next."""
    return 1e3 * (moments[-1] - moments[_WARM]) / (len(moments) - 1 - _WARM)
