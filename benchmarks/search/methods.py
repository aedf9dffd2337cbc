"""The searches that are compared, each as (virtual time, final accuracy) of its whole trainings.

The default runs in production code: study, sampler, stopper and virtual driver. The others are what a user of Optuna or
Ray Tune gets, in a few lines each.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.search.lcbench import EPOCHS, SurrogateTask
from zoo.clock import ManualClock
from zoo.search.budget import Budget
from zoo.search.domains import Suggester
from zoo.search.run import RunOptions, run
from zoo.search.stoppers import Rungs
from zoo.search.stoppers.rungs import ladder
from zoo.search.study import Study

__all__ = ["METHODS", "SearchTrace", "asha", "asynchronous", "default", "synchronous"]

#: Rungs of the successive-halving searches: eta 3 from a 26th of the whole.
_RUNGS = (2, 6, 17, EPOCHS)
_ETA = 3


@dataclass
class SearchTrace:
    """What one search did.

    Args:
        finished: (virtual time, accuracy) of whole trainings, in time order.
        busy: Seconds that workers trained.
        length: Virtual seconds from the beginning to the end.
        workers: How many trainings ran at once.
        started: Number of trainings that began.
        took: Seconds of each training in the order of their beginnings, where they are known.
    """

    workers: int
    finished: list[tuple[float, float]] = field(default_factory=list)
    busy: float = 0.0
    length: float = 0.0
    started: int = 0
    took: list[float] = field(default_factory=list)

    @property
    def utilisation(self) -> float:
        """The share of the workers' time in which they trained."""
        return self.busy / (self.workers * self.length) if self.length else 0.0

    def unhindered(self) -> float:
        """Return the length of the very same trainings in the same order, if no worker had waited for another."""
        free = [0.0] * self.workers
        for seconds in self.took:
            heapq.heapreplace(free, free[0] + seconds)
        return max(free)

    def best(self, until: float = np.inf) -> float:
        """Return the best final accuracy until a moment; minus infinity if there is none."""
        return max((value for moment, value in self.finished if moment <= until), default=-np.inf)

    def reached(self, value: float) -> float:
        """Return when a whole training first was as good as ``value``; infinite if never."""
        return min((moment for moment, found in self.finished if found >= value), default=np.inf)


