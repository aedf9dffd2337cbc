"""What comes of a search: an ensemble that is fitted, weighted, calibrated and told about."""

import dataclasses

import numpy as np
import pytest

from autots.evaluate import BacktestPlan
from autots.panel import Future
from autots.reading.report import DataReport
from autots.search.assemble import assemble
from autots.search.budget import BudgetPolicy
from autots.search.leaderboard import Candidate, Leaderboard
from autots.search.member_costs import refit_seconds
from autots.search.out_of_fold import drop_states, read_backtest, write_backtest
from autots.search.report_facts import facts_of
from tests.autots.search.search_doubles import PANEL, QUICK, SETUP, TASK, TROUBLE, board_of, run
from zoo.clock import Deadline
from zoo.errors import ArtifactError
from zoo.workers import Inline


@pytest.fixture(autouse=True)
def nobody_misbehaves_at_first():
    TROUBLE.clear()


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


@pytest.mark.parametrize("name", ["linear_direct", "trees_direct", "trees_recursive", "mlp", "rvfl"])
def test_a_final_fit_takes_longer_until_the_family_draws_no_more(name):
    plan, entry = BacktestPlan(5, (100, 50, 5), 2, (100,)), Candidate(0, name, {}, fit_seconds=10.0)
    short, long = (refit_seconds(entry, plan, np.full(n, 400), BudgetPolicy()) for n in (1, 2_000))
    assert short == pytest.approx(long * (395 / 295), rel=1e-6)
    forever = refit_seconds(dataclasses.replace(entry, family="auto_ets"), plan, np.full(2_000, 400), BudgetPolicy())
    assert forever == pytest.approx(short)


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
    assert assembly.ensemble.members[0].model.predict(PANEL, Future()).mean.shape == (4, 5)


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
