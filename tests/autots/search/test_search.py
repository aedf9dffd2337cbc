"""The search with the Inline driver: no cluster, real models on a tiny panel, and doubles for what goes wrong."""

import dataclasses

import numpy as np
import pytest

from autots.ensembles import ROUNDS, ensemble_weights
from autots.evaluate import Objective, plan_cutoffs, targets_of
from autots.metrics import METRICS
from autots.models.base import Task
from autots.reading.report import DataReport
from autots.recipes import Configuration, Portfolio, baselines
from autots.report.terminal import SilentProgress
from autots.search import trial as work
from autots.search.assemble import assemble
from autots.search.budget import BudgetPolicy
from autots.search.engine import Search
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.leaderboard import Leaderboard
from autots.search.out_of_fold import drop_states, read_backtest, write_backtest
from autots.search.prospects import Prospects
from autots.search.report_facts import facts_of
from autots.search.sampler import open_study
from autots.search.trivial_forecasters import backtest_trivial
from autots.testing.example_panels import example_panel, panel_of
from zoo.clock import Deadline, ManualClock
from zoo.errors import ArtifactError
from zoo.search import FailureKind
from zoo.workers import Inline

TASK = Task(horizon=5, seasons=(4,), levels=(0.1, 0.5, 0.9))
PANEL = example_panel()
QUICK = Portfolio(
    (
        Configuration("linear_direct"),
        Configuration("croston"),
        Configuration("mean", {}),
        Configuration("linear_direct", {"norm": "last"}),
    ),
    (),
    {},
)


def setup(payload):
    """Answer like a worker, and let doubles of families misbehave."""

    def answer(request):
        trouble = TROUBLE.get(request.family) if request.kind == payload.get("when", request.kind) else None
        if trouble is not None:
            trouble(request)
        made = work.answer(request, payload["panel"], payload["plan"], payload["task"], 1)
        if request.family == "croston" and payload.get("nan"):
            return dataclasses.replace(made, mean=made.mean * np.nan, quantiles=made.quantiles * np.nan)
        return made

    return answer


