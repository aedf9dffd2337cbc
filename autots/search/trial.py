"""What a worker does: backtest a candidate, or fit it on all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from autots.evaluate import Backtest, BacktestPlan, backtest, backtest_series
from autots.models.base import Context, Forecaster, State, Task
from autots.models.catalog import create, family
from autots.models.wall_clock import fit_local
from autots.panel import Panel
from zoo.clock import Deadline

__all__ = ["FinalFit", "WorkRequest", "answer", "setup"]


@dataclass(frozen=True)
class WorkRequest:
    """One piece of work.

    Args:
        kind: ``backtest`` on the plan, or ``fit`` on all rows.
        family: The name of its class in the catalog of models.
        params: All hyper-parameters that it is created with.
        seed: Source of chance of the fits.
        seconds: Time left for it; the work is fitted to it, and stops by itself soon after.
        rows: Positions of the series that it is about, or None for all.
        fits: How often a backtest fits; None for what the plan says.
        partial: Whether a model of single series returns those that it reached in time.
        predict_share: Part of the time that a backtest keeps for its forecasts.
    """

    kind: Literal["backtest", "fit"]
    family: str
    params: Mapping[str, Any]
    seed: int
    seconds: float
    rows: tuple[int, ...] | None = None
    fits: int | None = None
    partial: bool = False
    predict_share: float = 0.25


@dataclass(frozen=True)
class FinalFit:
    """A forecaster learned on all rows, as plain values."""

    state: State
    seconds: float


def setup(payload: Mapping[str, Any]) -> Callable[[WorkRequest], Backtest | FinalFit]:
    """Return the worker's function; see ``zoo.workers.Workers``.

    The payload has ``panel``, ``plan`` (or None), ``task`` and ``threads``.
    """
    panel, plan, task, threads = payload["panel"], payload["plan"], payload["task"], payload["threads"]

    shared: dict[Hashable, Any] = {}

    def work(request: WorkRequest) -> Backtest | FinalFit:
        return answer(request, panel, plan, task, threads, shared)

    return work


def answer(
    request: WorkRequest,
    panel: Panel,
    plan: BacktestPlan | None,
    task: Task,
    threads: int,
    shared: MutableMapping[Hashable, Any] | None = None,
) -> Backtest | FinalFit:
    """Do one piece of work; ``shared`` is what the fits of this process keep for each other."""
    # What all of them need takes five seconds to import: a tenth of a short budget before anything is tried. The first
    # trial of a family in this process still has its whole time afterwards.
    family(request.family).import_libraries()
    context = Context(request.seed, Deadline.after(request.seconds), threads, shared, request.rows)

    def fresh() -> Forecaster:
        return create(request.family, **request.params)

    if request.kind == "fit":
        started = time.perf_counter()
        state = fit_local(fresh(), panel, task, context).state()
        return FinalFit(state, time.perf_counter() - started)
    assert plan is not None
    chosen = panel if request.rows is None else panel.select(np.asarray(request.rows, dtype=np.intp))
    if request.fits is not None:
        plan = plan.refitted(request.fits)
    if request.partial:
        return backtest_series(fresh, chosen, plan, task, context, keep_state=True)
    kept = request.predict_share
    return backtest(fresh, chosen, plan, task, context, keep_state=request.rows is None, predict_share=kept)
