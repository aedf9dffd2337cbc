"""One (task, seed) at a time: the runs behind each comparison, as plain numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.search.lcbench import EPOCHS, SurrogateTask, draw
from benchmarks.search.methods import METHODS, asynchronous, synchronous, trace_of
from zoo.clock import ManualClock
from zoo.search.domains import Float, Int
from zoo.search.metrics import Metric
from zoo.search.priors import Normal
from zoo.search.run import RunOptions, run
from zoo.search.space import Space
from zoo.search.study import Study
from zoo.search.trial import Trial, TrialRecord

__all__ = ["JOBS", "Job", "ask_seconds"]

#: Whole trainings of the synchronous search that sets the time, and of the comparison at equal count.
_HORIZON, _COUNT = 96, 128
#: Standard deviation of the priors, as a share of the range.
_WIDTH = 0.1
_PRIOR_TRIALS, _PRIOR_MOST = 40, 120
_LIMITED_TRIALS = 64
_LIMIT_QUANTILE = 0.2
_WORKERS = 8
#: Searches whose cost per suggestion grows so much that they run on half of the seeds.
_SLOW = ("tpe told stopped trials as complete, asha",)


@dataclass(frozen=True)
class Job:
    """One unit of work.

    Args:
        kind: A key of ``JOBS``.
        task: LCBench's id of the data set.
        seed: Of all searches in it.
        workers: Trainings at a time.
        slow: Whether the slow searches take part.
    """

    kind: str
    task: str
    seed: int
    workers: int = _WORKERS
    slow: bool = True


def race(task: SurrogateTask, job: Job) -> dict[str, Any]:
    """Run all methods for the virtual time that the synchronous search needs for its trainings."""
    base = synchronous(task, job.seed, workers=job.workers, trainings=_HORIZON)
    goal = base.best()
    out: dict[str, Any] = {
        "length": base.length,
        "best": {"tpe, synchronous": goal},
        "share": {"tpe, synchronous": base.reached(goal) / base.length},
        "utilisation": {"tpe, synchronous": base.utilisation},
        "started": {"tpe, synchronous": base.started},
        "seconds": {},
    }
    for name, method in METHODS.items():
        if name in _SLOW and not job.slow:
            continue
        began = time.perf_counter()
        trace = method(task, job.seed, workers=job.workers, until=base.length)
        out["best"][name] = max(trace.best(), 0.0)
        out["share"][name] = trace.reached(goal) / base.length
        out["utilisation"][name] = trace.utilisation
        out["started"][name] = trace.started
        out["seconds"][name] = time.perf_counter() - began
    return out


def count(task: SurrogateTask, job: Job) -> dict[str, Any]:
    """Run the same number of whole trainings synchronously and asynchronously.

    Which trainings are chosen differs from search to search, and with it their length. What asynchrony alone saves
    shows in the synchronous search's own trainings, begun in the same order by workers that do not wait.
    """
    base = synchronous(task, job.seed, workers=job.workers, trainings=_COUNT)
    plain = asynchronous(task, job.seed, workers=job.workers, trainings=_COUNT)
    ours = {name: _whole(task, job, name) for name in ("tpe", "gp")}
    return {
        "length": {
            "tpe, synchronous": base.length,
            "its very trainings, unhindered": base.unhindered(),
            "tpe, asynchronous": plain.length,
        }
        | {f"study, {name}": trace.length for name, trace in ours.items()},
        "best": {"tpe, synchronous": base.best(), "tpe, asynchronous": plain.best()}
        | {f"study, {name}": trace.best() for name, trace in ours.items()},
        "utilisation": {"tpe, synchronous": base.utilisation}
        | {f"study, {name}": trace.utilisation for name, trace in ours.items()},
    }


def _whole(task: SurrogateTask, job: Job, sampler: str) -> Any:
    study = _study(task.bench.space(), job, sampler, trials=_COUNT, metrics=None)
    run(study, task.trainer((EPOCHS,), "."), "virtual", options=RunOptions(quiet=True))
    return trace_of(study, job.workers)


def _study(space: Space, job: Job, sampler: str, *, trials: int, metrics: Sequence[Metric] | None) -> Study:
    return Study.open(
        None,
        space,
        direction="maximize",
        metrics=metrics,
        seed=job.seed,
        sampler=sampler,
        parallel=job.workers,
        budget=trials,
        clock=ManualClock(),
    )


def priors(task: SurrogateTask, job: Job) -> dict[str, Any]:
    """Run without a prior, with one near the optimum, and with one far away; return the bests by number of trials."""
    best, _ = task.best()
    out: dict[str, Any] = {}
    for sampler in ("gp", "tpe"):
        for name, place in (("none", None), ("near", _same), ("far", _opposite)):
            study = _study(_believing(task, best, place), job, sampler, trials=_PRIOR_MOST, metrics=None)
            run(study, task.trainer((EPOCHS,), "."), "virtual", options=RunOptions(quiet=True))
            finished = sorted((r.runs[-1][1], r.number, float(r.value)) for r in study.trials if r.value is not None)
            out[f"{sampler}, {name}"] = np.maximum.accumulate([value for _, _, value in finished]).tolist()
    return out


def _same(unit: float) -> float:
    return unit


def _opposite(unit: float) -> float:
    return 0.05 if unit > 0.5 else 0.95


def _believing(task: SurrogateTask, best: Mapping[str, Any], place: Callable[[float], float] | None) -> Space:
    plain = task.bench.space()
    if place is None:
        return plain
    changed: dict[str, Any] = {}
    for name in plain:
        domain = plain[name]
        assert isinstance(domain, Float | Int)
        scale = domain.scale
        low, high = scale.bounds
        mean = scale.value(place(scale.unit(float(best[name]))))
        prior = Normal(mean, _WIDTH * (high - low))
        if isinstance(domain, Int):
            changed[name] = Int(domain.low, domain.high, domain.log, prior=prior)
        else:
            changed[name] = Float(domain.low, domain.high, domain.log, prior=prior)
    return task.bench.space(**changed)


def limits(task: SurrogateTask, job: Job) -> dict[str, Any]:
    """Run with a limit on the size of the network that four of five random configurations miss, and without it."""
    rng = np.random.default_rng(0)
    limit = float(np.quantile([_size(draw(task.bench.space(), rng)) for _ in range(500)], _LIMIT_QUANTILE))

    def train(trial: Trial) -> None:
        accuracy, seconds = task.curve(trial.params)
        told = {"accuracy": float(accuracy[-1]), "size": _size(trial.params)}
        trial.report(EPOCHS, told, seconds=float(seconds[-1]))

    out: dict[str, Any] = {}
    for sampler in ("gp", "tpe"):
        for name, metric in (("heeded", Metric("size", at_most=limit)), ("ignored", Metric("size", store=True))):
            metrics = [Metric("accuracy", "maximize"), metric]
            study = _study(task.bench.space(), job, sampler, trials=_LIMITED_TRIALS, metrics=metrics)
            run(study, train, "virtual", options=RunOptions(quiet=True))
            out[f"{sampler}, {name}"] = _beyond(study.trials, limit)
    return out


def _size(params: Mapping[str, Any]) -> float:
    """Return about how many thousand weights a network of LCBench has."""
    return float(params["num_layers"] * params["max_units"] ** 2 / 1000)


def _beyond(records: Sequence[TrialRecord], limit: float) -> float:
    """Return the share of the second half of the suggestions that miss the limit."""
    later = records[len(records) // 2 :]
    return float(np.mean([record.metrics["size"] > limit for record in later]))


def ask_seconds(*, finished: int = 1000, pending: int = 64, asks: int = 30) -> dict[str, float]:
    """Return the median seconds of one suggestion, by sampler, in a study with many trials."""
    from zoo.search.samplers import make_sampler

    out = {}
    for sampler in ("tpe", "gp"):
        space = Space(
            a=Float(1e-5, 1e-1, log=True), b=Float(0, 1), c=Float(0, 1), d=Int(1, 9), e=Int(16, 512, log=True),
            f=Float(0, 1), g=Float(0, 1), h=Float(0, 1),
        )  # fmt: skip
        # The study's own sampler learns nothing until it is asked for the first time.
        study = Study.open(None, space, sampler=sampler, seed=1)
        rng = np.random.default_rng(0)
        points = make_sampler("random", space).encoding
        for number, unit in enumerate(points.sample(rng, finished + pending)):
            queued = study.enqueue(points.params(unit), tag=str(number))
            trial = study.ask()
            assert trial is not None and trial.number == queued
            if number < finished:
                study.tell(trial.number, float(rng.normal()), seconds=1.0)
        took = []
        for _ in range(asks):
            began = time.perf_counter()
            draft = study.plan()
            assert draft is not None and not isinstance(draft, Trial)
            draft.draw()
            took.append(time.perf_counter() - began)
        out[sampler] = float(np.median(took))
    return out


JOBS: Mapping[str, Callable[[SurrogateTask, Job], dict[str, Any]]] = {
    "race": race,
    "count": count,
    "priors": priors,
    "limits": limits,
}