TROUBLE = {}
SETUP = f"{__name__}:setup"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let the driver find this file by its name, whatever the import mode; nobody misbehaves at first."""
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__("types").ModuleType(__name__))
    monkeypatch.setattr(sys.modules[__name__], "setup", setup, raising=False)
    TROUBLE.clear()


def board_of(panel=PANEL, metric="mae", task=TASK):
    plan = plan_cutoffs(panel.lengths, task.horizon, season=task.season, folds=3)
    board = Leaderboard(Objective(METRICS[metric], plan, targets_of(panel, plan, task.season), task))
    backtest_trivial(baselines(panel, task), panel, board, seed=0, policy=BudgetPolicy())
    return board


def run(folder, *, portfolio=QUICK, panel=PANEL, max_trials=None, clock=None, budget=1000.0, reserve=0.0, **payload):
    """Search in ``folder`` until everything is tried, and return the search."""
    board = board_of(panel)
    plan = board.objective.plan
    deadline = Deadline.after(budget, clock)
    prospects = Prospects(board, InterimEnsemble(BudgetPolicy()), portfolio, BudgetPolicy())
    with open_study(folder / "study.journal", prospects, seed=0) as study:
        driver = Inline(SETUP, payload={"panel": panel, "plan": plan, "task": TASK, **payload})
        search = Search(
            panel, board, prospects, study, folder / "oof", deadline, 0, SilentProgress(), max_trials=max_trials
        )
        search.run(driver, reserve=lambda workers: reserve)
        search.trials = study.trials
    return search


def found(search):
    return {(e.family, e.params.get("norm")): e for e in search.leaderboard.candidates if e.number >= 0}


def test_the_whole_portfolio_is_tried_and_told(tmp_path):
    search = run(tmp_path)
    assert [t.state for t in search.trials] == ["complete"] * 4
    assert [t.params["family"] for t in search.trials] == ["linear_direct", "croston", "mean", "linear_direct"]
    done = [e for e in search.leaderboard.candidates if e.number >= 0]
    assert {e.status for e in done} == {"complete"}
    for record, entry in zip(search.trials, sorted(done, key=lambda e: e.number), strict=True):
        assert record.value == pytest.approx(entry.score)
        np.testing.assert_array_equal(
            read_backtest(tmp_path / "oof" / f"{record.number}.npz").mean, entry.backtest.mean
        )


def test_trivial_forecasters_are_entries_and_seasonal_naive_is_the_reference():
    board = board_of()
    assert [e.number for e in board.candidates] == list(range(-1, -1 - len(board.candidates), -1))
    naive = next(e for e in board.candidates if e.number == -1)
    assert naive.family == "seasonal_naive"
    assert board.reference == naive.score
    assert board.skill(naive.score / 2) == pytest.approx(0.5)


def test_families_with_nothing_to_search_end_with_the_portfolio(tmp_path):
    search = run(tmp_path, portfolio=Portfolio((Configuration("mean"),), (), {}))
    assert len(search.trials) == 1


def test_a_searched_family_goes_on_until_the_bound(tmp_path):
    portfolio = Portfolio(
        (Configuration("linear_direct"),), ("linear_direct",), {"linear_direct": {"max_windows": 500}}
    )
    bound = len(board_of().candidates) + 5
    search = run(tmp_path, portfolio=portfolio, max_trials=bound)
    assert len(search.trials) == 5
    assert {t.params["family"] for t in search.trials} == {"linear_direct"}
    assert len({str(t.params) for t in search.trials}) == 5
    assert all(e.params["max_windows"] == 500 for e in search.leaderboard.candidates if e.number >= 0)


def test_the_same_seed_gives_the_same_leaderboard(tmp_path):
    portfolio = Portfolio(
        (Configuration("linear_direct"),), ("linear_direct",), {"linear_direct": {"max_windows": 500}}
    )
    bound = len(board_of().candidates) + 4
    a, b = (run(tmp_path / name, portfolio=portfolio, max_trials=bound) for name in "ab")
    assert [(e.model, e.params, e.score) for e in a.leaderboard.complete] == [
        (e.model, e.params, e.score) for e in b.leaderboard.complete
    ]


def test_a_resumed_search_reads_back_what_was_done_and_runs_none_of_it_again(tmp_path):
    first = run(tmp_path)

    def forbidden(request):
        raise AssertionError("this was done before")

    TROUBLE.update({c.family: forbidden for c in QUICK.configurations})
    second = run(tmp_path)
    assert len(second.trials) == 4
    assert {k: e.score for k, e in found(second).items()} == {k: e.score for k, e in found(first).items()}
    np.testing.assert_array_equal(
        found(second)["croston", None].backtest.mean, found(first)["croston", None].backtest.mean
    )


def test_a_trial_that_was_running_when_the_driver_died_is_run_again_under_its_number(tmp_path):
    prospects = Prospects(board_of(), InterimEnsemble(BudgetPolicy()), QUICK, BudgetPolicy())
    with open_study(tmp_path / "study.journal", prospects, seed=0) as study:
        study.enqueue({"family": "mean"}, tag="portfolio")
        number = study.ask().number
    search = run(tmp_path, portfolio=Portfolio((), (), {}))
    assert [t.state for t in search.trials] == ["complete"]
    assert found(search)["mean", None].number == number


def test_a_damaged_file_is_named_and_does_not_count(tmp_path):
    run(tmp_path)
    (tmp_path / "oof" / "1.npz").write_bytes(b"not an archive")
    search = run(tmp_path)
    assert 1 not in {e.number for e in search.leaderboard.candidates}
    assert len(search.messages) == 1
    assert "trial 1 could not be read back" in search.messages[0]


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_torn_file_of_forecasts_is_an_artifact_error(tmp_path, cut):
    made = next(e.backtest for e in board_of().candidates)
    write_backtest(tmp_path / "0.npz", made)
    np.testing.assert_array_equal(read_backtest(tmp_path / "0.npz").quantiles, made.quantiles)
    whole = (tmp_path / "0.npz").read_bytes()
    (tmp_path / "0.npz").write_bytes(whole[:cut])
    with pytest.raises(ArtifactError):
        read_backtest(tmp_path / "0.npz")
    with pytest.raises(ArtifactError):
        read_backtest(tmp_path / "none.npz")


def test_a_model_whose_forecasts_are_not_numbers_is_a_failed_entry(tmp_path):
    search = run(tmp_path, nan=True)
    entry = found(search)["croston", None]
    assert (entry.status, entry.backtest) == ("failed", None)
    assert search.trials[1].failure is FailureKind.NAN
    assert not (tmp_path / "oof" / "1.npz").exists()


def test_a_crash_is_a_failed_entry_with_its_message_and_harms_no_other(tmp_path):
    def crash(request):
        raise RuntimeError("singular matrix")

    TROUBLE["croston"] = crash
    search = run(tmp_path)
    entry = found(search)["croston", None]
    assert entry.status == "failed"
    assert "singular matrix" in entry.note
    assert search.trials[1].failure is FailureKind.EXCEPTION
    assert [t.state for t in search.trials].count("complete") == 3


def test_exhausted_memory_is_told_apart(tmp_path):
    def greedy(request):
        raise MemoryError

    TROUBLE["croston"] = greedy
    assert run(tmp_path).trials[1].failure is FailureKind.MEMORY


def test_a_budget_that_is_over_starts_nothing(tmp_path):
    clock = ManualClock()
    search = run(tmp_path, clock=clock, budget=10.0, reserve=10.0)
    assert not search.trials
    assert all(e.number < 0 for e in search.leaderboard.candidates)


def test_the_reserve_ends_the_search_in_time(tmp_path):
    clock = ManualClock()

    def slow(request):
        clock.advance(4.0)

    TROUBLE.update({"linear_direct": slow, "croston": slow, "mean": slow})
    search = run(tmp_path, clock=clock, budget=10.0, reserve=3.0)
    done = [t for t in search.trials if t.state == "complete"]
    assert 1 <= len(done) <= 2
    assert clock.now() <= 10.0


def test_time_is_kept_for_weighing_what_was_found(tmp_path):
    """Found on car_parts: 5 s of weighing 55 candidates were in no reserve, and the fit ended 0.4 s late."""
    search = run(tmp_path, budget=20.0)
    assert search.ensemble.weighing_seconds > 0
    search.ensemble.weighing_seconds = 0.0
    before = search.reserve(2)
    search.ensemble.weighing_seconds = 1e-3
    targets = search.leaderboard.objective.targets.actual.size
    assert search.reserve(2) - before == pytest.approx(1e-3 * ROUNDS * targets)


def test_time_is_kept_for_what_all_windows_choose(tmp_path):
    """Found on bike_sharing: 12 of 60 s were kept for a network that the windows after the selection's then dropped."""
    search = run(tmp_path)
    done = search.leaderboard.complete
    weights = ensemble_weights(
        search.leaderboard.objective, [e.backtest for e in done], part="all", rounds=10, kinds=[e.kind for e in done]
    )
    assert search.leaderboard.objective.has_final
    assert search.ensemble.final_weights == {e.number: w for e, w in zip(done, weights, strict=True) if w > 0}


