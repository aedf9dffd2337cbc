"""Studies whose workers, drivers, or both are killed at random moments; trainings that fail in each possible way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zoo.cluster import Session
from zoo.errors import ClusterError, ConfigError, StudyError
from zoo.search import FailureKind, Study, StudyOptions, Trial
from zoo.search.resources import Resources
from zoo.search.run import RunOptions, run

pytestmark = pytest.mark.ray

_ROOT = Path(__file__).parents[2]
_TOTAL = 10
#: Three in the default run, and twenty more with ``-m slow``.
_REPEATED = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 20))]


@pytest.fixture
def long_training(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module beside this file; workers find it over the driver's path."""
    import importlib

    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("long_training")


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """Journal and notes."""
    (tmp_path / "notes").mkdir()
    return tmp_path / "study.journal", tmp_path / "notes"


def _pids(notes: Path) -> list[int]:
    """Return the processes that noted a step lately, as far as they live."""
    found = []
    for file in notes.glob("*.log"):
        lines = file.read_text().splitlines()
        pid = int(lines[-1].partition(".")[0]) if lines else 0
        if pid and Path(f"/proc/{pid}").exists():
            found.append(pid)
    return sorted(set(found))


@pytest.mark.parametrize("seed", _REPEATED)
def test_a_study_survives_the_death_of_workers(
    session: Session, long_training: Any, place: tuple[Path, Path], seed: int
) -> None:
    journal, notes = place
    chance = random.Random(seed)
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < 2 and not over.wait(chance.uniform(0.05, 0.3)):
            victims = [pid for pid in _pids(notes) if pid not in killed]
            if victims:
                killed.append(chance.choice(victims))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    options = RunOptions(workers=2, session=session, quiet=True)
    with Study.open(journal, long_training.SPACE, seed=1, budget=_TOTAL, options=StudyOptions(max_losses=9)) as study:
        killer.start()
        try:
            assert run(study, long_training.training(notes, 0.06), "pool", options=options) == "done"
        finally:
            over.set()
            killer.join()
    assert killed, "nothing was killed: nothing was tested"
    found = long_training.check(journal, notes, _TOTAL)
    assert sum(record.losses for record in found) <= len(killed)


class _Drivers:
    """Starts drivers of studies, each a process of its own, on the tests' cluster."""

    def __init__(self, session: Session) -> None:
        command = [sys.executable, str(Path(__file__).parent / "long_training.py")]
        environment = os.environ | {"PYTHONPATH": str(_ROOT)}
        self._address = session.address
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def _say(self, *command: object) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, journal: Path, notes: Path) -> int:
        """Start one, and return its process when the study is open."""
        log = journal.with_name("driver.log")
        log.unlink(missing_ok=True)
        pid = self._say("start", str(journal), str(notes), _TOTAL, self._address)
        while not (log.exists() and log.read_text().startswith("open\n")):
            time.sleep(0.01)
        return pid

    def wait(self, pid: int) -> int:
        """Wait for the end of one, and return its status."""
        return self._say("wait", pid)

    def ends(self, pid: int, journal: Path) -> str:
        """Wait for the good end of one, and return what it said of it."""
        assert self.wait(pid) == 0
        return journal.with_name("driver.log").read_text().splitlines()[-1]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def drivers(session: Session) -> Iterator[_Drivers]:
    made = _Drivers(session)
    yield made
    made.close()


@pytest.mark.parametrize("victims", ["driver", "driver and workers"])
@pytest.mark.parametrize("seed", _REPEATED)
def test_a_study_survives_the_death_of_its_driver(
    drivers: _Drivers, long_training: Any, place: tuple[Path, Path], seed: int, victims: str
) -> None:
    journal, notes = place
    chance = random.Random(seed)
    driver = drivers.start(journal, notes)
    with pytest.raises(StudyError, match=f"process {driver} has"):
        Study.open(journal, long_training.SPACE, seed=1)
    while not _pids(notes):
        time.sleep(0.01)
    time.sleep(chance.uniform(0.0, 0.4))
    workers = _pids(notes)
    os.kill(driver, signal.SIGKILL)
    if victims == "driver and workers":
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
    assert drivers.wait(driver) == -9, "the driver ended before it was killed: nothing was tested"
    before = long_training.records(journal)
    told = {record.number: record.value for record in before if record.state == "complete"}
    assert drivers.ends(drivers.start(journal, notes), journal) == "done"
    long_training.check(journal, notes, _TOTAL, told=told)


