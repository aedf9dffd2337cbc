"""The sampler of a fit: the study asks it who goes on and what begins, and the ensemble answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from autots.recipes import search_space
from autots.recipes.space import to_point
from autots.search.prospects import Prospects
from zoo.clock import Clock
from zoo.search import Study
from zoo.search.samplers import Request
from zoo.search.samplers.tpe import TPESampler
from zoo.search.space import Params, Space

__all__ = ["EnsembleSampler", "open_study"]


def open_study(
    path: Path, prospects: Prospects, *, seed: int, fingerprint: str = "", clock: Clock | None = None
) -> Study:
    """Create or continue the study of a fit: the ensemble says what is tried, and each part of a trial is a report.

    Args:
        path: Where the study's journal is, or will be.
        prospects: What the search could do next.
        seed: Source of all chance of the suggestions.
        fingerprint: Of data and settings; "" by default.
        clock: What measures the trials; the machine's by default.
    """
    space = search_space()
    sampler = EnsembleSampler(space, seed=seed, prospects=prospects)
    return Study.open(
        path, space, seed=seed, sampler=sampler, stopper="every_report", fingerprint=fingerprint, clock=clock
    )


class EnsembleSampler(TPESampler):
    """Chooses by what promises the ensemble most per second; use it with the stopper ``EveryReport``.

    Within a family's space the next configuration is TPE's. Unlike other samplers it looks at more than the study's
    history: the out-of-fold forecasts beside it, which a resumed search reads back.

    Args:
        space: The families and their hyper-parameters.
        seed: With the trial's number it determines all chance.
        prospects: What the search could do next.
    """

    name: ClassVar[str] = "ensemble"

    def __init__(self, space: Space, *, seed: int, prospects: Prospects) -> None:
        super().__init__(space, seed=seed)
        self._prospects = prospects

    def resume(self, study: Any, *, last: bool = False) -> int | None:
        """Return the paused trial that promises most per second; None where something new promises more."""
        chosen = self._prospects.best()
        return None if chosen is None else chosen.number

    def _untried(self, request: Request) -> Params:
        """Return the configuration of the portfolio that promises most, or an untried one of the family that does."""
        chosen = self._prospects.best()
        if request.fixed or chosen is None or chosen.number is not None:
            return super()._untried(request)
        if chosen.configuration is not None:
            self._prospects.begun.add(chosen.configuration)
            one = self._prospects.configuration(chosen.configuration)
            return to_point(one.family, one.params)
        return super()._untried(replace(request, fixed={"family": chosen.family}))
