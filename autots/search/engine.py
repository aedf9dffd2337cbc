"""The search of one fit: what is tried next, until when, and what is kept.

The study's journal is the only record of the trials, and ``oof/<number>.npz`` beside it of their forecasts; a trial is
told only after its file is whole. So a killed process loses nothing that was finished (design decision 4). How long
things may take is ``BudgetPolicy``'s matter; what the ensemble would be now, ``InterimEnsemble``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.evaluate import MAX_FITS, Backtest, Objective
from autots.models.base import Forecaster
from autots.models.catalog import create
from autots.models.catalog import family as family_class
from autots.panel import Panel
from autots.recipes import Portfolio
from autots.recipes.space import from_point, to_point
from autots.report.terminal import FitProgress
from autots.search.budget import BudgetPolicy, MeasuredSpeed
from autots.search.interim_ensemble import InterimEnsemble, choose_family
from autots.search.leaderboard import Candidate, Leaderboard, Status
from autots.search.member_costs import reserve_seconds
from autots.search.out_of_fold import read_backtest, read_state, write_backtest
from autots.search.trial import WorkRequest
from zoo.clock import Deadline
from zoo.errors import ArtifactError
from zoo.interrupt import Interrupt
from zoo.search import FailureKind, Study
from zoo.workers import Event, Workers

__all__ = ["Search"]

_FAILURES = {"timeout": FailureKind.TIME_LIMIT, "memory": FailureKind.MEMORY, "lost": FailureKind.LOST}
# Seconds between two looks at the clock while workers are busy, at least and at most.
_MIN_WAIT, _MAX_WAIT = 0.05, 0.5


@dataclass(frozen=True)
class TrialAssignment:
    """A trial as it is given to a worker.

    Args:
        number: Its number in the study.
        family: The name of its class in the catalog of models.
        params: All hyper-parameters that it is created with.
        rows: The series of a sample, or None for all of them.
        fits: How often its backtest fits; None for what the plan says.
        expected: Seconds that it will take, as its sample tells; 0 where nothing is known.
    """

    number: int
    family: str
    params: dict[str, Any]
    rows: tuple[int, ...] | None = None
    fits: int | None = None
    expected: float = 0.0


@dataclass
class Search:
    """Runs trials until the time is needed for the final fit.

    Args:
        panel: The series, with all rows that the fit looks at.
        leaderboard: Where the candidates go; the trivial forecasters are there already.
        portfolio: The configurations to begin with, and the families to go on with.
        study: The durable record of the trials.
        folder: Where out-of-fold forecasts are kept.
        deadline: When the whole fit must be done.
        seed: Source of chance of the trials and of the choice of families.
        progress: A display that is told of each trial.
        max_trials: Bound on the number of candidates, for tests; None for no bound.
        interrupt: Whether the user wants an early end.
        policy: How the budget is spent.
        slowdown: Seconds that work takes for each second of processor time; 1 by default.

    Attributes:
        interrupted: Whether the user did.
        ensemble: What the candidates so far would make.
        messages: What is said in the report, by this search and before it.
    """

    panel: Panel
    leaderboard: Leaderboard
    portfolio: Portfolio
    study: Study
    folder: Path
    deadline: Deadline
    seed: int
    progress: FitProgress
    max_trials: int | None = None
    interrupt: Interrupt = field(default_factory=Interrupt)
    policy: BudgetPolicy = field(default_factory=BudgetPolicy)
    slowdown: float = 1.0
    interrupted: bool = False
    messages: list[str] = field(default_factory=list)
    _running: dict[str, TrialAssignment] = field(default_factory=dict)
    _waiting: list[TrialAssignment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ensemble = InterimEnsemble(self.policy)

    def run(self, pool: Workers, *, reserve: Callable[[int], float] | None = None) -> None:
        """Try candidates until the reserve is all that is left, the patience ends, or the user interrupts.

        Args:
            pool: Runs the trials on its workers, or in this process.
            reserve: Seconds to keep for a number of workers; what ``reserve`` of this search says by default.
        """
        keep = reserve or self.reserve
        self._resume()
        for configuration in self.portfolio.configurations:
            self.study.enqueue(to_point(configuration.family, configuration.params), tag="portfolio")
        try:
            while not self._over(keep(pool.workers)):
                left = self.policy.search_left(self.deadline.remaining, keep(pool.workers), self.deadline.budget)
                while pool.idle > 0 and self._submit(pool, left):
                    pass
                if not pool.running:
                    break
                for event in pool.wait(min(_MAX_WAIT, max(left, _MIN_WAIT))):
                    self._take(event)
                self._show(pool)
            self._drain(pool)
        except KeyboardInterrupt:
            self.interrupted = True
        self.interrupted |= self.interrupt.requested
        if self.interrupted:
            self.messages.append("interrupted: the best found until then was assembled")
        self._give_up(pool)

    def reserve(self, workers: int) -> float:
        """Return the seconds to keep for the final fit, the calibration and the report."""
        return reserve_seconds(
            self.policy,
            self._objective,
            {c.number: c for c in self.leaderboard.complete},
            self.ensemble.final_weights,
            MeasuredSpeed(self.slowdown, self.leaderboard.scoring_seconds, self.ensemble.weighing_seconds),
            lengths=self.panel.lengths,
            workers=workers,
            budget=self.deadline.budget,
        )

    def backtested(self, candidate: Candidate) -> Forecaster | None:
        """Return a candidate as its last backtest left it; None where that was not kept."""
        state = read_state(self._file(candidate.number))
        return None if state is None else create(candidate.family, **candidate.params).restore(state)

    @property
    def _objective(self) -> Objective:
        return self.leaderboard.objective

    # When it ends ----------------------------------------------------------------------------------------------------

    def _over(self, reserve: float) -> bool:
        if self._has_enough and not self._running:
            return True
        if self.interrupt.requested or self.deadline.remaining <= reserve:
            return True
        return self.ensemble.trials_without_gain >= self.policy.patience_trials

    @property
    def _has_enough(self) -> bool:
        tried = len(self._running) + len(self.leaderboard.candidates)
        return self.max_trials is not None and tried >= self.max_trials

    def _drain(self, pool: Workers) -> None:
        """Let trials end that are about to: their deadline is now, and a killed worker takes seconds to come back."""
        end = self.deadline.elapsed + self.policy.drain_seconds
        while self._running and self.deadline.elapsed < end:
            for event in pool.wait(max(end - self.deadline.elapsed, _MIN_WAIT)):
                self._take(event)

    def _give_up(self, pool: Workers) -> None:
        """Cancel what still runs, and record that nothing came of it for want of time."""
        for key, job in list(self._running.items()):
            pool.cancel(key)
            self._fail(job, FailureKind.BUDGET, "the budget ended before it did", 0.0)
        for job in self._waiting:
            # Asked and never started: promoted from a sample, or taken over from a killed process.
            self._fail(job, FailureKind.BUDGET, "the budget ended before it began", 0.0)
        self._waiting.clear()

    # What is tried next ----------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        for record in self.study.trials:
            family, params = self._resolve(record.params) if record.params else ("", {})
            if record.state == "complete":
                try:
                    backtest = read_backtest(self._file(record.number), self._objective.targets)
                except ArtifactError as error:
                    self.messages.append(
                        f"trial {record.number} could not be read back and does not count: {error.message}"
                    )
                    continue
                self.leaderboard.add(Candidate.of(record.number, family, params, backtest))
            elif record.failure is FailureKind.BUDGET:
                # It was given up for want of time, and now there is time again.
                self.study.enqueue(record.params, tag=f"again {record.number}")
            elif record.state in ("failed", "stopped"):
                status: Status = "sample" if record.attrs.get("status") == "sample" else "failed"
                score = float("nan") if (told := record.attrs.get("score")) is None else float(told)
                self.leaderboard.add(Candidate(record.number, family, params, status, score, note=record.message))
        for record in self.study.resume():
            self._waiting.append(self._assignment(record.number, *self._resolve(record.params)))

    def _resolve(self, point: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        family, params = from_point(point)
        return family, {**self.portfolio.fixed.get(family, {}), **params}

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.npz"

    def _assignment(self, number: int, family: str, params: dict[str, Any]) -> TrialAssignment:
        if not family_class(family).local:
            return TrialAssignment(number, family, params)
        count, rows = self.policy.sample_size(self.panel.n_series), None
        if count is not None:
            useful = self._series_with_targets
            rows = tuple(useful[np.linspace(0, len(useful) - 1, min(count, len(useful))).astype(int)].tolist())
        return TrialAssignment(number, family, params, rows, MAX_FITS)

    @cached_property
    def _series_with_targets(self) -> npt.NDArray[np.intp]:
        """The series that the windows that choose hold targets of; all of them where none does."""
        actual = self._objective.targets.actual[self._objective.windows("selection")]
        found = np.flatnonzero(np.isfinite(actual).any(axis=(0, 2)))
        return found if len(found) else np.arange(self.panel.n_series)

    def _submit(self, pool: Workers, left: float) -> bool:
        """Give a worker something to do; False where nothing is worth starting."""
        if self._has_enough:
            return False
        job = self._waiting.pop(0) if self._waiting else self._next()
        if job is None:
            return False
        if job.rows is None and self._expected(job) > left:
            self._fail(job, FailureKind.BUDGET, "it would have taken longer than the time left", 0.0)
            # A cheaper one may still fit; what is left is soon too little for all.
            enough = left > self.policy.retry_seconds and len(self._running) < pool.workers
            return enough and self._cheapest() < left
        seed = int(np.random.SeedSequence([self.seed, job.number]).generate_state(1)[0] % 2**31)
        seconds = self.policy.trial_seconds(left, self.deadline.budget)
        overrun = self.policy.overrun_ratio
        request = WorkRequest("backtest", job.family, job.params, seed, seconds, job.rows, job.fits, overrun)
        self._running[str(job.number)] = job
        pool.submit(str(job.number), request, timeout=seconds + self.policy.trial_kill_seconds)
        return True

    def _next(self) -> TrialAssignment | None:
        if not any(record.state == "queued" for record in self.study.trials):
            if not self.portfolio.searched:
                return None
            count = len(self.study.trials)
            rng = np.random.default_rng([self.seed, count])
            family = choose_family(self.portfolio.searched, self.leaderboard, self.ensemble.weights, rng)
            self.study.enqueue({"family": family}, tag=f"search {count}")
        trial = self.study.ask()
        return None if trial is None else self._assignment(trial.number, *self._resolve(trial.params))

    def _cheapest(self) -> float:
        seconds = [self.leaderboard.family_seconds(family) for family in self.portfolio.searched]
        return min((float(np.mean(took)) if took else 0.0 for took in seconds), default=np.inf)

    def _expected(self, job: TrialAssignment) -> float:
        """Return the seconds that a trial will take: what its sample says, or the quickest one of its family."""
        return job.expected or min(self.leaderboard.family_seconds(job.family), default=0.0)

    # What is kept ----------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        job = self._running.pop(event.key)
        if event.status != "done":
            budget = event.error.startswith("BudgetError")
            kind = FailureKind.BUDGET if budget else _FAILURES.get(event.status, FailureKind.EXCEPTION)
            self._fail(job, kind, event.error, event.seconds)
            return
        backtest: Backtest = event.result
        if job.rows is not None:
            self._promote(job, backtest, event.seconds)
            return
        candidate = Candidate.of(job.number, job.family, job.params, backtest)
        self.leaderboard.add(candidate)
        if candidate.status == "failed":
            self.study.fail(job.number, FailureKind.NAN, candidate.note, seconds=event.seconds)
            return
        write_backtest(self._file(job.number), backtest, self._objective.targets)
        candidate.backtest = replace(backtest, state=None)  # on disk it costs no memory
        self.study.tell(job.number, candidate.score, seconds=event.seconds, attrs={"status": "complete"})
        self.ensemble.weigh(self.leaderboard)

    def _promote(self, job: TrialAssignment, backtest: Backtest, seconds: float) -> None:
        """Go on to all series with a local model that did well on some, if the time allows it."""
        rows = np.asarray(job.rows, dtype=np.intp)
        score, best = self._objective.value(backtest, rows=rows), self.leaderboard.best
        rival = np.inf if best is None else self._objective.value(best.forecasts.of_series(rows), rows=rows)
        more = self.panel.n_series / len(rows)
        fit, predict = backtest.fit_seconds / backtest.fits * more, backtest.predict_seconds * more
        fits = self.policy.backtest_fits(fit, predict, backtest.fits, self.deadline.budget)
        expected = fits * fit + predict
        note = ""
        if not np.isfinite(score):
            note = "its score on a sample is not a number"
        elif score > self.policy.rival_ratio * rival:
            note = f"on {len(rows)} series it was far behind the best"
        elif not self.policy.can_promote(expected, self.deadline.remaining):
            note = f"all {self.panel.n_series} series would take about {expected:.0f} s"
        if not note:
            # Known to be worth its time: it goes before new candidates.
            self._waiting.insert(0, replace(job, rows=None, fits=fits, expected=expected))
            return
        tried = replace(Candidate.of(job.number, job.family, job.params, backtest), backtest=None)
        self.leaderboard.add(replace(tried, status="sample", score=score, note=note))
        attrs = {"status": "sample", "score": score if np.isfinite(score) else None}
        self.study.stop(job.number, note, seconds=seconds, attrs=attrs)

    def _fail(self, job: TrialAssignment, kind: FailureKind, message: str, seconds: float) -> None:
        self._running.pop(str(job.number), None)
        self.study.fail(job.number, kind, message, seconds=seconds)
        if kind is not FailureKind.BUDGET:
            self.leaderboard.add(Candidate(job.number, job.family, job.params, "failed", note=message))

    def _show(self, pool: Workers) -> None:
        best, loss = self.leaderboard.best, self.ensemble.best_loss
        score, name = (None, "") if best is None else (best.score, best.model)
        together = (self._objective.metric.root and loss**0.5) or loss
        if score is not None and together < score:
            score, name = together, "ensemble"
        skill = None if score is None else self.leaderboard.skill(score)
        self.progress.trial(len(self.leaderboard.candidates), len(pool.running), score, skill, name)