def test_ctrl_c_ends_a_driver_and_the_study_goes_on(
    drivers: _Drivers, long_training: Any, place: tuple[Path, Path]
) -> None:
    journal, notes = place
    driver = drivers.start(journal, notes)
    while not _pids(notes):
        time.sleep(0.01)
    os.kill(driver, signal.SIGINT)
    assert drivers.ends(driver, journal) == "interrupted"
    assert any(record.state == "running" and record.losses == 0 for record in long_training.records(journal))
    assert drivers.ends(drivers.start(journal, notes), journal) == "done"
    long_training.check(journal, notes, _TOTAL)


def test_nan_infinite_exception_hang_and_memory_are_five_kinds(
    session: Session, long_training: Any, place: tuple[Path, Path]
) -> None:
    def train(trial: Trial) -> float:
        if trial.number == 0:
            trial.report(1, float("nan"))
        if trial.number == 1:
            return float("-inf")
        if trial.number == 2:
            raise RuntimeError("broken on purpose")
        if trial.number == 3:
            import time

            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    continue
        if trial.number == 4:
            return float(len(bytearray(2**33)))
        return 1.0

    resources = Resources(cpu=1, memory=2**28)
    options = RunOptions(workers=2, session=session, quiet=True, resources=resources)
    with Study.open(place[0], long_training.SPACE, budget=7) as study:
        assert run(study, train, "pool", options=options, time_limit=1.5) == "done"
        kinds = [record.failure for record in study.trials]
    assert kinds == [
        FailureKind.NAN,
        FailureKind.INFINITE,
        FailureKind.EXCEPTION,
        FailureKind.TIME_LIMIT,
        FailureKind.MEMORY,
        None,
        None,
    ]


def test_a_trial_that_kills_each_of_its_workers_is_set_aside(
    session: Session, long_training: Any, place: tuple[Path, Path]
) -> None:
    def train(trial: Trial) -> float:
        if trial.number == 1:
            import os

            os._exit(1)
        return 1.0

    options = RunOptions(workers=1, session=session, quiet=True)
    with Study.open(place[0], long_training.SPACE, budget=3, options=StudyOptions(max_losses=2)) as study:
        assert run(study, train, "pool", options=options) == "done"
        assert [record.number for record in study.set_aside] == [1]
        assert [record.state for record in study.trials] == ["complete", "failed", "complete", "complete"]


def test_the_end_of_the_studys_time_ends_trainings_that_do_not_report(
    session: Session, long_training: Any, place: tuple[Path, Path]
) -> None:
    def train(trial: Trial) -> float:
        import time

        if trial.number == 0:
            trial.report(1, 1.0, checkpoint=__file__)
        time.sleep(600)
        return 1.0

    train.__globals__["__file__"] = __file__
    options = RunOptions(workers=2, session=session, quiet=True, grace=0.5)
    with Study.open(place[0], long_training.SPACE, budget="6s") as study:
        assert run(study, train, "pool", options=options) == "done"
        assert study.elapsed < 12
        first, second = study.trials
        assert (first.state, second.failure) == ("paused", FailureKind.BUDGET)


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (Resources(cpu=64), "64 CPU fits on no node"),
        (Resources(gpu=0.5), "0.5 GPU fits on no node"),
        (Resources(custom={"tpu": 1}), "1 tpu fits on no node"),
        (Resources.of([{"cpu": 2}, {"cpu": 2}]), "fits on no node"),
    ],
)
def test_resources_that_the_cluster_can_never_give_are_refused_at_once(
    session: Session, long_training: Any, place: tuple[Path, Path], resources: Resources, message: str
) -> None:
    start = time.monotonic()
    options = RunOptions(session=session, resources=resources)
    with Study.open(place[0], long_training.SPACE) as study, pytest.raises(ConfigError, match=message) as caught:
        run(study, len, "pool", options=options)
    assert caught.value.hint and time.monotonic() - start < 5


def test_a_training_that_cannot_travel_is_refused(
    session: Session, long_training: Any, place: tuple[Path, Path]
) -> None:
    lock = threading.Lock()

    def train(trial: Trial) -> float:
        with lock:
            return 1.0

    with Study.open(place[0], long_training.SPACE) as study, pytest.raises(ConfigError, match="able to travel"):
        run(study, train, "pool", options=RunOptions(session=session))


def test_a_full_cluster_is_an_error_after_the_patience(
    session: Session, long_training: Any, place: tuple[Path, Path]
) -> None:
    import ray

    @ray.remote(num_cpus=2)
    class Hog:
        def ping(self) -> None:
            pass

    hog = Hog.remote()
    try:
        ray.get(hog.ping.remote())
        options = RunOptions(session=session, patience=1.0, quiet=True)
        with Study.open(place[0], long_training.SPACE) as study:
            with pytest.raises(ClusterError, match="must have room for a training"):
                run(study, len, "pool", options=options)
            assert study.running == ()
    finally:
        ray.kill(hog)