def test_an_interrupt_keeps_what_was_found(tmp_path):
    def interrupt(request):
        raise KeyboardInterrupt

    TROUBLE["croston"] = interrupt
    search = run(tmp_path)
    assert search.interrupted
    assert "interrupted" in search.messages[0]
    assert found(search)["linear_direct", "standard"].status == "complete"


def test_local_models_are_tried_on_some_series_before_all_are_paid_for(tmp_path):
    rng = np.random.default_rng(0)
    panel = panel_of([10 + np.cumsum(rng.normal(size=40)) for _ in range(60)])
    asked = []
    TROUBLE["auto_theta"] = lambda request: asked.append((request.rows, request.fits))
    search = run(tmp_path, panel=panel, portfolio=Portfolio((Configuration("auto_theta"),), (), {}))
    # It costs little, so it is fitted anew before each window: its parameters must not age.
    assert [(len(rows), fits) for rows, fits in asked] == [(15, 3), (45, 3)]
    assert not set(asked[0][0]) & set(asked[1][0])
    assert [e.status for e in search.leaderboard.candidates if e.number >= 0] == ["complete"]


def assembled(folder, deadline=None, **payload):
    search = run(folder)
    plan = search.leaderboard.objective.plan
    driver = Inline(SETUP, payload={"panel": PANEL, "plan": plan, "task": TASK, **payload})
    deadline = deadline or Deadline.after(1000.0)
    return search, assemble(search.leaderboard, PANEL, driver, deadline, seed=0)


