"""Other programs beside a running study: Optuna's writers, second drivers, and ``kill -9`` of any of them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from zoo.errors import StudyError
from zoo.search import FailureKind, Float, Int, Space, Study, Trial
from zoo.search.insight.view import View
from zoo.search.journal import StudyLine, read_journal
from zoo.search.replay import replay

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def theirs(path: Path, *, exclusive: bool = False) -> Any:
    """Return the study as Optuna, and with it optuna-dashboard, opens it."""
    lock = JournalFileOpenLock(str(path)) if exclusive else None
    return optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(str(path), lock_obj=lock)))


def operations(path: Path) -> list[StudyLine]:
    found: list[StudyLine] = []
    read_journal(path, found.append)
    return found


def ask(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


def told(study: Study, value: float) -> Trial:
    trial = ask(study)
    study.tell(trial.number, value, seconds=1.0)
    return trial


# what others write is kept


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_note_of_the_dashboard_is_kept_at_once_and_the_study_goes_on(journal: Path, exclusive: bool) -> None:
    with Study.open(journal, SPACE, budget=100) as study:
        told(study, 0.5)
        began = time.monotonic()
        other = theirs(journal, exclusive=exclusive)
        other.set_user_attr("team", "keep this one " * 20)
        other._storage.set_study_system_attr(other._study_id, "dashboard:0:note_str:0", "good")
        assert time.monotonic() - began < 5.0, "Optuna waited for a lock of ours"
        told(study, 0.4)
        with pytest.raises(StudyError, match="one driver at a time"):
            Study.open(journal, SPACE, budget=100)
        assert study._ledger.storage.study.user_attrs["team"].startswith("keep")
        told(study, 0.3)
    again = theirs(journal)
    kept = again._storage.get_study_system_attrs(again._study_id)
    assert again.user_attrs["team"].startswith("keep") and kept["dashboard:0:note_str:0"] == "good"
    assert [trial.value for trial in again.trials] == [0.5, 0.4, 0.3]
    with Study.open(journal, SPACE, budget=100) as study:
        assert [record.value for record in study.trials] == [0.5, 0.4, 0.3]
    assert replay(journal).agrees


def test_the_lock_holds_whatever_others_do_to_files_of_its_name(journal: Path) -> None:
    with Study.open(journal, SPACE) as study:
        for file in journal.parent.iterdir():
            if file != journal:
                file.unlink()
        journal.with_name("study.journal.lock").write_text("")
        journal.with_name("study.journal.lock").unlink()
        with pytest.raises(StudyError, match=f"process {os.getpid()} has"):
            Study.open(journal, SPACE)
        told(study, 0.5)
    Study.open(journal, SPACE).close()


def test_a_second_driver_is_refused_at_once_with_the_holder(journal: Path) -> None:
    with Study.open(journal, SPACE):
        began = time.monotonic()
        with pytest.raises(StudyError, match=rf"process {os.getpid()} has .* open \(on .*, since 20\d\d-") as caught:
            Study.open(journal, SPACE)
        assert time.monotonic() - began < 1.0 and caught.value.hint
    assert [file.name for file in journal.parent.iterdir()] == [journal.name]


def test_a_journal_that_was_moved_away_ends_the_study(journal: Path) -> None:
    study = Study.open(journal, SPACE)
    trial = told(study, 0.5)
    journal.rename(journal.with_name("moved"))
    with Study.open(journal, SPACE) as second:
        with pytest.raises(StudyError, match="removed or replaced"):
            told(study, 0.4)
        assert second.trials == []
    study.close()
    assert View.read(journal.with_name("moved")).records[trial.number].value == 0.5


def test_a_forked_child_neither_keeps_the_lock_nor_writes(journal: Path) -> None:
    study = Study.open(journal, SPACE)
    ready, wait = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            study.ask()
            os.write(ready[1], b"wrote")
        except StudyError:
            os.write(ready[1], b"refused")
        os.read(wait[0], 1)
        os._exit(0)
    try:
        assert os.read(ready[0], 10) == b"refused"
        study.close()
        Study.open(journal, SPACE).close()
    finally:
        os.write(wait[1], b".")
        os.waitpid(child, 0)


# trials of others


def test_what_others_queue_is_tried_and_what_they_run_counts_for_nothing(journal: Path) -> None:
    with Study.open(journal, SPACE, sampler="random", budget=5) as study:
        told(study, 0.5)
        other = theirs(journal)
        other.tell(other.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), 0.0)
        other.enqueue_trial({"x": 0.25, "n": 3})
        other.enqueue_trial({"x": 0.25, "n": 99})  # outside of the space
        other.enqueue_trial({"colour": 1})
        optuna.create_study(study_name="another", storage=other._storage).ask()
        trial = told(study, 0.4)
        assert (trial.number, trial.params, trial.tag) == (2, {"x": 0.25, "n": 3}, "foreign")
        last = told(study, 0.3)
        assert last.number == 5  # 3 and 4 wait for ever
        assert study.best is not None and study.best.value == 0.3
        states = [record.state for record in study.trials]
        assert states == ["complete", "failed", "complete", "queued", "queued", "complete"]
    with Study.open(journal, SPACE, sampler="random", budget=5) as study:
        assert [record.state for record in study.trials] == states
        foreign = [record for record in study.trials if record.state == "failed"]
        assert all(record.failure is FailureKind.FOREIGN for record in foreign) and study.set_aside == []
        assert told(study, 0.2).number == 6
    assert replay(journal).agrees
    # Optuna's own view agrees on our values, though its ids are others after a study of its own.
    values = {trial.number: trial.value for trial in theirs(journal).trials if trial.user_attrs.get("params")}
    assert values == {0: 0.5, 2: 0.4, 5: 0.3, 6: 0.2}


def test_others_cannot_end_trials_of_the_driver_nor_delete_its_study(journal: Path) -> None:
    with Study.open(journal, SPACE) as study:
        trial, queued = ask(study), study.enqueue({"x": 0.5, "n": 1})
        other = theirs(journal)
        other.tell(trial.number, 7.0)
        other._storage.set_study_user_attr(other._study_id, "identity", "stolen")
        other._storage.set_trial_user_attr(queued, "who", "ada")
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            other._storage.set_trial_user_attr(trial.number, "late", 1)  # the line is in the file nevertheless
        study.tell(trial.number, 0.5, seconds=1.0)
        optuna.delete_study(study_name="study", storage=other._storage)
        assert ask(study).number == queued
        study.tell(queued, 0.25, seconds=1.0)
    with Study.open(journal, SPACE) as study:
        assert [record.value for record in study.trials] == [0.5, 0.25]
        assert study._ledger.storage.trials[queued].user_attrs["who"] == "ada"
    assert replay(journal).agrees


# writers that die


def test_every_torn_transaction_is_mended_after_others_have_appended_to_it(journal: Path, tmp_path: Path) -> None:
    with Study.open(journal, SPACE, sampler="random") as study:
        told(study, 0.5)
        whole = len(journal.read_bytes())
        told(study, 0.4)
    data, line = journal.read_bytes(), b'{"op_code":2,"worker_id":"w","study_id":0,"user_attr":{"note":"kept"}}\n'
    for cut in range(whole, len(data), 5):
        torn = tmp_path / "torn"
        torn.write_bytes(data[:cut] + line)
        before = operations(torn)
        with Study.open(torn, SPACE, sampler="random") as study:
            assert study._ledger.storage.study.user_attrs["note"] == "kept"
            assert [record.value for record in study.trials][:1] == [0.5]
        assert operations(torn)[: len(before)] == before, "a reader saw something else than the driver"
        assert theirs(torn).user_attrs["note"] == "kept"


def test_a_dead_writers_turn_does_not_hold_up_the_driver(journal: Path) -> None:
    link = journal.with_name("study.journal.lock")
    with Study.open(journal, SPACE) as study:
        trial = ask(study)
        link.symlink_to(journal)  # what Optuna leaves when it is killed in the middle of a write
        began = time.monotonic()
        study.tell(trial.number, 0.5, seconds=1.0)
        assert time.monotonic() - began < 10.0 and not link.is_symlink()
    link.write_text("123456789")  # what a former version of this program leaves
    Study.open(journal, SPACE).close()
    assert not link.exists()


_DRIVER = """
import sys, time
from zoo.search import Float, Int, Space, Study
journal, notes, total = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Study.open(journal, Space(x=Float(0.0, 1.0), n=Int(1, 5)), seed=1) as study, open(notes, "a", 1) as file:
    flight = [record.number for record in study.resume()]
    print("open", flush=True)
    while sum(record.state == "complete" for record in study.trials) < total:
        while len(flight) < 3:
            flight.append(study.ask().number)
        number = flight.pop(0)
        params = study.trials[number].params
        study.report(number, 1, params["x"])
        study.tell(number, params["x"] + params["n"], seconds=0.002)
        file.write(f"{number}\\n")
