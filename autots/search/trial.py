"""What a worker does: backtest a candidate, or fit it on all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from autots.evaluate import Backtest, Plan, backtest
from autots.models.base import Context, Forecaster, State, Task
from autots.models.catalog import create, family
from autots.models.local import fit_local
from autots.panel import Panel
from zoo.clock import Deadline

__all__ = ["Fitted", "Request", "answer", "setup"]


@dataclass(frozen=True)
class Request:
    """One piece of work.

    Args:
        kind: ``backtest`` on the plan, or ``fit`` on all rows.
        family: Of the catalog.
        params: Its hyper-parameters.
        seed: Source of chance.
        seconds: Time left for it; the work stops by itself soon after.
        rows: Series of a sample, or None for all.
        fits: How often a backtest fits; None for what the plan says.
    """

    kind: Literal["backtest", "fit"]
    family: str
    params: Mapping[str, Any]
    seed: int
    seconds: float
    rows: tuple[int, ...] | None = None
    fits: int | None = None


@dataclass(frozen=True)
class Fitted:
    """A forecaster learned on all rows, as plain values."""

    state: State
    seconds: float


def setup(payload: Mapping[str, Any]) -> Callable[[Request], Backtest | Fitted]:
    """Return the worker's function; see ``zoo.workers.Workers``.

    The payload has ``panel``, ``plan`` (or None), ``task`` and ``threads``.
    """
    panel, plan, task, threads = payload["panel"], payload["plan"], payload["task"], payload["threads"]

    def work(request: Request) -> Backtest | Fitted:
        return answer(request, panel, plan, task, threads)

    return work


def answer(request: Request, panel: Panel, plan: Plan | None, task: Task, threads: int) -> Backtest | Fitted:
    """Do one piece of work."""
    context = Context(request.seed, Deadline.after(request.seconds), threads)
    # What all of them need takes five seconds to import: a tenth of a short budget before anything is tried.
    family(request.family).import_libraries()

    def fresh() -> Forecaster:
        return create(request.family, **request.params)

    if request.kind == "fit":
        started = time.perf_counter()
        state = fit_local(fresh(), panel, task, context).state()
        return Fitted(state, time.perf_counter() - started)
    assert plan is not None
    chosen = panel if request.rows is None else panel.select(np.asarray(request.rows, dtype=np.intp))
    if request.fits is not None:
        plan = plan.refitted(request.fits)
    return backtest(fresh, chosen, plan, task, context, keep_state=request.rows is None)
