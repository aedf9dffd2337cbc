"""The study of a fit: its sampler hands out the portfolio, stays in the family it chose, and resumes what it paused."""

from __future__ import annotations

from pathlib import Path

import pytest

from autots.recipes import Configuration, Portfolio
from autots.recipes.space import to_point
from autots.search.budget import BudgetPolicy
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.prospects import PausedCandidate, Prospects
from autots.search.sampler import open_study
from tests.autots.search.search_doubles import board_of

CONFIGURATIONS = (Configuration("linear_direct", {"norm": "last"}), Configuration("auto_theta", {"method": "DOTM"}))


def prospects_of(*configurations: Configuration, searched: tuple[str, ...] = ()) -> Prospects:
    portfolio = Portfolio(configurations, searched, {})
    return Prospects(board_of(), InterimEnsemble(BudgetPolicy()), portfolio, BudgetPolicy())


def test_the_portfolio_is_handed_out_once_each_as_it_stands(tmp_path: Path) -> None:
    prospects = prospects_of(*CONFIGURATIONS)
    with open_study(tmp_path / "study.journal", prospects, seed=0) as study:
        asked = [study.ask(), study.ask()]
        assert [trial.params for trial in asked if trial] == [to_point(c.family, c.params) for c in CONFIGURATIONS]
        assert prospects.begun == {0, 1}
        assert prospects.best() is None


def test_what_is_drawn_stays_in_its_family_though_points_near_it_were_tried(tmp_path: Path) -> None:
    """Found in a fit of hospital: an untried point beside a known one was of another family, "drift"."""
    prospects = prospects_of(searched=("linear_direct",))
    prospects.running = ["linear_direct"]
    with open_study(tmp_path / "study.journal", prospects, seed=0) as study:
        for _ in range(25):
            trial = study.ask()
            assert trial is not None and trial.params["family"] == "linear_direct"
            study.tell(trial.number, 1.0)
        assert len({str(record.params) for record in study.trials}) == 25


def test_a_paused_trial_goes_on_when_it_promises_most(tmp_path: Path) -> None:
    prospects = prospects_of(*CONFIGURATIONS)
    with open_study(tmp_path / "study.journal", prospects, seed=0) as study:
        first = study.ask()
        assert first is not None
        assert study.report(first.number, 30, 0.9) == "pause"
        prospects.paused[first.number] = PausedCandidate("auto_theta", 0.3, 1.0, gain=0.2, reached=100)
        again = study.ask()
        assert again is not None and again.number == first.number
        prospects.paused.clear()
        other = study.ask()
        assert other is not None and other.number != first.number


def test_a_queued_point_is_completed_whatever_promises_most(tmp_path: Path) -> None:
    prospects = prospects_of(*CONFIGURATIONS)
    with open_study(tmp_path / "study.journal", prospects, seed=0) as study:
        study.enqueue({"family": "mean"}, tag="again")
        trial = study.ask()
        assert trial is not None and trial.params["family"] == "mean"
        assert not prospects.begun


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_draws_the_same_in_another_study(tmp_path: Path, seed: int) -> None:
    drawn = []
    for name in "ab":
        prospects = prospects_of(searched=("mlp",))
        prospects.running = ["mlp"]
        with open_study(tmp_path / f"{name}.journal", prospects, seed=seed) as study:
            trials = [study.ask() for _ in range(4)]
            drawn.append([trial.params for trial in trials if trial is not None])
    assert drawn[0] == drawn[1]
