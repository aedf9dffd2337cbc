"""What earlier studies bring: configurations to begin with, and trials that fade."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import ConfigError
from zoo.search import Float, Int, Metric, Space, Study, Trial

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))


def ask(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "study.journal"


def far(study: Study, count: int) -> None:
    for _ in range(count):
        trial = ask(study)
        study.tell(trial.number, abs(trial.params["x"] - 0.9) * 100, seconds=1.0)


def test_a_warm_start_helps_at_first_and_is_part_of_the_journal(journal: Path, tmp_path: Path) -> None:
    other_space = Space(x=Float(0.0, 1.0), colour=Int(1, 3))  # overlaps in x alone
    with Study.open(journal, other_space) as other:
        far(other, 40)
    drawn = []
    for warm in (False, True):
        with Study.open(tmp_path / f"{warm}.journal", SPACE) as study:
            if warm:
                assert study.warm_start(journal, first=2) == 40
                assert study.warm_start(journal, first=2) == 40  # again: nothing
                assert [record.tag for record in study.trials] == ["warm start"] * 2
            far(study, 2)
        with Study.open(tmp_path / f"{warm}.journal", SPACE) as study:  # the evidence is read back
            far(study, 5)
            drawn.append([abs(record.params["x"] - 0.9) for record in study.trials])
            assert study.best is not None and study.best.number < 7
    assert drawn[1][0] < 0.1, "the best-known configuration was not tried first"
    assert sum(drawn[1][2:]) < sum(drawn[0][2:])


def test_earlier_evidence_fades(journal: Path) -> None:
    with Study.open(None, SPACE) as other:
        far(other, 30)
        with Study.open(None, SPACE) as study:
            study.warm_start(other, first=0)
            counts = []
            for _ in range(4):
                counts.append(len(study._ledger.earlier[0].visible(study._ledger.storage.trials)))
                far(study, 10)
    assert counts == [30, 15, 10, 8]


def test_earlier_values_are_moved_to_the_own_scale() -> None:
    with Study.open(None, SPACE) as other, Study.open(None, SPACE) as study:
        far(other, 30)
        for _ in range(10):
            trial = ask(study)
            study.tell(trial.number, 5.0 + trial.params["x"] / 1000)
        study.warm_start(other, first=0)
        seen = study._ledger.earlier[0].visible(study._ledger.storage.trials)
        assert all(5.0 <= trial.values[0] <= 5.001 for trial in seen)
        assert [t.values for t in seen] == sorted(t.values for t in seen)


def test_a_warm_start_needs_the_same_objectives(journal: Path) -> None:
    with Study.open(None, SPACE) as study, Study.open(None, SPACE, metrics=[Metric("loss", "minimize")]) as other:
        with pytest.raises(ConfigError, match="'value' is not among"):
            study.warm_start(other)
        with Study.open(None, SPACE, direction="maximize") as third, pytest.raises(ConfigError, match="directions"):
            study.warm_start(third)
        with pytest.raises(ConfigError, match="weight"):
            study.warm_start(other, weight=0.0)
