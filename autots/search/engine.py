"""The search of one fit: what is tried next, until when, and what is kept.

The study's journal is the only record of the trials, and ``oof/<number>.npz`` beside it of their forecasts; a trial is
told only after its file is whole. So a killed driver loses nothing that was finished (design decision 4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autots.ensembles import ensemble_weights
from autots.evaluate import MOST_FITS, Backtest, Plan
from autots.models.base import Forecaster, Task
from autots.models.catalog import create
from autots.models.catalog import family as family_class
from autots.panel import Floats, Panel
from autots.recipes import Candidate, Portfolio
from autots.recipes.space import from_point, to_point
from autots.report.terminal import Progress
from autots.search.board import Board, Entry, read_backtest, read_state, write_backtest
from autots.search.interrupt import Interrupt
from autots.search.trial import Request, answer
from zoo.clock import Deadline
from zoo.errors import ArtifactError, ZooError
from zoo.search import FailureKind, Study
from zoo.workers import Event, Workers

__all__ = ["Search", "first_entries"]

# Local models are tried on some series before all of them are paid for: on a quarter, of at most and at least so many.
_PART, _SAMPLE, _LEAST = 4, 24, 4
# Trials without a better ensemble after which the search ends by itself.
_PATIENCE = 80
# Seconds that running trials have to notice that their time is over.
_GRACE = 2.0
# Share of the budget that a local model's backtest may take to be fitted anew before each window.
_FRESH = 0.2
# Share of the budget that one trial may take.
_LONGEST = 0.45
# Share of the budget by which a trial's deadline precedes the end of the search: the reserve may yet grow.
_MARGIN = 0.02
# Share of the budget that the trivial forecasters may take together, and seconds that nobody counts.
_TRIVIAL, _MOMENT = 0.2, 0.2
# Rounds and targets that weigh the ensemble after each trial.
_ROUNDS, _ENOUGH = 10, 15_000
_FAILURES = {"timeout": FailureKind.TIME_LIMIT, "memory": FailureKind.MEMORY, "lost": FailureKind.LOST}


@dataclass
class _Job:
    """A trial that is out."""

    number: int
    family: str
    params: dict[str, Any]
    rows: tuple[int, ...] | None
    fits: int | None = None
    expected: float = 0.0


@dataclass
class Search:
    """Runs trials until the time is needed for the final fit.

    Args:
        panel: The series.
        task: What is forecast.
        plan: The shared windows.
        board: Where the entries go; the trivial forecasters are there already.
        portfolio: What to begin with.
        study: The durable record.
        folder: Where out-of-fold forecasts are kept.
        deadline: The whole fit's.
        seed: Of the trials.
        progress: Told of each trial.
        most_trials: Bound on the number of trials, for tests.
        interrupt: Whether the user wants an early end.
        slower: How much longer work takes than its processor time, as other programs want the cores, too.

    Attributes:
        interrupted: Whether the user did.
        weighing: Seconds that a round of weighing all complete candidates takes for each target.
        messages: For the report.
    """

    panel: Panel
    task: Task
    plan: Plan
    board: Board
    portfolio: Portfolio
    study: Study
    folder: Path
    deadline: Deadline
    seed: int
    progress: Progress
    most_trials: int | None = None
    interrupt: Interrupt = field(default_factory=Interrupt)
    slower: float = 1.0
    interrupted: bool = False
    weighing: float = 0.0
    messages: list[str] = field(default_factory=list)
    _jobs: dict[str, _Job] = field(default_factory=dict)
    _stale: int = 0
    _best_loss: float = np.inf
    _weights: dict[int, float] = field(default_factory=dict)
    _final: dict[int, float] = field(default_factory=dict)
    _waiting: list[_Job] = field(default_factory=list)

    def run(self, driver: Workers, *, reserve: Callable[[Search, int], float]) -> None:
        """Try candidates until ``reserve`` seconds are left, the patience ends, or the user interrupts.

        Args:
            driver: Runs the trials.
            reserve: Seconds that the final fit will need, given this search and the number of workers.
        """
        self._resume()
        for candidate in self.portfolio.candidates:
            self.study.enqueue(to_point(candidate.family, candidate.params), tag="portfolio")
        try:
            while not self._over(reserve(self, driver.workers)):
                left = self.deadline.remaining - reserve(self, driver.workers) - _MARGIN * self.deadline.budget
                while driver.idle > 0 and self._submit(driver, left):
                    pass
                if not driver.running:
                    break
                for event in driver.wait(min(0.5, max(left, 0.05))):
                    self._take(event)
                self._show(driver)
            self._drain(driver)
        except KeyboardInterrupt:
            self.interrupted = True
        self.interrupted |= self.interrupt.requested
        if self.interrupted:
            self.messages.append("interrupted: the best found until then was assembled")
        for key, job in list(self._jobs.items()):
            driver.cancel(key)
            self._fail(job, FailureKind.BUDGET, "the budget ended before it did", 0.0)
        for job in self._waiting:
            # Asked and never started: promoted from a sample, or taken over from a killed driver.
            self._fail(job, FailureKind.BUDGET, "the budget ended before it began", 0.0)
        self._waiting.clear()

    def _drain(self, driver: Workers) -> None:
        """Let trials end that are about to: their deadline is now, and a killed worker takes seconds to come back."""
        end = self.deadline.elapsed + _GRACE
        while self._jobs and self.deadline.elapsed < end:
            for event in driver.wait(max(end - self.deadline.elapsed, 0.05)):
                self._take(event)

    def _over(self, reserve: float) -> bool:
        if self.most_trials is not None and len(self.board.entries) >= self.most_trials and not self._jobs:
            return True
        if self.interrupt.requested:
            return True
        return self.deadline.remaining <= reserve or self._stale >= _PATIENCE

    def _resume(self) -> None:
        for record in self.study.trials:
            family, params = self._resolve(record.params) if record.params else ("", {})
            if record.state == "complete":
                try:
                    made = read_backtest(self._file(record.number), self.board.objective.targets)
                except ArtifactError as error:
                    self.messages.append(
                        f"trial {record.number} could not be read back and does not count: {error.message}"
                    )
                    continue
                self.board.add(
                    Entry(
                        record.number,
                        family,
                        params,
                        made=made,
                        fit_seconds=made.fit_seconds,
                        predict_seconds=made.predict_seconds,
                    )
                )
            elif record.failure is FailureKind.BUDGET:
                # It was given up for want of time, and now there is time again.
                self.study.enqueue(record.params, tag=f"again {record.number}")
            elif record.state in ("failed", "stopped"):
                status = str(record.attrs.get("status", "failed"))
                score = float(record.attrs.get("score", float("nan")))
                self.board.add(Entry(record.number, family, params, status, score, note=record.message))  # type: ignore[arg-type]
        for record in self.study.resume():
            family, params = self._resolve(record.params)
            self._waiting.append(self._job(record.number, family, params))

    def _resolve(self, point: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        family, params = from_point(point)
        return family, {**self.portfolio.fixed.get(family, {}), **params}

    def backtested(self, entry: Entry) -> Forecaster | None:
        """Return an entry as its last backtest left it; None where that was not kept."""
        state = read_state(self._file(entry.number))
        return None if state is None else create(entry.family, **entry.params).restore(state)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.npz"

    def _job(self, number: int, family: str, params: dict[str, Any]) -> _Job:
        if not family_class(family).local:
            return _Job(number, family, params, None)
        rows = None
        if self.panel.n_series >= _PART * _LEAST:
            count = min(self.panel.n_series // _PART, _SAMPLE)
            telling = self._telling
            rows = tuple(telling[np.linspace(0, len(telling) - 1, min(count, len(telling))).astype(int)].tolist())
        return _Job(number, family, params, rows, MOST_FITS)

    @cached_property
    def _telling(self) -> npt.NDArray[np.intp]:
        """The series that the windows that choose hold targets of; all of them where none does."""
        actual = self.board.objective.targets.actual[self.board.objective.windows("selection")]
        found = np.flatnonzero(np.isfinite(actual).any(axis=(0, 2)))
        return found if len(found) else np.arange(self.panel.n_series)

    def _submit(self, driver: Workers, left: float) -> bool:
        """Give a worker something to do; False where nothing is worth starting."""
        if self.most_trials is not None and len(self._jobs) + len(self.board.entries) >= self.most_trials:
            return False
        job = self._waiting.pop(0) if self._waiting else self._next()
        if job is None:
            return False
        expected = self._expected(job)
        if expected > left and job.rows is None:
            self._fail(job, FailureKind.BUDGET, "it would have taken longer than the time left", 0.0)
            # A cheaper one may still fit; what is left is soon too little for all.
            return left > 1.0 and len(self._jobs) < driver.workers and self._cheapest() < left
        seed = int(np.random.SeedSequence([self.seed, job.number]).generate_state(1)[0] % 2**31)
        seconds = max(min(left, _LONGEST * self.deadline.budget), 0.5)
        request = Request("backtest", job.family, job.params, seed, seconds, job.rows, job.fits)
        self._jobs[str(job.number)] = job
        # A model that ignores its deadline is killed a little after it.
        driver.submit(str(job.number), request, timeout=seconds + 3.0)
        return True

    def _next(self) -> _Job | None:
        queued = any(record.state == "queued" for record in self.study.trials)
        if not queued:
            if not self.portfolio.searched:
                return None
            family = self._choose_family()
            self.study.enqueue({"family": family}, tag=f"search {len(self.study.trials)}")
        trial = self.study.ask()
        if trial is None:
            return None
        family, params = self._resolve(trial.params)
        return self._job(trial.number, family, params)

    def _choose_family(self) -> str:
        """Draw the next family: by its weight in the ensemble, by what a trial of it costs, and a chance for all."""
        families = self.portfolio.searched
        rng = np.random.default_rng([self.seed, len(self.study.trials)])
        weight = np.full(len(families), 0.15)
        for entry in self.board.entries:
            if entry.family in families:
                weight[families.index(entry.family)] += self._weights.get(entry.number, 0.0)
        cost = np.array([max(self._family_seconds(f), 0.05) for f in families])
        # What was tried often has less left to give.
        tried = np.array([1 + sum(e.family == f and e.number >= 0 for e in self.board.entries) for f in families])
        share = weight / np.sqrt(cost / np.median(cost)) / np.sqrt(tried)
        return str(families[int(rng.choice(len(families), p=share / share.sum()))])

    def _family_seconds(self, family: str) -> float:
        seen = [
            e.fit_seconds + e.predict_seconds for e in self.board.entries if e.family == family and e.made is not None
        ]
        return float(np.mean(seen)) if seen else 0.0

    def _cheapest(self) -> float:
        return min((self._family_seconds(f) for f in self.portfolio.searched), default=np.inf)

    def _expected(self, job: _Job) -> float:
        if job.expected > 0:
            return job.expected
        like = [
            e.fit_seconds + e.predict_seconds
            for e in self.board.entries
            if e.family == job.family and e.made is not None
        ]
        return float(np.min(like)) if like else 0.0

    def _take(self, event: Event) -> None:
        job = self._jobs.pop(event.key)
        if event.status != "done":
            budget = event.error.startswith("BudgetError")
            kind = FailureKind.BUDGET if budget else _FAILURES.get(event.status, FailureKind.EXCEPTION)
            self._fail(job, kind, event.error, event.seconds)
            return
        made: Backtest = event.result
        if job.rows is not None:
            self._promote(job, made, event.seconds)
            return
        entry = Entry(
            job.number,
            job.family,
            job.params,
            made=made,
            fit_seconds=made.fit_seconds,
            predict_seconds=made.predict_seconds,
        )
        self.board.add(entry)
        if entry.status == "failed":
            self.study.fail(job.number, FailureKind.NAN, entry.note, seconds=event.seconds)
            return
        write_backtest(self._file(job.number), made, self.board.objective.targets)
        entry.made = replace(made, state=None)  # on disk it costs no memory
        self.study.tell(job.number, entry.score, seconds=event.seconds, attrs={"status": "complete"})
        self._reweigh()

    def _promote(self, job: _Job, made: Backtest, seconds: float) -> None:
        """Go on to all series with a local model that did well on some, if the time allows it."""
        rows = np.asarray(job.rows, dtype=np.intp)
        score = self.board.objective.value(made, rows=rows)
        all_series = self.panel.n_series / len(rows)
        each, predict = made.fit_seconds / made.fits * all_series, made.predict_seconds * all_series
        # Parameters of single series age: models that were fitted 54 months before had errors a tenth larger.
        fits = next((n for n in range(made.fits, 1, -1) if n * each + predict <= _FRESH * self.deadline.budget), 1)
        expected = fits * each + predict
        best = self.board.best
        rival = np.inf
        if best is not None and best.made is not None:
            at = self.board.objective.windows("selection")
            metric = self.board.objective.metric
            rival = self.board.objective.score(
                metric, best.made.mean[at][:, rows], best.made.quantiles[at][:, rows], "selection", rows
            )
        note = ""
        if not np.isfinite(score):
            note = "its score on a sample is not a number"
        elif score > 1.5 * rival:
            note = f"on {len(rows)} series it was far behind the best"
        elif expected > 0.5 * self.deadline.remaining:
            note = f"all {self.panel.n_series} series would take about {expected:.0f} s"
        if note:
            self.board.add(
                Entry(
                    job.number,
                    job.family,
                    job.params,
                    "sample",
                    score,
                    fit_seconds=made.fit_seconds,
                    predict_seconds=made.predict_seconds,
                    note=note,
                )
            )
            attrs = {"status": "sample", "score": score if np.isfinite(score) else None}
            self.study.stop(job.number, note, seconds=seconds, attrs=attrs)
            return
        # Known to be worth its time: it goes before new candidates.
        self._waiting.insert(0, _Job(job.number, job.family, job.params, None, fits, expected))

    def _fail(self, job: _Job, kind: FailureKind, message: str, seconds: float) -> None:
        self._jobs.pop(str(job.number), None)
        self.study.fail(job.number, kind, message, seconds=seconds)
        if kind is not FailureKind.BUDGET:
            self.board.add(Entry(job.number, job.family, job.params, "failed", note=message))

    def _reweigh(self) -> None:
        """Weigh the ensemble anew on a part of the targets: it decides where the budget flows and when to end."""
        begin = time.perf_counter()
        done = self.board.complete
        made = [e.made for e in done if e.made is not None]
        kinds = [e.kind for e in done]
        weights = ensemble_weights(self.board.objective, made, rounds=_ROUNDS, enough=_ENOUGH, kinds=kinds)
        self._weights = _positive(done, weights)
        members, loss = self.board.objective.stack(made, "selection", _ENOUGH)
        value = loss(np.sum([w * m for w, m in zip(weights, members, strict=True)], axis=0))
        # All windows decide what is fitted at the end, and so how much time that needs.
        self._final = self._weights
        if self.board.objective.has_final:
            every = ensemble_weights(
                self.board.objective, made, part="all", rounds=_ROUNDS, enough=_ENOUGH, kinds=kinds
            )
            self._final = _positive(done, every)
        targets = min(self.board.objective.targets.actual.size, _ENOUGH)
        self.weighing = (time.perf_counter() - begin) / (_ROUNDS * max(targets, 1))
        if value < self._best_loss * 0.9995:
            self._best_loss, self._stale = value, 0
        else:
            self._stale += 1

    @property
    def likely_members(self) -> Mapping[int, float]:
        """The weights of what would be delivered now, about, by the number of the entry."""
        return self._final

    def _show(self, driver: Workers) -> None:
        best = self.board.best
        score, name = (None, "") if best is None else (best.score, best.model)
        together = (self.board.objective.metric.root and self._best_loss**0.5) or self._best_loss
        if score is not None and together < score:
            score, name = together, "ensemble"
        skill = None if score is None else self.board.skill(score)
        self.progress.trial(len(self.board.entries), len(driver.running), score, skill, name)


def _positive(entries: list[Entry], weights: Floats) -> dict[int, float]:
    return {e.number: float(w) for e, w in zip(entries, weights, strict=True) if w > 0}


def first_entries(
    candidates: tuple[Candidate, ...],
    panel: Panel,
    plan: Plan,
    task: Task,
    board: Board,
    seed: int,
    *,
    deadline: Deadline | None = None,
) -> tuple[str, ...]:
    """Backtest the trivial forecasters in this process; seasonal naive is entry -1.

    It alone is made whatever the time; the others only as long as all of them keep within their share of the budget.

    Returns:
        The names of those that were left out.
    """
    begin, longest = time.perf_counter(), 0.0
    left_out = []
    for i, candidate in enumerate(candidates):
        entry = Entry(-1 - i, candidate.family, dict(candidate.params))
        spent = time.perf_counter() - begin
        if i and deadline is not None and longest > _MOMENT:
            left = min(_TRIVIAL * deadline.budget - spent, deadline.remaining)
            if longest > left:
                left_out.append(entry.model)
                continue
        request = Request("backtest", candidate.family, dict(candidate.params), seed, 60.0)
        try:
            made = answer(request, panel, plan, task, 1)
        except ZooError as error:
            entry.status, entry.note = "failed", error.message
        else:
            assert isinstance(made, Backtest)
            entry.made, entry.fit_seconds, entry.predict_seconds = made, made.fit_seconds, made.predict_seconds
        board.add(entry)
        longest = max(longest, time.perf_counter() - begin - spent)
    return tuple(left_out)