class _Optuna:
    """Optuna's TPE as its users call it."""

    def __init__(self, task: SurrogateTask, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = task.bench.space()
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def ask(self) -> tuple[Any, dict[str, Any]]:
        trial = self._study.ask()
        suggester: Suggester = trial
        return trial, self._space.sample(suggester)

    def tell(self, trial: Any, value: float) -> None:
        self._study.tell(trial, value)


def synchronous(task: SurrogateTask, seed: int, *, workers: int, trainings: int) -> SearchTrace:
    """Batches of TPE's suggestions; each waits for its slowest training."""
    optuna, trace = _Optuna(task, seed), SearchTrace(workers)
    for _ in range(trainings // workers):
        batch = [(trial, *task.curve(params)) for trial, params in (optuna.ask() for _ in range(workers))]
        for trial, accuracy, seconds in batch:
            trace.finished.append((trace.length + float(seconds[-1]), float(accuracy[-1])))
            trace.busy += float(seconds[-1])
            trace.took.append(float(seconds[-1]))
            trace.started += 1
            optuna.tell(trial, float(accuracy[-1]))
        trace.length += max(float(seconds[-1]) for _, _, seconds in batch)
    trace.finished.sort()
    return trace


def asynchronous(
    task: SurrogateTask, seed: int, *, workers: int, until: float = np.inf, trainings: int | None = None
) -> SearchTrace:
    """TPE's next suggestion as soon as a worker is free, by Optuna's ask and tell."""
    optuna, trace = _Optuna(task, seed), SearchTrace(workers)
    events: list[tuple[float, int, Any, float, float]] = []

    def start(now: float) -> None:
        if trainings is not None and trace.started >= trainings:
            return
        trial, params = optuna.ask()
        accuracy, seconds = task.curve(params)
        trace.started += 1
        heapq.heappush(
            events, (now + float(seconds[-1]), trace.started, trial, float(accuracy[-1]), float(seconds[-1]))
        )

    for _ in range(workers):
        start(0.0)
    while events:
        now, _, trial, value, took = heapq.heappop(events)
        if now > until:
            trace.busy += sum(
                max(until - (end - whole), 0.0) for end, _, _, _, whole in [*events, (now, 0, 0, 0.0, took)]
            )
            trace.length = until
            return trace
        optuna.tell(trial, value)
        trace.finished.append((now, value))
        trace.busy, trace.length = trace.busy + took, now
        start(now)
    return trace


def asha(
    task: SurrogateTask,
    seed: int,
    *,
    workers: int,
    until: float,
    model: bool = False,
    rungs: tuple[int, ...] = _RUNGS,
) -> SearchTrace:
    """Asynchronous successive halving that stops.

    Args:
        task: The data set whose trainings are tabulated.
        seed: The seed of the suggestions.
        workers: Trainings at a time.
        until: Virtual seconds after which the search ends.
        model: Suggestions by TPE which is told a stopped trial's last value as if it were final, as Ray Tune's
            OptunaSearch does. Else they are random.
        rungs: Where trainings are compared.
    """
    from benchmarks.search.lcbench import draw

    optuna = _Optuna(task, seed) if model else None
    rng, space, trace = np.random.default_rng(seed), task.bench.space(), SearchTrace(workers, length=until)
    seen: dict[int, list[float]] = {rung: [] for rung in rungs}
    events: list[tuple[float, int, Any, Any, Any, int, float]] = []
    count = 0

    def start(now: float) -> None:
        nonlocal count
        trial, params = optuna.ask() if optuna else (None, draw(space, rng))
        accuracy, seconds = task.curve(params)
        trace.started += 1
        count += 1
        heapq.heappush(events, (now + seconds[rungs[0] - 1], count, trial, accuracy, seconds, 0, now))

    for _ in range(workers):
        start(0.0)
    while events:
        now, _, trial, accuracy, seconds, level, begun = heapq.heappop(events)
        if now > until:
            break
        value, last = float(accuracy[rungs[level] - 1]), level == len(rungs) - 1
        seen[rungs[level]].append(value)
        if not last and value >= np.quantile(seen[rungs[level]], 1 - 1 / _ETA):
            count += 1
            end = begun + seconds[rungs[level + 1] - 1]
            heapq.heappush(events, (end, count, trial, accuracy, seconds, level + 1, begun))
            continue
        if last:
            trace.finished.append((now, value))
        if optuna:
            optuna.tell(trial, value)
        start(now)
    trace.busy = workers * until
    return trace


def default(
    task: SurrogateTask,
    seed: int,
    *,
    workers: int,
    until: float,
    goal: float | None = None,
    sampler: Any = "auto",
    stopper: Any = "rungs",
) -> SearchTrace:
    """The production study under the virtual driver: freeze-thaw unless another sampler is named."""
    clock = ManualClock()
    study = Study.open(
        None,
        task.bench.space(),
        direction="maximize",
        seed=seed,
        sampler=sampler,
        stopper=Rungs(EPOCHS) if stopper == "rungs" else stopper,
        parallel=workers,
        budget=Budget(time=until),
        clock=clock,
    )
    steps = ladder(EPOCHS) if stopper == "rungs" else (EPOCHS,)
    # There is nothing to go on from but the table itself; any path that exists stands for a checkpoint.
    run(study, task.trainer(steps, "."), "virtual", options=RunOptions(quiet=True))
    return trace_of(study, workers, until)


def trace_of(study: Study, workers: int, until: float = np.inf) -> SearchTrace:
    """Return what a study did, until a moment."""
    records = study.trials
    finished = sorted((r.runs[-1][1], float(r.value)) for r in records if r.value is not None and r.runs)
    ends = max((end for record in records for _, end in record.runs), default=0.0)
    length = min(until, ends)
    busy = sum(max(min(end, length) - start, 0.0) for record in records for start, end in record.runs)
    return SearchTrace(workers, [pair for pair in finished if pair[0] <= until], busy, length, len(records))


Method = Callable[..., SearchTrace]
METHODS: Mapping[str, Method] = {
    "default": default,
    "tpe, asynchronous": asynchronous,
    "tpe told stopped trials as complete, asha": lambda *given, **named: asha(*given, model=True, **named),
    "random, asha": asha,
    "random, asha, first rung 6": lambda *given, **named: asha(*given, rungs=ladder(EPOCHS), **named),
}
