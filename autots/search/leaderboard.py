"""The candidates of a search and what became of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from autots.evaluate import Backtest, Objective

__all__ = ["SEASONAL_NAIVE", "Candidate", "Leaderboard", "Status"]

#: What became of a candidate.
Status = Literal["complete", "sample", "failed", "pruned"]

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
        status: ``complete``: all series and windows; ``sample``: some series only; ``failed``; ``pruned``.
        score: Metric on the selection windows, lower is better; NaN where there is none.
        backtest: Its out-of-fold forecasts, if complete.
        fit_seconds: Seconds that all fits of the backtest took together.
        predict_seconds: Seconds that all forecasts of the backtest took together.
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
        fit, predict = backtest.fit_seconds, backtest.predict_seconds
        return cls(number, family, params, backtest=backtest, fit_seconds=fit, predict_seconds=predict)

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
        scoring_seconds: What the last score of all targets took: how fast this machine is with them just now.
    """

    objective: Objective
    candidates: list[Candidate] = field(default_factory=list)
    scoring_seconds: float = 0.0

    def add(self, candidate: Candidate) -> Self:
        """Score a complete candidate and keep it; a score that is not a number makes it a failure."""
        if candidate.status == "complete" and candidate.backtest is not None:
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
        fresh = Leaderboard(objective)
        for candidate in self.candidates:
            if candidate.backtest is not None:
                candidate.status, candidate.note = "complete", ""
                fresh.add(candidate)
        return fresh

    @property
    def complete(self) -> list[Candidate]:
        """Candidates with a score on all series, best first; equal scores in the order of their numbers."""
        done = [c for c in self.candidates if c.status == "complete" and c.backtest is not None]
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
        """Whether any trial of the search is complete, and not the trivial forecasters alone."""
        return any(c.number >= 0 and c.status == "complete" for c in self.candidates)

    def family_seconds(self, family: str) -> list[float]:
        """Return what each complete backtest of a family took, in the order in which they ended."""
        return [c.seconds for c in self.candidates if c.family == family and c.backtest is not None]

    def skill(self, score: float) -> float:
        """Return 1 - score / seasonal naive's; NaN where that is zero or not there."""
        return 1.0 - score / self.reference if self.reference > 0 else float("nan")
