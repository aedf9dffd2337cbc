"""As a script: a study whose disk is full at a random moment, again and again.

``python full_disk.py FOLDER SEED,SEED,…`` prints a line per repetition: how many openings it took.
"""

from __future__ import annotations

import json
import random
import resource
import sys
from pathlib import Path

from long_training import SPACE, check, expected, records, training

from zoo.errors import StudyError
from zoo.search import Study
from zoo.search.run import run

_TOTAL = 6


def once(folder: Path, seed: int) -> int:
    """Run a study to its end through several full disks; return how many."""
    chance = random.Random(seed)
    journal, notes = folder / "study.journal", folder / "notes"
    notes.mkdir(parents=True)
    full, told = 0, {}
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    while True:
        size = journal.stat().st_size if journal.exists() else 0
        try:
            with Study.open(journal, SPACE, seed=1, budget=_TOTAL) as study:
                # The kernel refuses to let any file grow beyond this, in the middle of a line too.
                room = chance.randint(1, 6000) if full < 3 else 10**6
                resource.setrlimit(resource.RLIMIT_FSIZE, (max(size, 2000) + room, unlimited[1]))
                run(study, training(notes, 0.0), "inline")
                break
        except StudyError as error:
            assert "must be able to write its journal" in error.message and error.hint
            full += 1
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        for record in records(journal):
            if record.state == "complete":
                assert told.setdefault(record.number, record.value) == record.value == expected(record.params)
    check(journal, notes, _TOTAL, told=told)
    return full


def torn(folder: Path, seed: int) -> int:
    """Cut the last bytes off a study's journal, as a crashed machine may, and go on; return how often."""
    chance = random.Random(seed)
    journal, notes = folder / "study.journal", folder / "notes"
    notes.mkdir(parents=True)
    cuts = 0
    while True:
        with Study.open(journal, SPACE, seed=1, budget=_TOTAL) as study:
            trial = None
            for _ in range(chance.randint(1, 3)):
                trial = study.ask()
                if trial is None:
                    break
                total = 0.0
                for step in range(1, 5):
                    total += trial.params["x"]
                    study.report(trial, step, total)
                study.tell(trial.number, expected(trial.params))
            if trial is None:
                break
        data = journal.read_bytes()
        last = len(data.splitlines(keepends=True)[-1])
        if cuts < 4:
            journal.write_bytes(data[: len(data) - chance.randint(1, last)])
            cuts += 1
    for number in range(_TOTAL):
        (notes / f"{number}.log").write_text("")
    check(journal, notes, _TOTAL)
    return cuts


def main() -> None:
    """Do both for each seed."""
    for seed in map(int, sys.argv[2].split(",")):
        folder = Path(sys.argv[1]) / str(seed)
        print(json.dumps([once(folder / "full", seed), torn(folder / "torn", seed)]), flush=True)


if __name__ == "__main__":
    main()
