"""``zoo bench search``: the figures of the search engine, on tabulated trainings in virtual time."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome, strict
from zoo.errors import ConfigError

__all__ = ["bench_search"]

#: Kind of job -> share of the seeds that it runs on.
_SHARES = {"race": 1.0, "count": 1.0, "priors": 0.5, "limits": 0.5}
_PARTS = (*_SHARES, "ask", "overhead", "lstm")
#: With more workers than the first number a quarter of the seeds.
_MANY_SHARE = 0.25

_bench: Any = None


@dataclass(frozen=True)
class _SearchPlan:
    """What is measured."""

    data: Path
    tasks: tuple[str, ...]
    seeds: range
    kinds: tuple[str, ...]
    workers: tuple[int, ...]
    processes: int
    details: Path | None


def bench_search(
    data: Annotated[Path, typer.Option(help="Folder of LCBench's surrogate; NAB's taxis are in it, or in nab beside.")],
    quick: Annotated[bool, typer.Option(help="Two tasks, three seeds, eight workers.")] = False,
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 20,
    only: Annotated[str, typer.Option(help="Of race,count,priors,limits,ask,overhead,lstm; separated by commas.")] = "",
    tasks: Annotated[str, typer.Option(help="Ids instead of the reported ones, separated by commas.")] = "",
    first_seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    workers: Annotated[str, typer.Option(help="Numbers of virtual workers, separated by commas.")] = "8,16",
    processes: Annotated[int, typer.Option(help="Processes that compute.")] = 2,
    details: Annotated[
        Path | None, typer.Option(help="File for the result of every run, as JSON lines; what it has is not run again.")
    ] = None,
) -> Outcome:
    """Print one JSON line per comparison."""
    from benchmarks.search.comparisons import summarise
    from benchmarks.search.lcbench import LCBench, reported_tasks
    from benchmarks.search.studies import ask_seconds

    chosen = _words(only) or _PARTS
    unknown = sorted(set(chosen) - set(_PARTS))
    if unknown:
        raise ConfigError(f"a part must be one of {', '.join(_PARTS)}, but got {unknown}", "see --only")
    crews = _words(workers)
    if not crews or not all(word.isdigit() and int(word) for word in crews):
        raise ConfigError(f"workers must be numbers, but got {workers!r}", "for example 8,16")
    kinds = tuple(kind for kind in _SHARES if kind in chosen)
    reported = reported_tasks(LCBench(data).tasks) if kinds else []
    plan = _SearchPlan(
        data=data,
        tasks=_words(tasks) or tuple(reported[: 2 if quick else None]),
        seeds=range(first_seed, first_seed + (3 if quick else seeds)),
        kinds=kinds,
        workers=tuple(int(word) for word in crews)[: 1 if quick else None],
        processes=processes,
        details=details,
    )
    records = [strict(record) for record in summarise(_run(plan))] if kinds else []
    if "ask" in chosen:
        took = {name: round(1000 * seconds, 2) for name, seconds in ask_seconds().items()}
        record = {"comparison": "6 milliseconds per ask at 1,000 finished and 64 pending trials", "milliseconds": took}
        records.append(record | {"asked": "tpe <= 15", "reached": took["tpe"] <= 15})
    if "overhead" in chosen:
        from benchmarks.search.overhead import overhead

        cost = overhead()
        record = {"comparison": "6 milliseconds per trial of a training that returns at once, on the pool"}
        records.append(record | cost | {"asked": "<= 4", "reached": cost["pool_ms"] <= 4})
    if "lstm" in chosen:
        from benchmarks.search.lstm import lstm

        records += [
            strict(record) for record in lstm(data if (data / "train.parquet").is_file() else data.parent / "nab")
        ]
    for record in records:
        print(json.dumps(record), flush=True)
    return Outcome({"records": records})


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _run(plan: _SearchPlan) -> list[tuple[Any, dict[str, Any]]]:
    """Do the jobs, in several processes."""
    known = _read(plan.details)
    wanted = list(_jobs(plan))
    found = [(job, known[job]) for job in wanted if job in known]
    jobs = [job for job in wanted if job not in known]
    began = time.monotonic()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when a new process loads its linear algebra
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(plan.processes, mp_context=context, initializer=_prepare, initargs=(plan.data,)) as pool:
        waiting = {pool.submit(_do, job): job for job in jobs}
        for future in as_completed(waiting):
            job, result = waiting[future], future.result()
            found.append((job, result))
            if plan.details is not None:
                with plan.details.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(strict({"job": vars(job), "result": result})) + "\n")
            print(
                f"{len(found)}/{len(wanted)} {job.kind} task {job.task} seed {job.seed} workers {job.workers} "
                f"({time.monotonic() - began:.0f} s)",
                file=sys.stderr,
            )
    found.sort(key=lambda pair: (pair[0].kind, pair[0].workers, int(pair[0].task), pair[0].seed))
    return found


def _read(details: Path | None) -> dict[Any, dict[str, Any]]:
    """Return what an earlier run of the bench, cut short, had found; the job names all that its result depends on."""
    from benchmarks.search.studies import Job

    if details is None or not details.is_file():
        return {}
    found = {}
    for number, line in enumerate(details.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            found[Job(**entry["job"])] = _finite_or_not(entry["result"])
        except (ValueError, TypeError, KeyError):
            # A kill may tear a line apart; its run is done again.
            print(f"{details}, line {number}, is not a result: ignored", file=sys.stderr)
    return found


def _finite_or_not(value: Any) -> Any:
    """Undo ``strict``: what never came is infinite, and JSON has no word for it."""
    if isinstance(value, dict):
        return {name: _finite_or_not(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_finite_or_not(entry) for entry in value]
    return math.inf if value is None else value


def _jobs(plan: _SearchPlan) -> Iterator[Any]:
    """Yield the jobs, seed by seed."""
    from benchmarks.search.studies import Job

    count = len(plan.seeds)
    few = max(1, round(_MANY_SHARE * count))
    for index, seed in enumerate(plan.seeds):
        for kind in plan.kinds:
            for task in plan.tasks if index < max(1, round(_SHARES[kind] * count)) else ():
                for workers in plan.workers if kind in ("race", "count") else plan.workers[:1]:
                    if workers == plan.workers[0] or index < few:
                        # The slow searches run on half of the seeds.
                        yield Job(kind, task, seed, workers, slow=2 * index < count and workers == plan.workers[0])


def _prepare(data: Path) -> None:
    """Load the surrogate, once per process."""
    global _bench
    from benchmarks.search.lcbench import LCBench

    _bench = LCBench(data)


def _do(job: Any) -> dict[str, Any]:
    from benchmarks.search.studies import JOBS

    return JOBS[job.kind](_bench.task(job.task), job)
