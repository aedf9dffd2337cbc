"""A damaged line of a study's journal: said where it is, set aside on demand, and no other trial is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.cli import main
from zoo.errors import StudyError
from zoo.journal.mending import codec_of, mend
from zoo.search import FailureKind, Float, Int, Space, Study
from zoo.search.insight.view import View

SPACE = Space(x=Float(0.0, 1.0), n=Int(1, 5))
#: Lines of the study's beginning, without which the others mean nothing.
_BEGINNING = 4


def _written(path: Path) -> None:
    """Trials that were queued, ended, failed and run, in turns."""
    with Study.open(path, SPACE, sampler="random", seed=3, budget=20) as study:
        study.enqueue({"x": 0.25, "n": 2})
        study.enqueue({"x": 0.75, "n": 4})
        first, second = study.ask(), study.ask()
        assert first is not None and second is not None
        study.report(first.number, 1, 0.5)
        third = study.ask()
        assert third is not None
        study.report(second.number, 1, 0.4)
        study.tell(first.number, 0.3, seconds=1.0)
        study.fail(third.number, FailureKind.EXCEPTION, "boom")
        fourth = study.ask()
        assert fourth is not None
        study.tell(second.number, 0.2, seconds=1.0)
        study.report(fourth.number, 1, 0.9)


def _trials(path: Path) -> dict[int, Any]:
    return {r.number: (r.state, dict(r.params), r.value, dict(r.reports)) for r in View.read(path).records}


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("study") / "study.journal"
    _written(path)
    return path.read_bytes().splitlines(keepends=True)


def _of(operation: dict[str, Any], began: int) -> int:
    """Return the trial that a line is about; -1 for none."""
    return began if operation["op_code"] == 4 else operation.get("trial_id", -1)


DAMAGES = {
    "its first byte": lambda line: b"#" + line[1:],
    "a quote": lambda line: line.replace(b'"', b"!", 9).replace(b'"', b"_", 1),
    "its end": lambda line: line[:-2] + b"?\n",
    "a member's name": lambda line: line.replace(b'_id"', b'_it"').replace(b"_code", b"_cod3"),
    "its beginning": lambda line: b"\x00" * (len(line) // 2) + line[len(line) // 2 :],
    "its other half": lambda line: line[: len(line) // 2] + b"\xff" * (len(line) - len(line) // 2 - 1) + b"\n",
    "all of it": lambda line: b"\x00" * (len(line) - 1) + b"\n",
    "its end of line": lambda line: line[:-1] + b" ",
}


#: Of damages that leave too little of some lines to tell what they were: how many can be mended.
_LEAST_MENDED = {"a quote": 0.7, "a member's name": 0.7, "its beginning": 0.5, "all of it": 0.25}


@pytest.mark.parametrize("how", DAMAGES)
def test_every_line_can_be_damaged_and_the_other_trials_are_right(lines: list[bytes], tmp_path: Path, how: str) -> None:
    whole = tmp_path / "whole"
    whole.write_bytes(b"".join(lines))
    truth = _trials(whole)
    began, mended = 0, 0
    for place, line in enumerate(lines):
        operation = json.loads(line)
        bad = DAMAGES[how](line)
        hurt = {_of(operation, began)}
        if how == "its end of line" and place + 1 < len(lines):
            following = json.loads(lines[place + 1])
            hurt |= {_of(following, began + (operation["op_code"] == 4))}
        began += operation["op_code"] == 4
        if how == "its end of line" and place + 1 == len(lines):
            continue  # a torn tail
        path = tmp_path / f"{place}"
        path.write_bytes(b"".join([*lines[:place], bad, *lines[place + 1 :]]))
        with pytest.raises(StudyError, match=rf"damaged in line {place + 1} \(byte ") as caught:
            Study.open(path, SPACE, sampler="random", seed=3, budget=20)
        assert f"zoo journal mend {path}" in caught.value.hint
        try:
            done = mend(path, codec_of(path))
        except StudyError as error:
            refused = error.message
            assert "must have a beginning" in refused or "nobody can tell" in refused
            assert path.read_bytes() == b"".join([*lines[:place], bad, *lines[place + 1 :]]), "nothing was changed"
            assert place < _BEGINNING or how in _LEAST_MENDED, refused
            continue
        mended += 1
        assert done.lines[0].line == place + 1
        kept = [json.loads(one)["text"].encode("utf-8", "surrogateescape") for one in done.aside.open()]
        assert kept[0] == bad.rstrip(b"\n") or how == "its end of line"
        found = _trials(path)
        assert set(found) == set(truth)
        for number, trial in truth.items():
            assert found[number] == trial or number in hurt, f"line {place + 1}: trial {number}"
        with Study.open(path, SPACE, sampler="random", seed=3, budget=20) as study:
            trial = study.ask()
            assert trial is not None
            study.tell(trial.number, 0.1, seconds=1.0)
    assert mended >= _LEAST_MENDED.get(how, 1.0) * (len(lines) - _BEGINNING - 1)


def test_the_command_says_what_it_set_aside_and_a_second_time_there_is_nothing(
    lines: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.journal"
    path.write_bytes(b"".join([*lines[:9], b"#" + lines[9][1:], *lines[10:]]))
    assert main(["journal", "check", str(path)]) == 1
    assert "damaged in line 10" in capsys.readouterr().out
    assert main(["journal", "mend", str(path)]) == 0
    assert "line 10 (byte" in capsys.readouterr().out
    assert main(["journal", "check", str(path)]) == 0 and main(["journal", "mend", str(path)]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    notes = View.read(path)
    assert notes.records
    assert "set aside: line 10" in path.read_text()


def test_a_study_that_runs_is_not_mended(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    path.write_bytes(b"".join(lines))
    with Study.open(path, SPACE, sampler="random", seed=3), pytest.raises(StudyError, match="one driver at a time"):
        mend(path, codec_of(path))


def test_what_is_no_journal_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_text("my notes\nof today\n")
    assert main(["journal", "mend", str(tmp_path / "x")]) == 2
    assert "no line of" in capsys.readouterr().err
    assert (tmp_path / "x").read_text() == "my notes\nof today\n"
