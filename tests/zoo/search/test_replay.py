"""A study is recomputed from its journal alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from zoo.errors import StudyError
from zoo.search import (
    Beta,
    Categorical,
    FailureKind,
    Float,
    Histogram,
    Int,
    Metric,
    Normal,
    Ordinal,
    Space,
    Study,
    Trial,
)
from zoo.search.replay import replay
from zoo.search.space import space_of
from zoo.search.suggestion import Draft

SPACE = Space(
    kind=Categorical("tree", "linear", weights=[0.7, 0.3]),
    depth=Int(1, 8, when={"kind": "tree"}, prior=Normal(4, 2)),
    rate=Float(1e-3, 1.0, log=True, prior=Beta(2, 5)),
    batch=Ordinal(16, 32, 64, default=32),
    share=Float(0.0, 1.0, prior=Histogram((0.0, 0.5, 1.0), (1.0, 3.0))),
    constraints=["rate * batch <= 40"],
)
METRICS = [Metric("loss", "minimize"), Metric("size", at_most=0.9)]


def eventful(path: Path, *, seed: int = 0) -> int:
    """Make a study with everything in it, over three openings; return the number of suggestions."""
    chance = random.Random(seed)
    asked = 0
    with Study.open(None, Space(rate=Float(1e-3, 1.0, log=True)), metrics=METRICS) as other:
        for _ in range(20):
            trial = other.ask()
            assert trial is not None
            other.tell(trial.number, {"loss": trial.params["rate"], "size": 0.5})
        for opening in range(3):
            with Study.open(path, SPACE, metrics=METRICS, seed=seed + opening // 2) as study:
                study.enqueue({"kind": "linear", "rate": 3.0}, tag=str(opening))
                if opening == 1:
                    study.warm_start(other)
                    study.set_threshold("size", at_most=0.5)
                out: list[Trial] = []
                for _ in range(14):
                    draft = study.plan()
                    if isinstance(draft, Draft) and out:
                        # Results come in while a suggestion is drawn.
                        finish(study, out.pop(0), chance)
                        trial = study.commit(draft.draw())
                        asked += 1
                    elif isinstance(draft, Draft):
                        trial = study.commit(draft.draw())
                        asked += 1
                    else:
                        assert draft is not None
                        trial = draft
                    out.append(trial)
                    while len(out) > chance.randint(1, 4):
                        finish(study, out.pop(0), chance)
    return asked


def finish(study: Study, trial: Trial, chance: random.Random) -> None:
    study.report(trial, 1, chance.random())
    fate = chance.random()
    if fate < 0.1:
        study.lose(trial.number, "gone")
    elif fate < 0.2:
        study.fail(trial.number, FailureKind.EXCEPTION, "broken")
    elif fate < 0.3:
        study.stop(trial.number, "enough")
    else:
        study.tell(trial.number, {"loss": trial.params["rate"] + chance.random(), "size": trial.params["share"]})


@pytest.mark.parametrize("seed", range(3))
def test_every_suggestion_is_recomputed_from_the_journal(tmp_path: Path, seed: int) -> None:
    asked = eventful(tmp_path / "study.journal", seed=seed)
    report = replay(tmp_path / "study.journal")
    assert report.differences == ()
    assert report.agrees and report.asked == asked and report.versions == {}


def test_a_changed_journal_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    eventful(path)
    lines = path.read_text().splitlines()
    for i, line in enumerate(lines):
        operation = json.loads(line)
        if operation.get("values"):
            lines[i] = json.dumps({**operation, "values": [-value for value in operation["values"]]})
    path.write_text("\n".join(lines) + "\n")
    report = replay(path)
    assert not report.agrees
    assert all(difference.recorded != difference.recomputed for difference in report.differences)


def test_a_study_can_be_replayed_while_it_is_open(tmp_path: Path) -> None:
    with Study.open(tmp_path / "s", Space(x=Float(0, 1))) as study:
        study.ask()
        assert replay(tmp_path / "s").asked == 1


def test_what_is_no_study_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="must be a study"):
        replay(tmp_path / "nothing")


def test_a_space_comes_back_from_its_description() -> None:
    described = json.loads(json.dumps(SPACE.describe()))
    again = space_of(described)
    assert again.describe() == SPACE.describe()
    assert list(again) == list(SPACE)


def test_defaults_are_tried_first(tmp_path: Path) -> None:
    for _ in range(2):
        with Study.open(tmp_path / "s", SPACE) as study:
            assert [record.tag for record in study.trials] == ["default"]
    with Study.open(tmp_path / "s", SPACE) as study:
        first = study.ask()
        assert first is not None and first.params["batch"] == 32
