"""A training that can be killed anywhere and tells afterwards what it did; as a script it starts drivers of studies."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.search import Float, Int, Space, Study, Trial, TrialRecord
from zoo.search.open_storage import read_storage
from zoo.search.records import Records
from zoo.search.replay import replay
from zoo.search.resources import Resources
from zoo.search.run import RunOptions, run

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))
STEPS = 4


def training(notes: Path, seconds: float = 0.03) -> Callable[[Trial], float]:
    """Return a training of ``STEPS`` steps that adds up x, with a checkpoint after each and a note before each."""
    steps = STEPS

    def train(trial: Trial) -> float:
        total = 0.0
        # One name per run: a process may do several of a trial.
        run_of_it = f"{os.getpid()}.{time.time_ns()}"
        if trial.checkpoint is not None:
            total = float((Path(trial.checkpoint) / "total").read_text())
        for step in range(trial.step + 1, steps + 1):
            with open(notes / f"{trial.number}.log", "a") as file:
                file.write(f"{run_of_it} {step}\n")
            time.sleep(seconds)
            total += trial.params["x"]
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "total").write_text(repr(total))
                trial.report(step, total, checkpoint=folder)
        return total + trial.params["n"]

    return train


def expected(params: Any) -> float:
    """Return what ``training`` ends with."""
    total = 0.0
    for _ in range(STEPS):
        total += params["x"]
    return total + float(params["n"])


def records(journal: Path) -> list[TrialRecord]:
    """Return the trials of a journal that another process has open."""
    return Records().of(read_storage(journal).trials) if journal.exists() and journal.stat().st_size else []


def check(journal: Path, notes: Path, total: int, *, told: dict[int, float] | None = None) -> list[TrialRecord]:
    """Assert all that must hold after any fault, when the study has been run to its end.

    Args:
        journal: The study's.
        notes: Where the trainings noted their steps.
        total: Trials that there must be.
        told: Values that were complete at the moment of a fault.
    """
    with Study.open(journal, SPACE, seed=1, budget=total) as study:
        assert study.resume() == [], "a trial runs for ever"
        assert study.done
        found = study.trials
    assert [record.number for record in found] == list(range(total))
    assert [record.state for record in found] == ["complete"] * total
    for record in found:
        assert record.value == expected(record.params), "it went on from something else than its checkpoint"
        assert sorted(record.reports) == list(range(1, STEPS + 1))
        runs: dict[str, list[int]] = {}
        for line in (notes / f"{record.number}.log").read_text().splitlines():
            run_of_it, step = line.split()
            runs.setdefault(run_of_it, []).append(int(step))
        last = 0
        for steps in runs.values():
            assert steps == list(range(steps[0], steps[-1] + 1)), "a step was done twice in one run"
            assert last <= steps[0] <= last + 1, f"trial {record.number} lost more than one step: {runs}"
            last = max(last, steps[-1])
    for number, value in (told or {}).items():
        assert found[number].value == value, "a completed result was lost"
    report = replay(journal)
    assert report.agrees and report.asked == total, report
    return found


def drive(journal: str, notes: str, total: int, address: str) -> None:
    """Be a driver of a study; what it says goes to ``driver.log`` beside the journal."""
    from zoo.cluster import connect

    with open(Path(journal).with_name("driver.log"), "a", buffering=1) as log:
        with connect(address=address) as session, Study.open(journal, SPACE, seed=1, budget=total) as study:
            log.write("open\n")
            options = RunOptions(resources=Resources(cpu=1), workers=2, session=session, quiet=True)
            log.write(run(study, training(Path(notes)), "pool", options=options) + "\n")


def main() -> None:
    """Start drivers on command, each in a process of its own: a fork spares the seconds of importing Ray and Optuna."""
    import optuna
    import ray

    import zoo.search.runners.pool
    import zoo.search.suggestion

    assert optuna and ray and zoo
    for line in sys.stdin:
        command, *args = json.loads(line)
        if command == "wait":
            _, status = os.waitpid(args[0], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                drive(*args)
                code = 0
            finally:
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