"""
_WRITER = """
import random, sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
journal, notes, who = sys.argv[1:]
optuna.logging.disable_default_handler()
study = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(journal)))
print("open", flush=True)
with open(notes, "a", 1) as file:
    for count in range(100000):
        study.set_user_attr(f"{who}-{count}", "kept " * random.randint(1, 3000))
        file.write(f"{who}-{count}\\n")
        if count % 5 == 0:
            study.enqueue_trial({"x": 0.5, "n": 1 + count % 5})
"""


def _start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    return process


def _rounds(folder: Path, rounds: int, seed: int) -> None:
    journal, notes, attrs = folder / "study.journal", folder / "told", folder / "attrs"
    chance = random.Random(seed)
    driver = _start(_DRIVER, journal, notes, 10**6)
    for count in range(rounds):
        writer = _start(_WRITER, journal, attrs, count)
        with pytest.raises(StudyError, match=f"process {driver.pid} has"):
            Study.open(journal, SPACE)
        time.sleep(chance.uniform(0.0, 0.3))
        both = [writer, driver]
        chance.shuffle(both)
        for process in both[: chance.randint(1, 2)]:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if driver.poll() is not None:
            driver = _start(_DRIVER, journal, notes, 10**6)
        writer.kill()
        writer.wait()
    time.sleep(0.3)
    driver.kill()
    driver.wait()
    with Study.open(journal, SPACE, seed=1) as study:
        complete = [record for record in study.trials if record.state == "complete"]
        kept = set(study._ledger.storage.study.user_attrs)
    noted = Counter(int(line) for line in notes.read_text().splitlines())
    assert max(noted.values()) == 1 and set(noted) <= {record.number for record in complete}, "a tell was lost"
    assert len(complete) - len(noted) <= rounds + 1, "between the journal's line and the note lies a moment"
    assert all(record.value == record.params["x"] + record.params["n"] for record in complete)
    assert set(attrs.read_text().splitlines()) <= kept, "a note of Optuna was lost"
    assert replay(journal).agrees
    optunas = {trial.number: trial.value for trial in theirs(journal).trials if trial.values}
    assert optunas == {record.number: record.value for record in complete}
    assert all("op_code" in json.loads(line) for line in journal.read_text().splitlines())


def test_nothing_told_is_lost_beside_other_writers_and_kills(tmp_path: Path) -> None:
    _rounds(tmp_path, 2, 0)


@pytest.mark.slow
def test_nothing_told_is_lost_in_twenty_rounds_beside_other_writers_and_kills(tmp_path: Path) -> None:
    _rounds(tmp_path, 20, 1)
