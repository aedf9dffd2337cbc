"""What the parts of a study's page hold for any study: lanes, thinning, forests, hostile texts, XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zoo.clock import ManualClock
from zoo.search import Categorical, FailureKind, Float, Int, Metric, Space, Study
from zoo.search.insight.charts import ended, thinned, trial_text, usual
from zoo.search.insight.forest import Forest
from zoo.search.insight.frame import frame, record_data
from zoo.search.insight.page import render
from zoo.search.insight.timeline import timeline
from zoo.search.insight.view import STATES, View, metric_text
from zoo.search.metrics import Metrics
from zoo.search.trial import TrialRecord

law = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

HOSTILE = "<script>alert(1)</script>\"'&"
spans = st.tuples(st.floats(0, 1e4), st.floats(0, 1e3)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def view_of(runs: list[tuple[float, float]]) -> View:
    """Return a study of trials that each ran once."""
    records = tuple(
        TrialRecord(number=i, state="complete", params={}, metrics={"loss": float(i)}, value=float(i), runs=(run,))
        for i, run in enumerate(runs)
    )
    return View("s", Space(x=Float(0, 1)), _metrics(), records, 1e5)


def _metrics() -> Metrics:
    with Study.open(None, Space(x=Float(0, 1)), metrics=[Metric("loss", "minimize")]) as study:
        return study.metrics


@settings(law, max_examples=50)
@given(st.lists(spans, max_size=30))
def test_lanes_never_overlap_and_are_no_more_than_ran_at_once(
    runs: list[tuple[float, float]],
) -> None:
    found = timeline(view_of(runs))
    last: dict[int, float] = {}
    for run in found.runs:
        assert run.start >= last.get(run.lane, 0.0) - 1e-6
        last[run.lane] = run.end
    assert sorted((run.start, run.end) for run in found.runs) == sorted(runs)
    # A run that ends where another begins leaves its lane to it.
    at_once = max((sum(a <= start and start + 1e-9 < b for a, b in runs) for start, _ in runs), default=0)
    assert at_once <= found.lanes <= max(at_once, 1) + sum(b - a < 1e-8 for a, b in runs)
    assert -1e-9 <= found.idle <= 1.0


@law
@given(st.lists(st.floats(allow_nan=False), max_size=40), st.booleans())
@example([1e308, -1e308, 0.0, 1.0], True)
def test_the_best_values_are_always_shown(values: list[float], lower: bool) -> None:
    shown = usual(values, lower_is_better=lower)
    finite = [value for value in values if np.isfinite(value)]
    assert set(shown) <= set(finite) and len(shown) >= 0.75 * len(finite)
    if finite:
        assert shown[0] == (min(finite) if lower else max(finite))
        # What is left out is worse than all that is shown.
        hidden = sorted(set(finite) - set(shown))
        assert not hidden or (min(hidden) >= max(shown) if lower else max(hidden) <= min(shown))


@law
@given(st.integers(0, 500), st.integers(1, 60))
def test_thinning_keeps_the_first_the_order_and_the_bound(count: int, most: int) -> None:
    records = [TrialRecord(number=i, state="complete", params={}) for i in range(count)]
    kept = [record.number for record in thinned(records, most)]
    assert len(kept) <= most and kept == sorted(set(kept)) and kept[:1] == [0][:count]
    if count <= most:
        assert len(kept) == count


@settings(law, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 4))
def test_a_forest_answers_within_what_it_has_seen(seed: int, rows: int, features: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.random((rows, features)), rng.normal(size=rows)
    forest = Forest(x, y, np.random.default_rng(seed))
    answers = forest.predict(rng.random((50, features)) * 4 - 2)
    assert (answers >= y.min() - 1e-12).all() and (answers <= y.max() + 1e-12).all()
    again = Forest(x, y, np.random.default_rng(seed))
    assert (again.predict(x) == forest.predict(x)).all()
    assert forest.explained <= 1.0 or np.isnan(forest.explained)


def test_a_forest_of_one_value_has_nothing_to_explain() -> None:
    forest = Forest(np.random.default_rng(0).random((20, 2)), np.ones(20), np.random.default_rng(0))
    assert np.isnan(forest.explained) and (forest.predict(np.zeros((3, 2))) == 1).all()


def test_a_forest_learns_a_step_and_is_not_fooled_by_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((200, 3))
    learned = Forest(x, (x[:, 1] > 0.5).astype(float), rng)
    assert learned.explained > 0.8
    low, high = learned.predict(np.array([[0.5, 0.1, 0.5], [0.5, 0.9, 0.5]]))
    assert low < 0.2 and high > 0.8
    assert Forest(x, rng.normal(size=200), rng).explained < 0.2


@pytest.fixture(scope="module")
def hostile() -> View:
    """A study whose texts are what somebody would try."""
    space = Space(
        model=Categorical("tree", HOSTILE), depth=Int(1, 8, when={"model": "tree"}), rate=Float(1e-6, 1, log=True)
    )
    clock = ManualClock()
    with Study.open(None, space, metrics=[Metric(HOSTILE, "minimize")], sampler="random", clock=clock, seed=1) as study:
        for i in range(40):
            trial = study.ask()
            assert trial is not None
            clock.advance(3.0)
            study.report(trial, 1, float(i % 7))
            if i % 5 == 0:
                study.fail(trial.number, FailureKind.EXCEPTION, HOSTILE)
            else:
                study.tell(trial.number, float(i % 7) * 1e9)
        study.enqueue({"rate": 0.5}, tag=HOSTILE)
        return study.view()


def test_no_text_of_a_study_becomes_markup(hostile: View) -> None:
    page = render(hostile)
    assert "<script" not in page and page.count("&lt;script&gt;") > 20
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.S)
    assert len(drawings) > 6
    for text in drawings:
        drawing = ElementTree.fromstring(text.replace("\u00a0", " "))
        assert drawing.get("aria-hidden") == "true" or {"title", "desc"} <= {child.tag for child in drawing}
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 6


def test_every_trial_is_a_row_and_a_document(hostile: View) -> None:
    table = frame(hostile)
    assert table["number"].tolist() == [record.number for record in hostile.records]
    for record in hostile.records:
        data = record_data(hostile, record)
        assert data["number"] == record.number and data["state"] in STATES
        assert str(record.number) in trial_text(hostile, record)
        assert ended(record) >= (record.started or 0.0)
    assert sum(hostile.states.values()) == len(hostile.records)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (Metric("loss", "minimize"), "minimize loss"),
        (Metric("size", at_most=5), "size at most 5"),
        (Metric("speed", "maximize", at_least=0.5), "maximize speed, at least 0.5"),
        (Metric("note", store=True), "note (kept)"),
    ],
)
def test_a_metric_says_what_it_is_for(metric: Metric, text: str) -> None:
    assert metric_text(metric) == text
