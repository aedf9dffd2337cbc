"""The codec of what a journal keeps with a trial: written and read it is the same, and nobody else knows its names."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo.search
from zoo.search import FailureKind, Limit
from zoo.search.study_attributes import OUR_STUDY_KEYS, StudyAttributes, metric_names
from zoo.search.trial_attributes import (
    CONSTRAINT_PREFIX,
    OUR_TRIAL_KEYS,
    CheckpointPlace,
    TrialAttributes,
    TrialResult,
    judged,
    of_report,
    with_whole_steps,
)

NUMBERS = st.floats(0.0, 1e6)
CLOCKS = st.dictionaries(st.integers(0, 99), NUMBERS, max_size=4)
RUNS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3)
VALUES = st.dictionaries(st.sampled_from(["loss", "size", "latency"]), st.floats(-1e3, 1e3), max_size=3)


def through_json(*written: dict[str, Any], system: dict[str, Any] | None = None) -> TrialAttributes:
    """Return the attributes as a later process reads them, one line after the other."""
    kept: dict[str, Any] = {}
    for attrs in written:
        kept |= with_whole_steps(json.loads(json.dumps(attrs)))
    return TrialAttributes(SimpleNamespace(user_attrs=kept, system_attrs=system or {}))


RESULTS = st.one_of(
    st.builds(
        TrialResult,
        failure=st.sampled_from(list(FailureKind)),
        message=st.text(max_size=5),
        seconds=NUMBERS,
        cost=NUMBERS,
        attrs=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    ),
    st.builds(TrialResult, metrics=VALUES, stderr=VALUES, seconds=NUMBERS, cost=NUMBERS),
    st.builds(TrialResult, message=st.text(max_size=5), seconds=NUMBERS, cost=NUMBERS),
)


@given(RESULTS, CLOCKS, RUNS, NUMBERS)
def test_an_end_is_read_as_it_was_written(
    result: TrialResult, clock: dict[int, float], runs: list[tuple[float, float]], now: float
) -> None:
    read = through_json(TrialAttributes.of_ended(result, clock=clock, runs=runs, now=now))
    assert read.result == result
    assert (read.failed, read.stderr) == (result.failure is not None, result.stderr)
    assert (read.clock, read.runs, read.ended) == (clock, tuple(runs), now)
    assert read.last_moment == max([now, *clock.values(), *(end for _, end in runs)])


@given(CLOCKS, RUNS, st.integers(0, 9), st.floats(1.0, 8.0))
def test_a_trial_on_its_way_is_read_as_it_was_written(
    clock: dict[int, float], runs: list[tuple[float, float]], losses: int, scale: float
) -> None:
    paused = TrialAttributes.of_paused(clock, runs)
    assert through_json(paused).paused
    again = through_json(paused, TrialAttributes.of_resumed(), TrialAttributes.of_returned(runs, losses=losses))
    assert (again.paused, again.clock, again.runs, again.losses, again.scale) == (False, clock, tuple(runs), losses, 1)
    assert through_json(TrialAttributes.of_returned([], scale=scale)).scale == scale
    assert through_json(TrialAttributes.of_losses(losses)).losses == losses


def test_beginnings_are_read_as_they_were_written() -> None:
    queued = through_json(TrialAttributes.of_queued({"x": 1}, "prior"))
    assert (queued.queued, queued.tag, queued.params, queued.started) == ({"x": 1}, "prior", None, None)
    begun = through_json(TrialAttributes.of_begun({"x": 2.5}, 4.0))
    assert (begun.params, begun.started, begun.queued) == ({"x": 2.5}, 4.0, None)
    child = through_json(TrialAttributes.of_child(3, CheckpointPlace(5, "8/5")))
    assert (child.origin, child.checkpoint) == (3, CheckpointPlace(5, "8/5"))
    orphan = through_json(TrialAttributes.of_child(3, None))
    assert (orphan.origin, orphan.checkpoint) == (3, None)
    foreign = through_json(TrialAttributes.of_foreign({"note": "kept"}, "w1"))
    assert (foreign.params, foreign.result.failure, foreign.result.cost) == ({}, FailureKind.FOREIGN, 0.0)


def test_a_report_changes_what_it_tells_of() -> None:
    first = of_report({}, 1, {"seconds": 2.0, "metrics": {"loss": 1.0}, "checkpoint": "0/1"})
    second = of_report(first, 2, {"seconds": 3.0})
    read = through_json(first, second)
    assert (read.clock, read.last, read.checkpoint) == ({1: 2.0, 2: 3.0}, {"loss": 1.0}, CheckpointPlace(1, "0/1"))
    assert of_report({}, 1, {}) == {}


def test_thresholds_are_judged_anew_and_other_attributes_stay() -> None:
    told = TrialResult(metrics={"latency": 7.0}).written()
    trial = SimpleNamespace(user_attrs=told, system_attrs={"fixed_params": {"x": 1}})
    assert judged(trial, {}) is None
    trial.system_attrs = judged(trial, {"latency": Limit(at_most=5)}) or {}
    assert TrialAttributes(trial).missed == {"latency": 2.0}
    assert TrialAttributes(trial).fixed == {"x": 1}
    trial.system_attrs = judged(trial, {}) or {}
    assert TrialAttributes(trial).missed == {} and "fixed_params" in trial.system_attrs


def test_what_a_study_keeps_about_itself_is_read_as_it_was_written() -> None:
    kept: dict[str, Any] = {}
    study = SimpleNamespace(user_attrs=kept)
    kept |= StudyAttributes.of_identity({"space": {}}) | StudyAttributes.of_sampling({"seed": 1})
    kept |= StudyAttributes.of_limits({"size": {"at_most": 2.0}}) | StudyAttributes.of_note("spec", "text")
    for weight in range(1, 12):
        kept |= StudyAttributes(study).with_earlier(weight, [{"params": {}}])
    read = StudyAttributes(study)
    assert (read.identity, read.sampling, read.notes) == ({"space": {}}, {"seed": 1}, {"spec": "text"})
    assert read.limits == {"size": Limit(at_most=2.0)}
    assert [stored["weight"] for stored in read.earlier] == list(range(1, 12))  # not in the order of the texts
    assert set(metric_names(["a"])) <= OUR_STUDY_KEYS


def _mentions(file: Path, names: frozenset[str]) -> set[str]:
    """Return the names that a file uses as keys of a mapping."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        keys: list[ast.expr | None] = []
        if isinstance(node, ast.Attribute) and node.attr in ("user_attrs", "system_attrs"):
            found.add(node.attr)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("attrs"):
            keys = [node.slice]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attrs.get"):
            keys = list(node.args[:1])
        found |= {key.value for key in keys if isinstance(key, ast.Constant) and key.value in names}
    return found


@pytest.mark.parametrize("file", sorted(Path(zoo.search.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_nobody_else_knows_the_names(file: Path) -> None:
    codec = {"trial_attributes.py", "study_attributes.py"}
    raw = {"operations.py", "storage.py", "snapshot.py"}  # Optuna's contract hands the mappings on as they are
    found = _mentions(file, OUR_TRIAL_KEYS | OUR_STUDY_KEYS)
    if file.name not in codec:
        assert found <= ({"user_attrs", "system_attrs"} if file.name in raw else set()), f"{file} spells {found}"
        text = file.read_text(encoding="utf-8")
        assert f'"{CONSTRAINT_PREFIX}' not in text and '"evidence:' not in text
