"""One fit from a panel to a pipeline, inside its budget: the order of things."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from autots.ensembles import Ensemble, Member
from autots.evaluate import BacktestPlan, TargetCounts, plan_cutoffs
from autots.models.base import Task
from autots.models.catalog import fit_here
from autots.pipeline import Pipeline
from autots.reading.schema import Ingested
from autots.recipes import portfolio
from autots.recipes.machine_unit import unit_seconds
from autots.report import Facts
from autots.search import messages as said
from autots.search.assemble import Assembly, assemble
from autots.search.claim import JOURNAL, claim
from autots.search.engine import Search
from autots.search.history_limit import MORE_TIME, comes_too_late, recent_rows
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.leaderboard import Leaderboard
from autots.search.out_of_fold import OUT_OF_FOLD, drop_states
from autots.search.prospects import Prospects
from autots.search.report_facts import facts_of, trivial_facts
from autots.search.settings import FitSettings, RunContext
from autots.search.trivial_forecasters import first_leaderboard
from autots.search.workers import start_workers
from zoo.workers import Workers

__all__ = ["fit"]

_log = logging.getLogger(__name__)


def fit(read: Ingested, settings: FitSettings, run: RunContext) -> Pipeline:
    """Search, combine, calibrate and fit on all rows.

    Args:
        read: The table as a panel, with how it was read.
        settings: What the user asked for.
        run: The run directory, the deadline and the displays.

    Raises:
        ConfigError: The folder holds a run and ``resume`` is False, or holds the run of something else.
    """
    started = run.deadline.elapsed
    task = settings.task(read.panel)
    horizon, budget = settings.horizon, settings.budget
    panel, cut = recent_rows(read.panel, run.policy, season=max(task.seasons), horizon=horizon, budget=budget)
    plan = plan_cutoffs(
        panel.lengths,
        horizon,
        season=task.season,
        folds=settings.folds,
        cheap_rows=run.policy.refitted_rows(budget),
        seen=TargetCounts.of(panel, horizon),
    )
    fingerprint = claim(run.folder, read.panel, settings, task, resume=run.resume)
    one = _Fit(replace(read, panel=panel), settings, run, task, fingerprint, started, run.said(cut))
    if plan is None:
        return one.trivial(f"no series is long enough, or has the targets, to backtest {horizon} steps")
    if moved := said.of_moved_windows(plan):
        one.messages.append(moved)
    if why := comes_too_late(panel, plan, run.policy, run.deadline):
        one.messages.extend(run.said(MORE_TIME))
        return one.trivial(why)
    return one.searched(plan)


@dataclass(frozen=True)
class _Fit:
    """One fit whose rows and task are known.

    Args:
        read: The rows that the fit looks at.
        settings: What the user asked for.
        run: The run directory, the deadline and the displays.
        task: Horizon, seasons and quantile levels.
        fingerprint: Of data and settings, for the study.
        started: Seconds of the budget that reading took.
        messages: What is said in the report.
    """

    read: Ingested
    settings: FitSettings
    run: RunContext
    task: Task
    fingerprint: str
    started: float
    messages: list[str] = field(default_factory=list)

    def searched(self, plan: BacktestPlan) -> Pipeline:
        """Return the pipeline of a search on the windows of a plan."""
        panel, run, settings = self.read.panel, self.run, self.settings
        with ExitStack() as stack:
            run.progress.stage("starting workers")
            pool = start_workers(stack, panel, plan, self.task, settings, run, self.messages)
            run.progress.stage("trivial forecasters")
            leaderboard = first_leaderboard(
                panel,
                plan,
                self.task,
                metric_name=settings.metric,
                seed=settings.seed,
                policy=run.policy,
                deadline=run.deadline,
                messages=self.messages,
            )
            leaderboard.max_local_fit_seconds = settings.local_fit_seconds * panel.n_series
            run.interrupt.arm(polite=True)
            if leaderboard.best is None:
                return self.trivial("no window of the history tells forecasters apart, so none was chosen", leaderboard)
            search = None if pool is None else self._search(stack, leaderboard)
            try:
                assembly, facts = self._found(leaderboard, pool, search)
            except Exception as error:
                # A fault of ours must not cost the user all of the time that he gave: he gets less, and is told.
                _log.exception("choosing failed")
                why = f"choosing failed, which is a fault to report ({type(error).__name__}: {error})"
                return self.trivial(why, leaderboard)
        drop_states(run.folder / OUT_OF_FOLD, assembly.weights)
        return self._pipeline(assembly.ensemble, facts)

    def _search(self, stack: ExitStack, leaderboard: Leaderboard) -> Search:
        """Return what fills the leaderboard until the time is needed for the final fit, with its study open."""
        from autots.search.sampler import open_study

        panel, run, settings = self.read.panel, self.run, self.settings
        prospects = Prospects(
            leaderboard,
            InterimEnsemble(run.policy),
            portfolio(panel, self.task, seconds=settings.budget),
            run.policy,
            unit_seconds=unit_seconds(),
        )
        study = open_study(run.folder / JOURNAL, prospects, seed=settings.seed, fingerprint=self.fingerprint)
        return Search(
            panel,
            leaderboard,
            prospects,
            stack.enter_context(study),
            run.folder / OUT_OF_FOLD,
            run.deadline,
            settings.seed,
            run.progress,
            max_trials=settings.max_trials,
            interrupt=run.interrupt,
            policy=run.policy,
            slowdown=run.slowdown,
            messages=self.messages,
        )

    def _found(self, leaderboard: Leaderboard, pool: Workers | None, search: Search | None) -> tuple[Assembly, Facts]:
        """Search, and return the ensemble of what was found with the facts for the report."""
        run, panel, plan = self.run, self.read.panel, leaderboard.objective.plan
        if search is not None and pool is not None:
            run.progress.stage("search")
            search.run(pool)
            gained = search.ensemble.trials_without_gain
            early = said.of_early_end(gained, run.policy.patience_trials, run.deadline.remaining)
            self.messages.extend(run.said(early))
        searched = run.deadline.elapsed
        if not leaderboard.has_trials:
            interrupted = search is not None and search.interrupted
            self.messages.append(said.of_no_trial(leaderboard, self.settings.budget, interrupted=interrupted))
        run.progress.stage("final fit")
        assembly = assemble(
            leaderboard,
            panel,
            pool,
            run.deadline,
            seed=self.settings.seed,
            policy=run.policy,
            backtested=(lambda _: None) if search is None else search.backtested,
        )
        self.messages.extend(said.of_assembly(assembly))
        fitted = run.deadline.elapsed
        useful = assembly.useful_seconds + (0.0 if search is None else search.useful_seconds)
        workers = 1 if pool is None else max(pool.workers, 1)
        seconds = {"start": self.started, "search": searched - self.started, "final fit": fitted - searched}
        facts = facts_of(
            leaderboard,
            assembly,
            panel,
            self.read.report,
            title=run.title,
            settings={
                **self.settings.described(panel, self.task),
                "windows": list(plan.cutoffs[:20]),
                "useful_share": round(useful / (workers * self.settings.budget), 3),
            },
            seconds={**seconds, "total": fitted},
            messages=tuple(self.messages),
        )
        return assembly, facts

    def trivial(self, why: str, leaderboard: Leaderboard | None = None) -> Pipeline:
        """Return a pipeline with one trivial forecaster: the best one known, or seasonal naive where nothing is."""
        read, task = self.read, self.task
        season = task.season > 1 and read.panel.lengths.min() > task.season
        family, params = ("seasonal_naive" if season else "naive"), dict[str, Any]()
        best = None if leaderboard is None else leaderboard.best_trivial
        if best is not None:
            family, params = best.family, dict(best.params)
        model = fit_here(family, params, read.panel, task, self.settings.seed)
        facts = trivial_facts(
            read.panel,
            read.report,
            family,
            title=self.run.title,
            settings=self.settings.described(read.panel, task),
            seconds={"total": self.run.deadline.elapsed},
            messages=(f"{why}: {family} is returned, its intervals are uncalibrated", *self.messages),
        )
        return self._pipeline(Ensemble(task, (Member(family, model, (1.0, 1.0)),)), facts)

    def _pipeline(self, ensemble: Ensemble, facts: Facts) -> Pipeline:
        shown = self.read.schema.clock.shown
        # The times of the charts as the user's clock shows them.
        windows = tuple(replace(w, history_times=shown(w.history_times), times=shown(w.times)) for w in facts.windows)
        return Pipeline(
            self.read.schema,
            self.read.panel,
            ensemble,
            levels=self.settings.levels,
            metric_name=str(facts.settings["metric"]),
            facts=replace(facts, windows=windows),
            seed=self.settings.seed,
        )
