"""Where the trials of a fit run: on workers of a Ray cluster, in this process, or nowhere for want of time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from autots.evaluate import BacktestPlan
from autots.models.base import Task
from autots.panel import Panel
from autots.search.cluster_start import has_cluster
from autots.search.settings import FitSettings, RunContext
from zoo.errors import ClusterError
from zoo.workers import Workers

__all__ = ["start_workers"]

_SETUP = "autots.search.trial:setup"
# Workers that a fit uses at most where nobody says how many.
_MAX_WORKERS = 64
# Share of the machine's memory that all workers of an embedded Ray may have together.
_MEMORY_SHARE = 0.6


def start_workers(
    stack: ExitStack,
    panel: Panel,
    plan: BacktestPlan,
    task: Task,
    settings: FitSettings,
    run: RunContext,
    messages: list[str],
) -> Workers | None:
    """Start what runs the trials; None where the budget ends before a trial could.

    Args:
        stack: Closes it at the end of the fit.
        panel: The series, with all rows that the fit looks at.
        plan: The windows that all candidates share.
        task: Horizon, seasons and quantile levels.
        settings: How many workers, on which cluster.
        run: The deadline, and how the budget is spent.
        messages: What is said in the report; this adds to it.

    Raises:
        ClusterError: A cluster that was asked for cannot be reached.
    """
    from zoo.cluster import is_connected

    policy, deadline = run.policy, run.deadline
    payload = {"panel": panel, "plan": plan, "task": task, "threads": 1}
    started = run.cluster.started
    elsewhere = not started and has_cluster(settings.address)
    if not (settings.workers or elsewhere) and policy.searches_inline(settings.budget, panel.n_rows):
        return _inline(stack, payload, run)
    if not policy.can_start_pool(deadline.remaining, connected=started or is_connected()):
        return None
    from zoo.workers import Pool

    patience = policy.pool_patience(deadline.remaining)
    try:
        session = stack.enter_context(run.cluster.take(settings.workers, settings.address, patience))
    except ClusterError as error:
        if elsewhere:
            raise
        # Nobody asked for a cluster of that name: what is lost is only the speed of several processes.
        messages += run.said(f"{error.message}; searched in this process alone ({error.hint})")
        return _inline(stack, payload, run)
    workers = max(1, min(int(session.cpus), settings.workers or _MAX_WORKERS))
    limit = _memory_limit(workers) if session.embedded else None
    # A cluster that was there before may grow.
    most = workers if session.embedded else settings.workers or _MAX_WORKERS
    return stack.enter_context(Pool(session, _SETUP, workers=workers, most=most, payload=payload, memory_limit=limit))


def _inline(stack: ExitStack, payload: Mapping[str, Any], run: RunContext) -> Workers | None:
    """Return a pool in this process; None where not even its imports would end in time."""
    if not run.policy.can_import(run.deadline.remaining):
        return None
    from zoo.workers import Inline

    return stack.enter_context(Inline(_SETUP, payload=payload))


def _memory_limit(workers: int) -> int:
    """Return the bytes that one worker may have."""
    import psutil

    return int(_MEMORY_SHARE * psutil.virtual_memory().total / workers)
