"""The search: what it tries, tells, resumes and survives."""

import numpy as np
import pytest

from autots.ensembles import ROUNDS, ensemble_weights
from autots.recipes import Configuration, Portfolio
from autots.search.budget import BudgetPolicy
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.out_of_fold import read_backtest, write_backtest
from autots.search.prospects import Prospects
from autots.search.sampler import open_study
from autots.testing.example_panels import panel_of
from tests.autots.search.search_doubles import QUICK, TROUBLE, board_of, found, run
from zoo.clock import ManualClock
from zoo.errors import ArtifactError
from zoo.search import FailureKind


@pytest.fixture(autouse=True)
def nobody_misbehaves_at_first():
    TROUBLE.clear()


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
        asked = study.ask()
        assert asked is not None
        number = asked.number
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
