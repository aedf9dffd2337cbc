"""What a study tells: its table, importance, timeline and page, and that Optuna's own tools read its file."""

from __future__ import annotations

import html.parser
import math
import re
from pathlib import Path
from typing import Any

import optuna
import pytest

from zoo.clock import ManualClock
from zoo.errors import StudyError
from zoo.search import Categorical, FailureKind, Float, Int, Metric, Ordinal, Space, Study, StudyOptions, Trial
from zoo.search.insight.charts import usual
from zoo.search.insight.importance import importance
from zoo.search.insight.page import render
from zoo.search.insight.timeline import timeline
from zoo.search.insight.view import View
from zoo.search.run import RunOptions, run

SPACE = Space(
    model=Categorical("tree", "linear"),
    depth=Int(1, 8, when={"model": "tree"}),
    rate=Float(1e-3, 1.0, log=True),
    idle=Float(0.0, 1.0),
    batch=Ordinal(16, 32, 64),
)
METRICS = [Metric("loss", "minimize"), Metric("size", at_most=5), Metric("note", store=True)]


def ask(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


def fill(study: Study, clock: ManualClock, count: int = 40) -> None:
    """Only ``rate`` and, for trees, ``depth`` matter; ``rate`` much more."""
    for _ in range(count):
        trial = ask(study)
        loss = math.log10(trial.params["rate"]) ** 2 + 0.1 * trial.params.get("depth", 4)
        clock.advance(2.0)
        if trial.params["rate"] > 0.8:
            study.fail(trial.number, FailureKind.EXCEPTION, "ValueError: <b>too fast</b>")
            continue
        study.report(trial, 1, loss + 1)
        study.tell(trial.number, {"loss": loss, "size": trial.params.get("depth", 1)}, stderr={"loss": 0.5})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with all states, and the file of it."""
    path, clock = tmp_path_factory.mktemp("study") / "study.journal", ManualClock()
    options = StudyOptions(max_losses=1)
    with Study.open(path, SPACE, metrics=METRICS, sampler="random", clock=clock, options=options) as study:
        fill(study, clock)
        paused = ask(study)
        study.report(paused, 3, 7.0)
        study.pause(paused.number)
        study.stop(ask(study).number, "enough")
        study.lose(ask(study).number, "a node went")
        nan = ask(study)
        study.report(nan, 1, math.nan)
        study.report(ask(study), 2, 5.5)
        study.enqueue({"rate": 0.5}, tag="mine")
    return path


def test_the_table_has_a_row_per_trial_and_says_all_of_it(filled: Path) -> None:
    with Study.open(filled, SPACE, metrics=METRICS, options=StudyOptions(max_losses=1)) as study:
        table, records = study.frame(), study.trials
        value = study.best.value if study.best is not None else None
    assert table["number"].tolist() == list(range(len(records))) and len(table) == 46
    assert table["state"].tolist() == [record.state for record in records]
    assert {"queued", "running", "paused", "complete", "stopped", "failed"} == set(table["state"])
    assert table.loc[table["feasible"], "value"].min() == value
    done = table[table["state"] == "complete"]
    assert (done["value"] == done["metrics_loss"]).all() and (done["stderr_loss"] == 0.5).all()
    assert (done["feasible"] == (done["metrics_size"] <= 5)).all()
    assert (done["ended"] - done["started"] == 2.0).all() and (done["seconds"] == 2.0).all()
    # A parameter that does not exist is missing, and the others of its column stay whole numbers.
    assert (table["params_depth"].isna() == (table["params_model"] != "tree")).all()
    assert str(table["params_depth"].dtype) == "Int64"
    kinds = table["failure"].value_counts()
    assert kinds["nan"] == 1 and kinds["lost"] == 1 and kinds["exception"] >= 1
    assert table["metrics_loss"][40] == 7.0 and math.isnan(table["value"][40]) and table["step"][40] == 3
    assert table["tag"].iloc[-1] == "mine" and math.isnan(table["started"].iloc[-1])


def test_a_journal_is_viewed_as_the_open_study_is_also_while_it_is_open(filled: Path) -> None:
    with Study.open(filled, SPACE, metrics=METRICS, options=StudyOptions(max_losses=1)) as study:
        ours, theirs = study.view(), View.read(filled)
    assert ours.records == theirs.records
    assert [metric for metric in ours.metrics] == METRICS == [metric for metric in theirs.metrics]
    assert ours.space.describe() == theirs.space.describe()
    assert ours.settings == theirs.settings and ours.settings["sampler"] == "auto"
    assert ours.best is not None and study.best is not None and ours.best.number == study.best.number


def test_edited_thresholds_are_those_of_the_view(tmp_path: Path) -> None:
    clock = ManualClock()
    with Study.open(tmp_path / "s", SPACE, metrics=METRICS, sampler="random", clock=clock) as study:
        fill(study, clock)
        study.set_threshold("size", at_most=2)
        assert {record.metrics["size"] for record in study.view().ranked} == {1.0, 2.0}
        study.set_threshold("size")
        assert study.view().metrics["size"].role == "stored"
        assert max(record.metrics["size"] for record in study.view().ranked) == 8.0


def test_importance_finds_what_matters_and_that_conditional_ones_matter_less(filled: Path) -> None:
    found = importance(View.read(filled))
    assert next(iter(found)) == "rate" and found["rate"] > 0.7
    assert found["depth"] < 0.2 and found["idle"] < 0.05 and found["batch"] < 0.05
    assert sum(found.values()) == pytest.approx(1.0)
    assert 0.5 < found.explained <= 1.0 and found.reason == ""
    assert dict(importance(View.read(filled))) == dict(found)  # the same again


def test_importance_sees_interactions_and_what_makes_trainings_fail() -> None:
    space = Space(a=Float(-1, 1), b=Float(-1, 1), c=Float(0, 1), d=Float(0, 1))
    with Study.open(None, space, sampler="random", budget=150) as study:
        while (trial := study.ask()) is not None:
            if trial.params["c"] > 0.8:
                study.fail(trial.number, FailureKind.NAN, "loss is nan")
            else:
                # Neither a nor b has an effect of its own.
                study.tell(trial.number, trial.params["a"] * trial.params["b"])
        found = study.importance
        assert study.importance is found  # nothing changed, nothing is computed again
        study.enqueue({"a": 0.0})
        assert study.importance is not found
    assert found["c"] > 0.2 and found["a"] > 0.2 and found["b"] > 0.2 and found["d"] < 0.05


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "it takes 10 trials, and there are 0"),
        ([1.0] * 9, "it takes 10 trials, and there are 9"),
        ([1.0] * 30, "all trials came to the same value"),
        ([float((7 * i * i) % 31) for i in range(30)], "the values follow no parameter so far"),
    ],
)
def test_importance_says_why_there_is_none(values: list[float], reason: str) -> None:
    with Study.open(None, Space(x=Float(0, 1)), sampler="random") as study:
        for value in values:
            study.tell(ask(study).number, value)
        found = study.importance
    assert dict(found) == {} and found.reason == reason and found.trials == len(values)


def test_importance_counts_stopped_trials_at_equal_steps() -> None:
    space = Space(good=Float(0, 1), noise=Float(0, 1))
    with Study.open(None, space, sampler="random", budget=80) as study:
        while (trial := study.ask()) is not None:
            for step in (1, 2, 3, 4, 5):
                study.report(trial, step, 10.0 / step + trial.params["good"])
                if step == 1 and trial.number % 3:
                    study.stop(trial.number, "early")
                    break
            else:
                study.tell(trial.number)
        assert study.importance["good"] > 0.8 and study.importance.trials == 80


def test_the_timeline_knows_who_was_idle() -> None:
    clock = ManualClock()

    def train(trial: Trial) -> None:
        for step in range(1, 4):
            trial.report(step, trial.params["x"], seconds=1.0 + trial.number % 2)

    with Study.open(None, Space(x=Float(0, 1)), sampler="random", budget=3, clock=clock) as study:
        run(study, train, "virtual", options=RunOptions(workers=2, quiet=True))
        found = timeline(study.view())
    # Trial 0 takes 3 s, then 2 in the same lane until 6; trial 1 takes 6 s beside them.
    assert [(r.number, r.start, r.end, r.lane) for r in found.runs] == [(0, 0, 3, 0), (1, 0, 6, 1), (2, 3, 6, 0)]
    assert found.lanes == 2 and found.idle == pytest.approx(0.0)
    with Study.open(None, Space(x=Float(0, 1)), sampler="random", budget=3, clock=ManualClock()) as study:
        study.note("spec", {"workers": 4})
        run(study, train, "virtual", options=RunOptions(workers=2, quiet=True))
        assert timeline(study.view()).idle == pytest.approx(0.5)


def test_runs_of_one_lane_never_overlap_whatever_pauses(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def train(trial: Trial) -> None:
        for step in range(1, 10):
            trial.report(step, trial.params["x"], seconds=1.0 + trial.params["x"])

    with Study.open(path, Space(x=Float(0, 1)), budget=30, stopper="asha_pause", clock=ManualClock()) as study:
        run(study, train, "virtual", options=RunOptions(workers=5, quiet=True))
    found = timeline(View.read(path))
    assert {run.state for run in found.runs} >= {"paused", "complete"} and found.lanes == 5
    last: dict[int, float] = {}
    for one in found.runs:
        assert one.start >= last.get(one.lane, 0.0) - 1e-6
        last[one.lane] = one.end
    assert 0.0 <= found.idle < 0.2


def test_trials_that_run_now_reach_to_the_present() -> None:
    clock = ManualClock()
    with Study.open(None, Space(x=Float(0, 1)), sampler="random", clock=clock) as study:
        first = ask(study)
        clock.advance(3)
        study.report(first, 1, 1.0)
        study.pause(first.number)
        clock.advance(10)
        assert ask(study).number == 1
        clock.advance(2)
        spans = [(run.number, run.start, run.end, run.state) for run in timeline(study.view()).runs]
    assert spans == [(0, 0, 3, "paused"), (1, 13, 15, "running")]


class _Page(html.parser.HTMLParser):
    """Checks that elements are closed in order, and gathers them."""

    VOID = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def count(page: _Page, tag: str, kind: str) -> int:
    return sum(name == tag and attrs.get("class") == kind for name, attrs in page.seen)


def test_the_page_is_one_file_that_shows_all_of_the_study(filled: Path, tmp_path: Path) -> None:
    with Study.open(filled, SPACE, metrics=METRICS, options=StudyOptions(max_losses=1)) as study:
        out = study.write_page(tmp_path / "deep" / "study.html")
        view = study.view()
    text = out.read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    assert list(out.parent.iterdir()) == [out]
    # Nothing is loaded and nothing is executed.
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.seen}
    assert not re.search(r"https?://|url\(|@import", text)
    assert all(not name.startswith("on") for _, attrs in page.seen for name in attrs)
    assert "<b>too fast</b>" not in text and "&lt;b&gt;too fast&lt;/b&gt;" in text
    done = view.states["complete"]
    infeasible = sum(record.state == "complete" and not record.feasible for record in view.records)
    ways = sum(count(page, "path", f"way {kind}") for kind in ("strong", "weak"))
    assert ways == done + 2 and infeasible > 0  # two in the legend
    assert count(page, "path", "way early") == 3  # the paused one, the stopped one, the legend
    history = text[text.index(">History of loss</title>") : text.index(">Learning curves</title>")]
    assert history.count('class="dot"') == done - infeasible and history.count('class="dot hollow"') == infeasible
    assert sum(tag == "rect" and (attrs.get("class") or "").startswith("run ") for tag, attrs in page.seen) >= 45
    for words in ("Importance for loss", "Failures", "too fast", "Workers", "Best trials", "exception", "lost"):
        assert words in text


def test_a_page_of_several_objectives_has_their_front() -> None:
    metrics = [Metric("loss", "minimize"), Metric("speed", "maximize")]
    with Study.open(None, Space(x=Float(0, 1), y=Float(0, 1)), metrics=metrics, sampler="random") as study:
        for _ in range(30):
            trial = ask(study)
            study.tell(trial.number, {"loss": trial.params["x"], "speed": trial.params["x"] + trial.params["y"]})
        text, front = render(study.view()), study.pareto
    page = _Page(text)
    assert count(page, "circle", "dot front") == len(front) + 1  # and the legend's
    assert ">History of speed</title>" in text and "speed against loss" in text


@pytest.mark.parametrize("done", [0, 1, 2])
@pytest.mark.parametrize("value", [0.0, -3.0, 1e300, 5e-324])
def test_a_page_can_be_made_at_any_time(done: int, value: float) -> None:
    with Study.open(None, SPACE, metrics=METRICS, clock=ManualClock()) as study:
        _Page(render(study.view()))
        for _ in range(done):
            trial = ask(study)
            study.report(trial, 1, value)
            _Page(render(study.view()))
            study.tell(trial.number, {"loss": value, "size": 1})
        text = render(study.view())
    assert _Page(text).open == [] and "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S).lower()


def test_the_chart_is_not_flattened_by_one_bad_value() -> None:
    assert usual([1.0, 1.1, 1.2, 900.0, 1.3], lower_is_better=True) == [1.0, 1.1, 1.2, 1.3]
    assert usual([1.0, 1.1, 1.2, -900.0, 1.3], lower_is_better=False) == [1.3, 1.2, 1.1, 1.0]
    # A good value is never cut off, however far it is.
    assert 900.0 in usual([1.0, 1.1, 1.2, 900.0, 1.3], lower_is_better=False)


def test_a_file_without_a_study_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="none"):
        View.read(tmp_path / "nothing.journal")
    with pytest.raises(StudyError, match="folder"):
        View.read(tmp_path)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna"))
    optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="theirs")
    with pytest.raises(StudyError, match="space"):
        View.read(tmp_path / "optuna")


def test_notes_are_kept_and_change_no_suggestion(tmp_path: Path) -> None:
    def suggestions(path: Path, *, noted: bool) -> list[Any]:
        with Study.open(path, SPACE, metrics=METRICS, seed=3) as study:
            if noted:
                study.note("who", {"name": "ada"})
                size = path.stat().st_size
                study.note("who", {"name": "ada"})
                assert path.stat().st_size == size and study.notes == {"who": {"name": "ada"}}
            clock = ManualClock()
            fill(study, clock, 15)
            return [record.params for record in study.trials]

    assert suggestions(tmp_path / "a", noted=True) == suggestions(tmp_path / "b", noted=False)
    assert View.read(tmp_path / "a").notes == {"who": {"name": "ada"}}


def test_the_journal_opens_in_optuna_unchanged(filled: Path) -> None:
    """What optuna-dashboard does: Optuna's own storage, all studies, all trials, its importance."""
    before = filled.read_bytes()
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(filled)))
    (summary,) = optuna.get_all_study_summaries(storage)
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    view = View.read(filled)
    states = {
        "complete": "COMPLETE",
        "stopped": "PRUNED",
        "paused": "RUNNING",
        "running": "RUNNING",
        "queued": "WAITING",
    }
    for frozen, record in zip(study.trials, view.records, strict=True):
        lost = record.failure is FailureKind.LOST
        assert frozen.state.name == states.get(record.state, "FAIL" if lost else "PRUNED")
        assert dict(frozen.intermediate_values) == dict(record.reports)
        assert frozen.value == record.value
        if record.state != "queued":
            assert dict(frozen.params) == dict(record.params)
        assert frozen.user_attrs.get("result", {}).get("metrics", {}) == (
            dict(record.metrics) if record.state == "complete" else {}
        )
    assert study.direction.name == "MINIMIZE" and study.metric_names == ["loss"]
    assert len(study.trials_dataframe()) == len(view.records)
    # Optuna judges by the same constraints.
    assert view.best is not None and study.best_trial.number == view.best.number
    weights = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    assert next(iter(weights)) == "rate"
    assert filled.read_bytes() == before
