"""A small search with workers in this process, whose families can be told to misbehave."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from autots.evaluate import Objective, plan_cutoffs, targets_of
from autots.metrics import METRICS
from autots.models.base import Task
from autots.recipes import Configuration, Portfolio, baselines
from autots.report.terminal import SilentProgress
from autots.search import trial as work
from autots.search.budget import BudgetPolicy
from autots.search.engine import Search
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.leaderboard import Leaderboard
from autots.search.prospects import Prospects
from autots.search.sampler import open_study
from autots.search.trivial_forecasters import backtest_trivial
from autots.testing.example_panels import example_panel
from zoo.clock import Deadline
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
        made: Any = work.answer(request, payload["panel"], payload["plan"], payload["task"], 1)
        if request.family == "croston" and payload.get("nan"):
            return dataclasses.replace(made, mean=made.mean * np.nan, quantiles=made.quantiles * np.nan)
        return made

    return answer


#: Family -> what its double does instead.
TROUBLE: dict[str, Callable[[Any], object]] = {}
SETUP = f"{__name__}:setup"


def board_of(panel=PANEL, metric="mae", task=TASK):
    plan = plan_cutoffs(panel.lengths, task.horizon, season=task.season, folds=3)
    assert plan is not None
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
        search: Any = Search(
            panel, board, prospects, study, folder / "oof", deadline, 0, SilentProgress(), max_trials=max_trials
        )
        search.run(driver, reserve=lambda workers: reserve)
        search.trials = study.trials
    return search


def found(search):
    return {(e.family, e.params.get("norm")): e for e in search.leaderboard.candidates if e.number >= 0}
