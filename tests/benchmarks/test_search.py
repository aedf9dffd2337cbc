"""The bench's machinery on simulated curves; the surrogate itself is not part of the project."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.search import methods, studies
from benchmarks.search.comparisons import summarise
from benchmarks.search.lcbench import EPOCHS, LCBench, SurrogateTask, reported_tasks
from zoo.errors import DataError
from zoo.search import Float, Int, Space


class Simulated:
    """Four hyper-parameters; wide nets are slow, and the learning rate matters."""

    tasks = ("7",)

    def space(self, **changed: Any) -> Space:
        plain = {
            "lr": Float(1e-4, 1e-1, log=True),
            "max_units": Int(16, 512, log=True),
            "num_layers": Int(1, 3),
            "drop": Float(0.0, 1.0),
        }
        return Space(constraints=(), **{**plain, **changed})

    def curves(self, task: str, params: Sequence[Mapping[str, Any]]) -> tuple[Any, Any]:
        epochs = np.arange(1, EPOCHS + 1)
        final = [
            90 - 8 * (math.log10(p["lr"]) + 2) ** 2 - 10 * (p["drop"] - 0.3) ** 2 + math.log(p["max_units"])
            for p in params
        ]
        speed = [0.05 + 0.1 * (math.log10(p["lr"]) + 4) for p in params]
        accuracy = np.array([f * (1 - np.exp(-s * epochs)) for f, s in zip(final, speed, strict=True)])
        return accuracy, np.array([epochs * p["max_units"] / 100 for p in params])

    def task(self, name: str) -> SurrogateTask:
        return SurrogateTask(self, name)  # type: ignore[arg-type]  # what is used of an LCBench


@pytest.fixture
def task() -> SurrogateTask:
    return Simulated().task("7")


def test_the_reported_tasks_follow_a_rule() -> None:
    ids = [str(100 * number) for number in range(34)]
    assert reported_tasks(ids) == ["0", "400", "800", "1200", "1600", "2000", "2400", "2800"]
    assert reported_tasks(ids[::-1]) == reported_tasks(ids)


def test_a_folder_without_the_surrogate_is_refused(tmp_path: Any) -> None:
    with pytest.raises(DataError, match=r"model\.onnx"):
        LCBench(tmp_path)


def test_courses_account_for_every_second(task: SurrogateTask) -> None:
    base = methods.synchronous(task, 0, workers=4, trainings=24)
    assert len(base.finished) == base.started == 24
    assert 0.2 < base.utilisation < 0.95
    free = methods.asynchronous(task, 0, workers=4, trainings=24)
    assert len(free.finished) == 24
    assert free.length < base.length
    ours = methods.default(task, 0, workers=4, until=base.length / 2)
    assert ours.utilisation == pytest.approx(1.0, abs=0.02)
    assert all(moment <= base.length / 2 for moment, _ in ours.finished)
    assert ours.started > len(ours.finished) > 0
    halved = methods.asha(task, 0, workers=4, until=base.length / 2)
    assert halved.started > len(halved.finished) > 0


def test_every_comparison_comes_out_of_its_jobs(task: SurrogateTask, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_HORIZON", 16), ("_COUNT", 16), ("_PRIOR_MOST", 42), ("_LIMITED_TRIALS", 16)):
        monkeypatch.setattr(studies, name, value)
    monkeypatch.setattr(
        SurrogateTask, "best", lambda self: ({"lr": 1e-2, "max_units": 400, "num_layers": 2, "drop": 0.3}, 96.0)
    )
    found = []
    for kind in ("race", "count", "priors", "limits"):
        job = studies.Job(kind, "7", 0, 4)
        found.append((job, studies.JOBS[kind](task, job)))
    records = list(summarise(found))
    assert {record["comparison"][0] for record in records} == {"1", "2", "3", "4", "5"}
    assert all({"asked", "reached", "tasks", "runs"} <= record.keys() for record in records)
    against = [record["against"] for record in records if "against" in record]
    assert len(against) == len(set(against)) == len(methods.METHODS)


def test_asking_is_measured() -> None:
    took = studies.ask_seconds(finished=30, pending=4, asks=3)
    assert set(took) == {"tpe", "gp"}
    assert all(0 < seconds < 5 for seconds in took.values())