def test_the_ensemble_is_fitted_weighted_and_calibrated(tmp_path):
    search, assembly = assembled(tmp_path)
    np.testing.assert_allclose(np.sum([m.weight for m in assembly.ensemble.members], axis=0), 1.0)
    assert assembly.ensemble.conformal is not None
    assert [m.weight for m in assembly.ensemble.members] == list(assembly.weights.values())
    final = search.leaderboard.objective.windows("final")
    assert assembly.unseen.mean.shape == search.leaderboard.candidates[0].backtest.mean[final].shape
    assert (np.diff(assembly.unseen.quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize(("budget", "seconds", "kept"), [(60.0, 1.0, False), (300.0, 1.0, True), (1000.0, 10.0, False)])
def test_members_that_would_make_forecasts_slow_for_the_budget_are_left_out(tmp_path, budget, seconds, kept):
    search, assembly = assembled(tmp_path)
    slow = min(assembly.weights, key=lambda n: max(assembly.weights[n]))
    windows = len(search.leaderboard.objective.plan.cutoffs)
    search.leaderboard.candidates = [
        dataclasses.replace(e, predict_seconds=seconds * windows) if e.number == slow else e
        for e in search.leaderboard.candidates
    ]
    again = assemble(search.leaderboard, PANEL, None, Deadline.after(budget), seed=0)
    left_out = set() if kept else {slow}
    assert set(again.weights) == set(assembly.weights) - left_out
    np.testing.assert_allclose(np.sum([m.weight for m in again.ensemble.members], axis=0), 1.0)


def test_the_reported_windows_chose_nothing(tmp_path):
    """Changing what came in the final windows changes the delivered ensemble, never the one that is reported."""
    search, assembly = assembled(tmp_path)
    objective = search.leaderboard.objective
    changed = objective.targets.actual.copy()
    changed[objective.windows("final")] = 1e3 * np.random.default_rng(0).normal(size=changed[-1:].shape)
    board = Leaderboard(dataclasses.replace(objective, targets=dataclasses.replace(objective.targets, actual=changed)))
    board.candidates = search.leaderboard.candidates
    again = assemble(board, PANEL, None, Deadline.after(1000.0), seed=0)
    assert again.unseen_weights == assembly.unseen_weights
    np.testing.assert_array_equal(again.unseen.mean, assembly.unseen.mean)
    np.testing.assert_array_equal(again.unseen.quantiles, assembly.unseen.quantiles)


def test_when_no_fit_comes_back_a_trivial_forecaster_is_delivered(tmp_path):
    def crash(request):
        raise RuntimeError("lost")

    search = run(tmp_path)
    TROUBLE.update({c.family: crash for c in QUICK.configurations})
    plan = search.leaderboard.objective.plan
    driver = Inline(SETUP, payload={"panel": PANEL, "plan": plan, "task": TASK, "when": "fit"})
    assembly = assemble(search.leaderboard, PANEL, driver, Deadline.after(1000.0), seed=0)
    assert all(n < 0 for n in assembly.weights)
    np.testing.assert_allclose(np.sum([m.weight for m in assembly.ensemble.members], axis=0), 1.0)
    assert assembly.ensemble.members[0].model.predict(PANEL, None).mean.shape == (4, 5)


def test_when_no_fit_comes_back_the_members_stay_as_they_were_backtested(tmp_path):
    def crash(request):
        raise RuntimeError("lost")

    search = run(tmp_path)
    TROUBLE.update({c.family: crash for c in QUICK.configurations})
    plan = search.leaderboard.objective.plan
    driver = Inline(SETUP, payload={"panel": PANEL, "plan": plan, "task": TASK, "when": "fit"})
    deadline = Deadline.after(1000.0)
    assembly = assemble(search.leaderboard, PANEL, driver, deadline, seed=0, backtested=search.backtested)
    assert any(n >= 0 for n in assembly.weights)
    assert assembly.left_out == ()
    assert len(assembly.not_refitted) == sum(n >= 0 for n in assembly.weights)
    # Each forecasts from the end of the panel what it forecast from the last cutoff: it learned before that.
    known = {e.number: e for e in search.leaderboard.complete}
    for number, member in zip(assembly.weights, assembly.ensemble.members, strict=True):
        if number >= 0:
            history, future, _ = PANEL.cutoff(plan.cutoffs[-1], plan.horizon)
            made = member.model.predict(history, future)
            np.testing.assert_allclose(made.mean, known[number].backtest.mean[-1], rtol=1e-4)


def test_states_are_kept_on_disk_for_members_alone(tmp_path):
    search = run(tmp_path)
    assert all(e.backtest.state is None for e in search.leaderboard.complete if e.number >= 0)
    kept = search.leaderboard.best.number
    drop_states(tmp_path / "oof", [kept])
    assert {f.stem for f in (tmp_path / "oof").glob("*.json")} == {str(kept)}
    assert search.backtested(search.leaderboard.best) is not None
    other = next(e for e in search.leaderboard.complete if e.number not in (kept, -1) and e.number >= 0)
    assert search.backtested(other) is None
    (tmp_path / "oof" / f"{kept}.json").write_text("{}")
    assert search.backtested(search.leaderboard.best) is None


def test_members_of_whom_one_is_lost_share_its_weight(tmp_path):
    def crash(request):
        raise RuntimeError("lost")

    search, whole = assembled(tmp_path / "whole")
    lost = whole.ensemble.members[0].family
    TROUBLE[lost] = crash
    plan = search.leaderboard.objective.plan
    driver = Inline(SETUP, payload={"panel": PANEL, "plan": plan, "task": TASK, "when": "fit"})
    assembly = assemble(search.leaderboard, PANEL, driver, Deadline.after(1000.0), seed=0)
    assert lost not in {m.family for m in assembly.ensemble.members}
    np.testing.assert_allclose(np.sum([m.weight for m in assembly.ensemble.members], axis=0), 1.0)


def test_the_facts_tell_what_happened(tmp_path):
    search, assembly = assembled(tmp_path)
    report = DataReport((), 4, 203, "1", "0", "59", (4,), 0.0, 0.0, (40, 51.5, 60))
    facts = facts_of(
        search.leaderboard, assembly, PANEL, report, title="t", settings={}, seconds={}, messages=("hello",)
    )
    board = facts.leaderboard
    assert board["family"].iloc[0] == "ensemble"
    assert board["weight"].iloc[1:].sum() == pytest.approx(1.0)
    complete = board[board["status"] == "complete"]["score"].iloc[1:]
    assert complete.is_monotonic_increasing
    naive = board[board["model"] == "seasonal_naive"]
    assert naive["skill"].iloc[0] == pytest.approx(0.0)
    assert set(facts.final) == {"ensemble", "seasonal_naive"}
    assert facts.final["ensemble"]["mae"] == pytest.approx(board["final_score"].iloc[0])
    assert len(facts.windows) > 0
    assert facts.messages == ("hello",)


def test_forecasts_of_other_windows_or_levels_are_not_read_back(tmp_path):
    """Versions before 1 December kept whole levels in four bytes, and laid windows into outages."""
    high = dataclasses.replace(PANEL, y=PANEL.y + 1e9)
    boards = {"low": board_of(), "high": board_of(high)}
    for name, board in boards.items():
        targets = board.objective.targets
        made = board.candidates[0].backtest
        write_backtest(tmp_path / f"{name}.npz", made, targets)
        np.testing.assert_array_equal(read_backtest(tmp_path / f"{name}.npz", targets).mean, made.mean)
    assert boards["low"].objective.targets.offset is None
    for name, other in (("low", "high"), ("high", "low")):
        with pytest.raises(ArtifactError, match="another version"):
            read_backtest(tmp_path / f"{name}.npz", boards[other].objective.targets)
    fewer = dataclasses.replace(boards["low"].objective.targets, actual=boards["low"].objective.targets.actual[1:])
    with pytest.raises(ArtifactError, match="windows"):
        read_backtest(tmp_path / "low.npz", fewer)


@pytest.mark.parametrize("metric", ["mae", "mse", "mase", "sql"])
@pytest.mark.parametrize("level", [1e6, 1e9, 1e12])
def test_scores_do_not_depend_on_the_level(metric, level):
    # From a level on at which no quantile touches zero.
    plain, high = (board_of(dataclasses.replace(PANEL, y=PANEL.y + c), metric) for c in (1e4, level))
    last = [slice(-1, None)] * 2
    for pair in zip(plain.candidates, high.candidates, strict=True):
        if pair[0].family != "zero":
            assert pair[1].score == pytest.approx(pair[0].score, rel=2e-4)
            made = [e.backtest for e in pair]
            final = [
                board.objective.scores(m.mean[at], m.quantiles[at], "final")["mae"]
                for board, m, at in zip((plain, high), made, last, strict=True)
            ]
            assert final[1] == pytest.approx(final[0], rel=2e-4)
