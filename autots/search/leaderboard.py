"""The candidates of a search and what became of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from autots.evaluate import Backtest, Objective
from autots.models import catalog

__all__ = ["SEASONAL_NAIVE", "Candidate", "Leaderboard", "Status"]

#: What became of a candidate.
Status = Literal["complete", "partial", "sample", "failed", "pruned"]

# Those that have forecasts of all series.
_SCORED = ("complete", "partial")

#: The number of the candidate that skill is measured against, whichever trivial forecaster has to stand in for it.
SEASONAL_NAIVE = -1

# Hyper-parameters that make a variant of a family, and those that its short name shows.
_VARIANT = ("norm", "linear", "weighted", "log", "season", "method", "model", "trend")
_SHOWN = {*_VARIANT, "window", "variant"}
# Of those, the ones whose value says nothing without the name.
_NAMED = ("linear", "weighted", "log", "season", "window")


@dataclass
class Candidate:
    """A family with hyper-parameters that was tried, and its score.

    Args:
        number: Its trial in the study; negative for the trivial forecasters, which are made in this process.
        family: The name of its class in the catalog of models.
        params: All hyper-parameters that it was created with.
        status: ``complete``: all series and windows; ``partial``: those series that there was time for, and the best
            other candidate's forecasts of the rest; ``sample``: a few series, after which it was given up; ``failed``;
            ``pruned``.
        score: Metric on the selection windows, lower is better; NaN where there is none.
        backtest: Its out-of-fold forecasts of all series, if complete or partial.
        fit_seconds: Seconds that all fits of the backtest took together, or would take for all series.
        predict_seconds: Seconds that all forecasts of the backtest took together, or would take for all series.
        note: Why it failed, or what was cut; empty by default.
    """

    number: int
    family: str
    params: Mapping[str, Any]
    status: Status = "complete"
    score: float = float("nan")
    backtest: Backtest | None = None
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    note: str = ""

    @classmethod
    def of(cls, number: int, family: str, params: Mapping[str, Any], backtest: Backtest) -> Self:
        """Return the candidate of a backtest that ended, without a score: ``Leaderboard.add`` gives it one."""
        share = 1.0 if backtest.rows is None else max(backtest.progress, 1e-9)
        fit, predict = backtest.fit_seconds / share, backtest.predict_seconds / share
        one = cls(number, family, params, backtest=backtest, fit_seconds=fit, predict_seconds=predict)
        if backtest.rows is not None:
            one.status = "partial"
            one.note = (
                f"{len(backtest.rows)} of {backtest.mean.shape[1]} series; the rest as the best other model has it"
            )
        elif backtest.progress < 1.0:
            one.note = f"learned {backtest.progress:.0%} of what was planned, as its time was over"
        return one

    @property
    def seconds(self) -> float:
        """What its whole backtest took."""
        return self.fit_seconds + self.predict_seconds

    @property
    def seconds_per_fit(self) -> float:
        """What one fit of the backtest took."""
        return self.fit_seconds / (1 if self.backtest is None else self.backtest.fits)

    @property
    def forecasts(self) -> Backtest:
        """The out-of-fold forecasts of a complete candidate."""
        assert self.backtest is not None
        return self.backtest

    @property
    def kind(self) -> tuple[str, ...]:
        """What it is a variant of: near copies share it."""
        return (self.family, *(str(self.params.get(k)) for k in _VARIANT))

    @property
    def model(self) -> str:
        """A short name for people."""
        given = [
            str(v) if k not in _NAMED else (k if v is True else f"{k} {v}")
            for k, v in self.params.items()
            if k in _SHOWN and v not in (None, False)
        ]
        return f"{self.family} ({', '.join(given)})" if given else self.family


@dataclass
class Leaderboard:
    """All candidates of a search, best first on demand.

    Args:
        objective: What scores them, with the windows and targets that all of them share.
        candidates: In the order in which they were added; none at first.

    Attributes:
        max_local_fit_seconds: Seconds that fits of models of single series may take together; no bound at first.
        scoring_seconds: What the last score of all targets took: how fast this machine is with them just now.
    """

    objective: Objective
    candidates: list[Candidate] = field(default_factory=list)
    max_local_fit_seconds: float = float("inf")
    scoring_seconds: float = 0.0

    def add(self, candidate: Candidate) -> Self:
        """Score a candidate and keep it, instead of the same one when it had done less.

        A score that is not a number makes it a failure. The series that a partial one has not reached are filled with
        the forecasts of the best candidate that has reached all.
        """
        self.candidates = [c for c in self.candidates if c.number != candidate.number]
        if candidate.status == "partial" and candidate.backtest is not None:
            if (filler := self._filler) is None:
                candidate.status, candidate.backtest = "sample", None
            else:
                candidate.backtest = candidate.backtest.completed_by(filler)
        if candidate.status in _SCORED and candidate.backtest is not None:
            begin = time.perf_counter()
            candidate.score = self.objective.value(candidate.backtest)
            self.scoring_seconds = time.perf_counter() - begin
            if not np.isfinite(candidate.score):
                candidate.status = "failed"
                # The forecasts of a trivial one are kept: another metric may be defined where this one is not.
                candidate.backtest = candidate.backtest if candidate.number < 0 else None
                candidate.note = candidate.note or f"its {self.objective.metric.name} is not a number"
        self.candidates.append(candidate)
        return self

    def rescored(self, objective: Objective) -> Leaderboard:
        """Return the leaderboard of all candidates that have forecasts, by another objective."""
        fresh = Leaderboard(objective, max_local_fit_seconds=self.max_local_fit_seconds)
        for candidate in self.candidates:
            if candidate.backtest is not None:
                candidate.status, candidate.note = "complete", ""
                fresh.add(candidate)
        return fresh

    @property
    def complete(self) -> list[Candidate]:
        """Candidates with a score on all series, best first; equal scores in the order of their numbers."""
        done = [c for c in self.candidates if c.status in _SCORED and c.backtest is not None]
        return sorted(done, key=lambda c: (c.score, c.number))

    @property
    def best(self) -> Candidate | None:
        """The best complete candidate."""
        return next(iter(self.complete), None)

    @property
    def best_trivial(self) -> Candidate | None:
        """The best of the trivial forecasters."""
        return next((c for c in self.complete if c.number < 0), None)

    @property
    def seasonal_naive(self) -> Candidate | None:
        """Seasonal naive; None where it has no forecasts."""
        return next((c for c in self.candidates if c.number == SEASONAL_NAIVE and c.backtest is not None), None)

    @property
    def reference(self) -> float:
        """Seasonal naive's score; NaN while it is not there."""
        naive = self.seasonal_naive
        return float("nan") if naive is None or naive.status != "complete" else naive.score

    @property
    def has_trials(self) -> bool:
        """Whether any trial of the search has forecasts, and not the trivial forecasters alone."""
        return any(c.number >= 0 and c.status in _SCORED for c in self.candidates)

    @property
    def _filler(self) -> Backtest | None:
        """What stands in for series that a candidate has not reached: the best candidate that has reached all."""
        return next((c.forecasts for c in self.complete if c.status == "complete"), None)

    def family_seconds(self, family: str) -> list[float]:
        """Return what each complete backtest of a family took, in the order in which they ended."""
        return [c.seconds for c in self.candidates if c.family == family and c.backtest is not None]

    def too_dear(self, candidate: Candidate) -> bool:
        """Return whether a candidate learns single series, and takes longer for it than all such members may."""
        return catalog.family(candidate.family).local and candidate.seconds_per_fit > self.max_local_fit_seconds

    def family_too_dear(self, name: str) -> bool:
        """Return whether all candidates of a family that were tried are too dear."""
        tried = [c for c in self.candidates if c.family == name and c.seconds > 0]
        return bool(tried) and all(self.too_dear(c) for c in tried)

    def predict_share(self, family: str) -> float:
        """Return the part of a backtest's time that a family's forecasts take, and more; a quarter where unknown."""
        share = [c.predict_seconds / c.seconds for c in self.candidates if c.family == family and c.seconds > 0]
        return min(max(1.3 * max(share), 0.05), 0.8) if share else 0.25

    def skill(self, score: float) -> float:
        """Return 1 - score / seasonal naive's; NaN where that is zero or not there."""
        return 1.0 - score / self.reference if self.reference > 0 else float("nan")
