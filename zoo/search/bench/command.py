"""``zoo bench search``: the figures of the search engine, on tabulated trainings in virtual time."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.commands import Outcome, strict
from zoo.errors import ConfigError

__all__ = ["bench_search"]

#: Kind of job -> seeds, of those asked for: a full run is a matter of an hour's half on two cores.
_SHARES = {"race": 1.0, "count": 1.0, "priors": 0.5, "limits": 0.5}
#: With twice the workers a quarter of the seeds.
_MANY_WORKERS, _MANY_SHARE = 16, 0.25

_bench: Any = None


def bench_search(
    data: Annotated[Path, typer.Option(help="Folder of LCBench's surrogate: model.onnx and its two tables.")],
    quick: Annotated[bool, typer.Option(help="Two tasks and three seeds.")] = False,
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 20,
    only: Annotated[str, typer.Option(help="Of race,count,priors,limits,ask; separated by commas.")] = "",
    tasks: Annotated[str, typer.Option(help="Ids instead of the reported ones, separated by commas.")] = "",
    first_seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    processes: Annotated[int, typer.Option(help="Processes that compute.")] = 2,
    details: Annotated[Path | None, typer.Option(help="File for the result of every run, as JSON lines.")] = None,
) -> Outcome:
    """Print one JSON line per comparison."""
    from zoo.search.bench.comparisons import summarise
    from zoo.search.bench.studies import ask_seconds

    chosen = [name for name in only.split(",") if name] or [*_SHARES, "ask"]
    unknown = set(chosen) - set(_SHARES) - {"ask"}
    if unknown:
        raise ConfigError(f"a part must be one of {[*_SHARES, 'ask']}, but got {sorted(unknown)}", "see --only")
    wanted = [task for task in tasks.split(",") if task]
    found = _run(data, wanted, 3 if quick else seeds, first_seed, quick, chosen, processes, details)
    records = [strict(record) for record in summarise(found)]
    if "ask" in chosen:
        took = {name: round(1000 * seconds, 2) for name, seconds in ask_seconds().items()}
        record = {"comparison": "6 milliseconds per ask at 1,000 finished and 64 pending trials", "milliseconds": took}
        records.append(record | {"asked": "tpe <= 15", "reached": took["tpe"] <= 15})
    for record in records:
        print(json.dumps(record), flush=True)
    return Outcome({"records": records})


def _run(
    data: Path,
    wanted: list[str],
    seeds: int,
    first_seed: int,
    quick: bool,
    chosen: list[str],
    processes: int,
    details: Path | None,
) -> list[tuple[Any, dict[str, Any]]]:
    """Do the jobs, in several processes."""
    from zoo.search.bench.lcbench import LCBench, reported_tasks

    tasks = wanted or reported_tasks(LCBench(data).tasks)[: 2 if quick else None]
    jobs = list(_jobs(tasks, range(first_seed, first_seed + seeds), [kind for kind in chosen if kind in _SHARES]))
    found: list[tuple[Any, dict[str, Any]]] = []
    began = time.monotonic()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when a new process loads its linear algebra
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_prepare, initargs=(data,)) as pool:
        waiting = {pool.submit(_do, job): job for job in jobs}
        for future in as_completed(waiting):
            job, result = waiting[future], future.result()
            found.append((job, result))
            if details is not None:
                with details.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(strict({"job": vars(job), "result": result})) + "\n")
            print(
                f"{len(found)}/{len(jobs)} {job.kind} task {job.task} seed {job.seed} workers {job.workers} "
                f"({time.monotonic() - began:.0f} s)",
                file=sys.stderr,
            )
    found.sort(key=lambda pair: (pair[0].kind, pair[0].workers, int(pair[0].task), pair[0].seed))
    return found


def _jobs(tasks: list[str], seeds: range, kinds: list[str]) -> Iterator[Any]:
    """Yield the jobs, the longest first."""
    from zoo.search.bench.studies import Job

    few = {kind: max(1, round(_SHARES[kind] * len(seeds))) for kind in kinds}
    many = max(1, round(_MANY_SHARE * len(seeds)))
    for kind in kinds:
        for index, seed in enumerate(seeds[: few[kind]]):
            for task in tasks:
                # The slow searches run on half of the seeds.
                yield Job(kind, task, seed, slow=index < max(1, (len(seeds) + 1) // 2))
                if kind in ("race", "count") and index < many:
                    yield Job(kind, task, seed, workers=_MANY_WORKERS, slow=False)


def _prepare(data: Path) -> None:
    """Load the surrogate, once per process."""
    global _bench
    from zoo.search.bench.lcbench import LCBench

    _bench = LCBench(data)


def _do(job: Any) -> dict[str, Any]:
    from zoo.search.bench.studies import JOBS

    return JOBS[job.kind](_bench.task(job.task), job)
