"""The search of one fit: what is tried next, until when, and what is kept.

The study's journal is the only record of the trials, and ``oof/<number>.npz`` beside it of their forecasts; a trial is
told only after its file is whole. So a killed process loses nothing that was finished (design decision 4). How long
things may take is ``BudgetPolicy``'s matter; what the ensemble would be now, ``InterimEnsemble``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from autots.evaluate import MAX_FITS, Backtest, Objective
from autots.models.base import Forecaster, State
from autots.models.catalog import create
from autots.models.catalog import family as family_class
from autots.panel import Ints, Panel
from autots.recipes import Configuration
from autots.recipes.space import from_point, to_point
from autots.report.terminal import FitProgress
from autots.search.budget import BudgetPolicy, MeasuredSpeed
from autots.search.calibrate import rehearse
from autots.search.interim_ensemble import InterimEnsemble
from autots.search.leaderboard import Candidate, Leaderboard, Status
from autots.search.member_costs import normalised, reserve_seconds
from autots.search.out_of_fold import read_backtest, read_state, write_backtest
from autots.search.partial_trials import PartialTrials
from autots.search.prospects import Prospects
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
    """A trial as it is given to a worker: its next part.

    Args:
        number: Its number in the study.
        family: The name of its class in the catalog of models.
        params: All hyper-parameters that it is created with.
        seconds: What the part may take.
        rows: The series that are still to be reached, by position; None for a model of all series together.
        fits: How often its backtest fits; None for what the plan says.
        earlier: What its former parts reached; None where this is the first.
    """

    number: int
    family: str
    params: dict[str, Any]
    seconds: float = 0.0
    rows: Ints | None = None
    fits: int | None = None
    earlier: Backtest | None = None


@dataclass
class Search:
    """Runs trials until the time is needed for the final fit.

    Args:
        panel: The series, with all rows that the fit looks at.
        leaderboard: Where the candidates go; the trivial forecasters are there already.
        prospects: What could be done next; the study's sampler asks them.
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
        useful_seconds: Worker seconds of all parts of trials that ended in forecasts.
        calibrating_seconds: What calibrating the ensemble took when it was rehearsed; 0 before.
        parts: What trials in parts have reached.
        messages: What is said in the report, by this search and before it.
    """

    panel: Panel
    leaderboard: Leaderboard
    prospects: Prospects
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
    useful_seconds: float = 0.0
    calibrating_seconds: float = 0.0
    messages: list[str] = field(default_factory=list)
    _running: dict[str, TrialAssignment] = field(default_factory=dict)
    _seconds: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parts = PartialTrials(self.prospects, self.deadline.budget)

    @property
    def ensemble(self) -> InterimEnsemble:
        """What the candidates so far would make."""
        return self.prospects.ensemble

    def run(self, pool: Workers, *, reserve: Callable[[int], float] | None = None) -> None:
        """Try candidates until the reserve is all that is left, the patience ends, or the user interrupts.

        Args:
            pool: Runs the trials on its workers, or in this process.
            reserve: Seconds to keep for a number of workers; what ``reserve`` of this search says by default.
        """
        keep = reserve or self.reserve
        self._resume()
        try:
            while not self._over(keep(pool.workers)):
                left = self.policy.search_left(self.deadline.remaining, keep(pool.workers), self.deadline.budget)
                self.prospects.left = left
                while pool.idle > 0 and self._submit(pool, left):
                    pass
                self._rehearse()
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
            (by_number := {c.number: c for c in self.leaderboard.complete}),
            {n: w for n, w in self.ensemble.final_weights.items() if n in by_number},
            MeasuredSpeed(
                self.slowdown,
                self.leaderboard.scoring_seconds,
                self.ensemble.weighing_seconds,
                self.calibrating_seconds,
            ),
            lengths=self.panel.lengths,
            workers=workers,
            budget=self.deadline.budget,
        )

    def _rehearse(self) -> None:
        """Calibrate the ensemble as it is now, once, while workers are busy: what that takes is kept for the end."""
        targets = self._objective.targets.actual.size
        elapsed, budget = self.deadline.elapsed, self.deadline.budget
        if self.calibrating_seconds > 0 or not self.leaderboard.has_trials:
            return
        if self.policy.can_rehearse(elapsed, budget, self.panel.n_rows, targets):
            known = {c.number for c in self.leaderboard.complete}
            weights = normalised({n: (w, w) for n, w in self.ensemble.final_weights.items() if n in known})
            self.calibrating_seconds = rehearse(self.leaderboard, weights, self.panel, self.policy)

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
        """Cancel what still runs: what it reached before is kept, and of what reached nothing that is recorded."""
        for key, job in list(self._running.items()):
            pool.cancel(key)
            if job.earlier is None:
                self._fail(job, FailureKind.BUDGET, "the budget ended before it did", 0.0)
            else:
                del self._running[key]
                self.study.pause(job.number)

    # What is tried next ----------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take in what a former process found."""
        points = [to_point(c.family, c.params) for c in self.prospects.portfolio.configurations]
        for record in self.study.trials:
            family, params = self._resolve(record.params) if record.params else ("", {})
            if record.params in points:
                self.prospects.begun.add(points.index(dict(record.params)))
            if record.state == "complete" or record.reports:
                self._take_in(record.number, family, params, paused=record.state == "paused")
            elif record.failure is FailureKind.BUDGET:
                # It was given up for want of time, and now there is time again.
                self.study.enqueue(record.params, tag=f"again {record.number}")
            elif record.state in ("failed", "stopped"):
                status: Status = "sample" if record.attrs.get("status") == "sample" else "failed"
                score = float("nan") if (told := record.attrs.get("score")) is None else float(told)
                self.leaderboard.add(Candidate(record.number, family, params, status, score, note=record.message))
        if self.leaderboard.has_trials:
            self.ensemble.weigh(self.leaderboard)

    def _take_in(self, number: int, family: str, params: dict[str, Any], *, paused: bool) -> None:
        """Take in what a former process reached of one trial."""
        try:
            backtest = read_backtest(self._file(number), self._objective.targets)
        except ArtifactError as error:
            self.messages.append(f"trial {number} could not be read back and does not count: {error.message}")
            return
        self.leaderboard.add(Candidate.of(number, family, params, backtest))
        if backtest.progress < 1.0:
            self.parts.reached[number], self.parts.fits[number] = backtest, backtest.fits
            if paused:
                self.prospects.paused[number] = self.parts.rest(number, family, backtest)

    def _resolve(self, point: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        family, params = from_point(point)
        return family, {**self.prospects.portfolio.fixed.get(family, {}), **params}

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.npz"

    def _assignment(self, number: int, family: str, params: dict[str, Any], left: float) -> TrialAssignment:
        """Return the next part of a trial, of those ``left`` seconds that all trials still have."""
        earlier, budget = self.parts.reached.get(number), self.deadline.budget
        if not family_class(family).local:
            seconds = self.policy.trial_seconds(left, budget, again=earlier is not None)
            expected = max(self.leaderboard.family_seconds(family), default=0.0)
            fits = self.policy.fits_in(seconds, expected, len(self._objective.plan.fits))
            return TrialAssignment(number, family, params, seconds, fits=fits, earlier=earlier)
        if earlier is None:
            racing = self.policy.race_seconds(len({c.family for c in self.prospects.portfolio.configurations}), budget)
            return TrialAssignment(number, family, params, min(racing, left), self.parts.sample, MAX_FITS)
        reached = np.arange(0) if earlier.rows is None else earlier.rows
        rows = np.setdiff1d(np.arange(self.panel.n_series), reached)
        seconds = max(min(self.policy.part_seconds(budget), left), self.policy.trial_min_seconds)
        return TrialAssignment(number, family, params, seconds, rows, self.parts.fits.get(number, MAX_FITS), earlier)

    def _submit(self, pool: Workers, left: float) -> bool:
        """Give a worker something to do; False where nothing is worth starting."""
        if self._has_enough or left <= 0:
            return False
        self.prospects.running = [job.family for job in self._running.values()]
        if not self._waiting and self.prospects.best() is None:
            return False
        trial = self.study.ask()
        if trial is None:
            return False
        self.prospects.paused.pop(trial.number, None)
        job = self._assignment(trial.number, *self._resolve(trial.params), left)
        seed = int(np.random.SeedSequence([self.seed, job.number]).generate_state(1)[0] % 2**31)
        rows = None if job.rows is None or len(job.rows) == self.panel.n_series else tuple(job.rows.tolist())
        partial = job.rows is not None
        share = self.leaderboard.predict_share(job.family)
        request = WorkRequest("backtest", job.family, job.params, seed, job.seconds, rows, job.fits, partial, share)
        self._running[str(job.number)] = job
        late = self.policy.kill_seconds(first=not self.leaderboard.family_seconds(job.family))
        pool.submit(str(job.number), request, timeout=job.seconds + late)
        return True

    @property
    def _waiting(self) -> bool:
        """Whether the study has trials that go before all others: given up for want of time, or lost with a process."""
        out = {job.number for job in self._running.values()}
        return any(r.state == "queued" or (r.state == "running" and r.number not in out) for r in self.study.trials)

    # What is kept ----------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        job = self._running.pop(event.key)
        if event.status != "done":
            budget = event.error.startswith("BudgetError")
            kind = FailureKind.BUDGET if budget else _FAILURES.get(event.status, FailureKind.EXCEPTION)
            if job.earlier is not None:
                # What its former parts reached is kept, and may have a weight already; it does not go on.
                self.parts.reached.pop(job.number, None)
                self.study.stop(job.number, event.error)
            else:
                self._fail(job, kind, event.error, event.seconds)
            return
        backtest: Backtest = event.result
        state = backtest.state
        if job.rows is not None:
            before = job.earlier or Backtest.nothing(
                self._objective.plan, self.panel.n_series, len(self._objective.task.levels)
            )
            state = self._joined_state(job, backtest)
            backtest = before.with_part(backtest, job.rows)
        self._keep(job, replace(backtest, state=state), event.seconds)

    def _configuration(self, number: int) -> Configuration | None:
        """Return the configuration of the portfolio that a trial is; None where it was drawn."""
        params = self.study.trials[number].params
        every = self.prospects.portfolio.configurations
        return next((c for c in every if to_point(c.family, c.params) == params), None)

    def _joined_state(self, job: TrialAssignment, part: Backtest) -> State | None:
        """Return what was learned of all series that were reached so far."""
        former = None if job.earlier is None else read_state(self._file(job.number))
        if part.state is None or (job.earlier is not None and former is None):
            return None
        return part.state if former is None else family_class(job.family).joined([former, part.state])

    def _keep(self, job: TrialAssignment, backtest: Backtest, seconds: float) -> None:
        """Keep what a trial reached, tell the study, and weigh the ensemble anew."""
        whole = backtest.progress >= self.policy.whole_share
        if whole:
            backtest = replace(backtest, progress=1.0)
        candidate = Candidate.of(job.number, job.family, job.params, replace(backtest, state=None))
        self._seconds[job.number] = total = self._seconds.get(job.number, 0.0) + seconds
        if backtest.rows is not None and job.earlier is None and (note := self.parts.behind(backtest)):
            self._sampled(candidate, note, total)
            return
        # Before it is added: what the others make without it.
        gain = None if backtest.rows is None else self.prospects.measured_gain(backtest)
        self.leaderboard.add(candidate)
        if candidate.status == "failed":
            self.study.fail(job.number, FailureKind.NAN, candidate.note, seconds=seconds)
            return
        self.useful_seconds += seconds
        write_backtest(self._file(job.number), backtest, self._objective.targets)
        backtest = replace(backtest, state=None)  # on disk it costs no memory
        if whole:
            self.parts.reached.pop(job.number, None)
            self.prospects.took(self._configuration(job.number), total)
            self.study.tell(job.number, candidate.score, seconds=total, attrs={"status": "complete"})
        else:
            self.parts.reached[job.number] = backtest
            self.parts.fits.setdefault(job.number, self.parts.affordable_fits(backtest))
            self.study.report(job.number, self._step(job.number, backtest.progress), candidate.score, seconds=seconds)
            self.prospects.paused[job.number] = self.parts.rest(job.number, job.family, backtest, gain)
        self.ensemble.weigh(self.leaderboard)

    def _step(self, number: int, progress: float) -> int:
        """Return the step of a report: percent of the work, and more than that of the last report."""
        reports = self.study.trials[number].reports
        return max(round(100 * progress), max(reports, default=0) + 1)

    def _sampled(self, candidate: Candidate, note: str, seconds: float) -> None:
        """Record that a trial ends after its sample."""
        rows = candidate.forecasts.rows
        assert rows is not None
        score = self._objective.value(candidate.forecasts.of_series(rows), rows=rows)
        self.leaderboard.add(replace(candidate, status="sample", score=score, note=note, backtest=None))
        attrs = {"status": "sample", "score": score if np.isfinite(score) else None}
        self.study.stop(candidate.number, note, seconds=seconds, attrs=attrs)

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
