"""One fit from a panel to a pipeline, inside its budget."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from autots.ensemble import Ensemble, Member
from autots.evaluate import Objective, Plan, Seen, plan_cutoffs, targets_of
from autots.metrics import metric
from autots.metrics.metrics import Owa
from autots.models.base import DEFAULT_LEVELS, Task
from autots.models.catalog import fit_here
from autots.panel import Panel
from autots.panel.season import detect_seasons
from autots.pipeline import Pipeline
from autots.reading.schema import Ingested
from autots.recipes import baselines, portfolio, search_space
from autots.report import Facts
from autots.report.terminal import Progress
from autots.search.assemble import Assembly, assemble, reserve
from autots.search.board import Board, drop_states
from autots.search.engine import Search, first_entries
from autots.search.interrupt import Interrupt
from autots.search.outcome import facts_of, trivial_facts
from autots.search.recent import MORE_TIME, late, recent_rows
from zoo.clock import Deadline
from zoo.errors import ClusterError, ConfigError
from zoo.workers import Workers

__all__ = ["Run", "Settings", "fit"]

_log = logging.getLogger(__name__)

# Ray needs about four seconds to start and a worker three to import the learners.
_START_SECONDS = 9.0
_STARTED_SECONDS = 5.0
# A panel of so many rows per second of budget is fitted anew at several cutoffs of a backtest.
_ROWS_PER_SECOND = 600
# Below this budget a small table is searched in this process, whose libraries need two seconds: the whole portfolio
# took 4 s on 144 rows, while Ray was not ready after 10 s.
_SHORT_BUDGET = 30.0
_SMALL_ROWS = 20_000
_IMPORT_SECONDS = 3.0
# Share of what is left of the budget that Ray may take to start.
_PATIENCE = 0.4
_OOF = "oof"


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Args:
        horizon: Steps.
        budget: Seconds of wall clock.
        metric: Name.
        levels: Quantile levels.
        seed: Of everything random.
        seasons: Season lengths, or None to find them.
        folds: Selection windows, or None to choose.
        workers: Processes, or None for all CPUs of the cluster.
        address: Of a Ray cluster, see ``zoo.cluster.connect``.
    """

    horizon: int
    budget: float
    metric: str = "mase"
    levels: tuple[float, ...] = DEFAULT_LEVELS
    seed: int = 0
    seasons: tuple[int, ...] | None = None
    folds: int | None = None
    workers: int | None = None
    address: str | None = None
    most_trials: int | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Run:
    """What surrounds one fit.

    Args:
        folder: The run directory, existing.
        deadline: When to be done.
        progress: Told how far it is.
        title: What is forecast, for people.
        resume: Whether a study in the folder is continued.
        interrupt: Armed as soon as there is something to return.
        slower: How much longer work takes than its processor time, as other programs want the cores, too.
    """

    folder: Path
    deadline: Deadline
    progress: Progress
    title: str
    resume: bool
    interrupt: Interrupt
    slower: float = 1.0


def fit(read: Ingested, settings: Settings, run: Run) -> Pipeline:
    """Search, combine, calibrate and fit on all rows.

    Args:
        read: The table.
        settings: What was asked.
        run: Directory, deadline and displays.

    Raises:
        ConfigError: The folder holds a run and ``resume`` is False, or holds the run of something else.
    """
    started = run.deadline.elapsed
    task = _task(read.panel, settings)
    panel, cut = recent_rows(read.panel, seasons=task.seasons, horizon=settings.horizon, budget=settings.budget)
    plan = _planned(panel, task, settings)
    described = _described(settings, panel, task)
    fingerprint = _claim(run.folder, read.panel, settings, task, resume=run.resume)
    messages = _said(run, cut)
    read = replace(read, panel=panel)
    if plan is not None and plan.moved:
        messages.append(_moved(plan))
    why = f"no series is long enough, or has the targets, to backtest {settings.horizon} steps" if plan is None else ""
    if plan is not None and (why := late(panel, plan, run.deadline)):
        messages += _said(run, MORE_TIME)
    if plan is None or why:
        return _trivial(read, settings, task, run, described, why, messages)
    with ExitStack() as stack:
        run.progress.stage("starting workers")
        driver = _driver(stack, panel, plan, task, settings, run, messages)
        run.progress.stage("trivial forecasters")
        board = _first_board(panel, plan, task, settings, run.deadline, messages)
        run.interrupt.arm()
        if board.best is None:
            why = "no window of the history tells forecasters apart, so none was chosen"
            return _trivial(read, settings, task, run, described, why, messages, board)
        search = None if driver is None else _search(stack, panel, board, settings, run, fingerprint, messages)
        try:
            if search is not None and driver is not None:
                run.progress.stage("search")
                search.run(driver, reserve=reserve)
            searched = run.deadline.elapsed
            assembly = _assembled(board, panel, driver, search, settings, run, messages)
            fitted = run.deadline.elapsed
            facts = facts_of(
                board,
                assembly,
                panel,
                read.report,
                title=run.title,
                settings={**described, "metric": board.objective.metric.name, "windows": list(plan.cutoffs[:20])},
                seconds={
                    "start": started,
                    "search": searched - started,
                    "final fit": fitted - searched,
                    "total": fitted,
                },
                messages=tuple(messages),
            )
        except Exception as error:
            # A fault of ours must not cost the user all of the time that he gave: he gets less, and is told.
            _log.exception("choosing failed")
            why = f"choosing failed, which is a fault to report ({type(error).__name__}: {error})"
            return _trivial(read, settings, task, run, described, why, messages, board)
    drop_states(run.folder / _OOF, [m.number for m in assembly.members])
    members = tuple(Member(m.family, m.model, m.weight) for m in assembly.members)
    return _pipeline(read, settings, Ensemble(task, members, assembly.conformal, assembly.leaning), facts)


def _planned(panel: Panel, task: Task, settings: Settings) -> Plan | None:
    return plan_cutoffs(
        panel.lengths,
        settings.horizon,
        season=task.season,
        folds=settings.folds,
        cheap_rows=int(_ROWS_PER_SECOND * settings.budget),
        seen=Seen.of(panel, settings.horizon),
    )


def _of_members(assembly: Assembly) -> list[str]:
    """Return what is said of members that were not fitted anew, or are missing."""
    messages = []
    if assembly.aged:
        messages.append(
            "used as they were backtested, as their final fit on all rows would have broken the budget (refit makes up "
            f"for it): {', '.join(assembly.aged)}"
        )
    if assembly.left_out:
        names = ", ".join(assembly.left_out)
        messages.append(f"left out of the ensemble, as their final fit would have broken the budget: {names}")
    return messages


def _task(panel: Panel, settings: Settings) -> Task:
    seasons = settings.seasons or detect_seasons(panel)
    # The usual levels are always there: the calibration needs the outer ones, the point forecast the middle one.
    levels = tuple(sorted({*DEFAULT_LEVELS, *settings.levels}))
    return Task(settings.horizon, seasons, levels, metric(settings.metric).squared)


def _said(run: Run, message: str) -> list[str]:
    """Return a message for the report, if there is one, and show it now: it is long until the end of the fit."""
    if message:
        run.progress.message(message)
    return [message] if message else []


def _first_board(
    panel: Panel, plan: Plan, task: Task, settings: Settings, deadline: Deadline, messages: list[str]
) -> Board:
    """Return a board with the trivial forecasters, whose scores the metric may need."""
    objective = Objective(metric(settings.metric), plan, targets_of(panel, plan, task.season), task)
    board = Board(objective)
    left_out = first_entries(baselines(panel, task), panel, plan, task, board, settings.seed, deadline=deadline)
    if left_out:
        messages.append(f"trivial forecasters left out, as the budget leaves no time for them: {', '.join(left_out)}")
    return _rescored(board, _with_reference(objective, board, messages))


def _search(
    stack: ExitStack,
    panel: Panel,
    board: Board,
    settings: Settings,
    run: Run,
    fingerprint: str,
    messages: list[str],
) -> Search:
    """Return what fills the board until the time is needed for the final fit, with its study open."""
    from zoo.search import Study

    journal = run.folder / "study.journal"
    study = stack.enter_context(Study.open(journal, search_space(), seed=settings.seed, fingerprint=fingerprint))
    objective = board.objective
    return Search(
        panel,
        objective.task,
        objective.plan,
        board,
        portfolio(panel, objective.task, seconds=settings.budget),
        study,
        run.folder / _OOF,
        run.deadline,
        settings.seed,
        run.progress,
        most_trials=settings.most_trials,
        interrupt=run.interrupt,
        slower=run.slower,
        messages=messages,
    )


def _assembled(
    board: Board,
    panel: Panel,
    driver: Workers | None,
    search: Search | None,
    settings: Settings,
    run: Run,
    messages: list[str],
) -> Assembly:
    """Return the ensemble of what was found, and say what it lacks."""
    interrupted = search is not None and search.interrupted
    if not any(e.number >= 0 and e.status == "complete" for e in board.entries):
        messages.append(_too_small(settings, board, interrupted=interrupted))
    run.progress.stage("final fit")
    kept = (lambda _: None) if search is None else search.backtested
    assembly = assemble(board, panel, driver, run.deadline, seed=settings.seed, backtested=kept)
    messages += _of_members(assembly)
    if assembly.conformal is not None and not assembly.conformal.learned:
        messages.append(
            "the intervals are not calibrated, as the history was constant before every window: their width is a guess"
        )
    return assembly


def _pipeline(read: Ingested, settings: Settings, ensemble: Ensemble, facts: Facts) -> Pipeline:
    return Pipeline(
        read.schema,
        read.panel,
        ensemble,
        levels=settings.levels,
        metric_name=str(facts.settings["metric"]),
        facts=_shown(facts, read),
        seed=settings.seed,
    )


def _shown(facts: Facts, read: Ingested) -> Facts:
    """Return the facts with the times of their charts as the user's clock shows them."""
    shown = read.schema.clock.shown
    windows = tuple(replace(w, history_times=shown(w.history_times), times=shown(w.times)) for w in facts.windows)
    return replace(facts, windows=windows)


def _described(settings: Settings, panel: Panel, task: Task) -> dict[str, Any]:
    return {
        "horizon": settings.horizon,
        "metric": settings.metric,
        "levels": list(task.levels),
        "seasons": list(task.seasons),
        "freq": panel.freq.alias or f"integer, step {panel.freq.step}",
        "budget_seconds": settings.budget,
        "seed": settings.seed,
        "workers": settings.workers or "all",
    }


def _driver(
    stack: ExitStack, panel: Panel, plan: Plan, task: Task, settings: Settings, run: Run, messages: list[str]
) -> Workers | None:
    """Start the workers; None where the budget ends before they could finish a trial."""
    from zoo.cluster import connect, is_connected

    deadline = run.deadline
    payload = {"panel": panel, "plan": plan, "task": task, "threads": 1}
    elsewhere = settings.address or os.environ.get("RAY_ADDRESS") or is_connected()
    small = settings.budget < _SHORT_BUDGET and panel.n_rows <= _SMALL_ROWS
    if not (settings.workers or elsewhere) and small:
        return _inline(stack, payload, deadline)
    if deadline.remaining < (_STARTED_SECONDS if is_connected() else _START_SECONDS):
        return None
    from zoo.workers import Pool

    patience = max(_PATIENCE * deadline.remaining, _START_SECONDS)
    try:
        session = stack.enter_context(connect(workers=settings.workers, address=settings.address, patience=patience))
    except ClusterError as error:
        if elsewhere:
            raise
        # Nobody asked for a cluster of that name: what is lost is only the speed of several processes.
        messages += _said(run, f"{error.message}; searched in this process alone ({error.hint})")
        return _inline(stack, payload, deadline)
    workers = max(1, min(int(session.cpus), settings.workers or 64))
    limit = _memory_limit(workers) if session.embedded else None
    return stack.enter_context(
        Pool(session, "autots.search.trial:setup", workers=workers, payload=payload, memory_limit=limit)
    )


def _inline(stack: ExitStack, payload: Mapping[str, Any], deadline: Deadline) -> Workers | None:
    """Return a driver in this process; None where not even its imports would end in time."""
    if deadline.remaining < _IMPORT_SECONDS:
        return None
    from zoo.workers import Inline

    return stack.enter_context(Inline("autots.search.trial:setup", payload=payload))


def _memory_limit(workers: int) -> int:
    import psutil

    return int(0.6 * psutil.virtual_memory().total / workers)


def _with_reference(objective: Objective, board: Board, messages: list[str]) -> Objective:
    """Return the objective with what it needs from the trivial forecasters, or with a metric that is defined."""
    naive = next((e for e in board.entries if e.number == -1 and e.made is not None), None)
    if isinstance(objective.metric, Owa) and naive is not None and naive.made is not None:
        at = objective.windows("selection")
        found = objective.scores(naive.made.mean[at], naive.made.quantiles[at], "selection")
        return replace(objective, metric=objective.metric.against(found["smape"], found["mase"]))
    if board.best is None:
        messages.append(
            f"{objective.metric.name} is not defined on this table (constant or missing targets); mae chose instead"
        )
        return replace(objective, metric=metric("mae"))
    return objective


def _rescored(board: Board, objective: Objective) -> Board:
    if objective is board.objective:
        return board
    fresh = Board(objective)
    for entry in board.entries:
        if entry.made is None:
            continue
        entry.status, entry.note = "complete", ""
        fresh.add(entry)
    return fresh


def _too_small(settings: Settings, board: Board, *, interrupted: bool = False) -> str:
    best = board.best
    made = "the trivial forecasters made the result" + ("" if best is None else f", the best of them is {best.model}")
    if interrupted:
        return f"no trial had ended: {made}"
    return f"the budget of {settings.budget:g} s is too small for one trial: {made}"


def _moved(plan: Plan) -> str:
    return (
        f"windows that hold hardly a target were passed over: the {len(plan.cutoffs)} that choose begin "
        f"{plan.cutoffs[0]} to {plan.cutoffs[-1]} rows before the end of the series"
    )


def _trivial(
    read: Ingested,
    settings: Settings,
    task: Task,
    run: Run,
    described: Mapping[str, Any],
    why: str,
    messages: Sequence[str],
    board: Board | None = None,
) -> Pipeline:
    """Return a pipeline with one trivial forecaster: the best one known, or seasonal naive where nothing is."""
    season = task.season > 1 and read.panel.lengths.min() > task.season
    family, params = ("seasonal_naive" if season else "naive"), dict[str, Any]()
    best = next((e for e in board.complete if e.number < 0), None) if board is not None else None
    if best is not None:
        family, params = best.family, dict(best.params)
    model = fit_here(family, params, read.panel, task, settings.seed)
    facts = trivial_facts(
        read.panel,
        read.report,
        family,
        title=run.title,
        settings=described,
        seconds={"total": run.deadline.elapsed},
        messages=(f"{why}: {family} is returned, its intervals are uncalibrated", *messages),
    )
    return _pipeline(read, settings, Ensemble(task, (Member(family, model, (1.0, 1.0)),)), facts)


def _claim(folder: Path, panel: Panel, settings: Settings, task: Task, *, resume: bool) -> str:
    """Return the fingerprint of data and task; the folder is free, or holds the same run and is to be resumed."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (panel.indptr, panel.times.view(np.int64), panel.y, *panel.known.values(), *panel.past.values()):
        digest.update(np.ascontiguousarray(array).data)
    digest.update("\x00".join(map(str, panel.ids)).encode())
    if panel.freq.local is not None:
        digest.update(repr(panel.freq.local).encode())
    asked = {k: v for k, v in asdict(settings).items() if k not in ("budget", "workers", "address", "most_trials")}
    digest.update(json.dumps({**asked, "task": task.to_dict()}, sort_keys=True, default=list).encode())
    fingerprint = digest.hexdigest()
    file = folder / "run.json"
    if (file.exists() or (folder / "study.journal").exists()) and not resume:
        raise ConfigError(
            f"a run directory must be new, but {folder} holds a run already",
            "add --resume to go on with it (resume=True in Python), or choose another directory",
        )
    if resume and file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        if before.get("fingerprint") != fingerprint:
            then, now = before.get("asked", {}), json.loads(json.dumps(asked, default=list))
            other = [f"{key} was {then.get(key)!r}" for key in now if now[key] != then.get(key)]
            raise ConfigError(
                f"a run must be resumed on the same data and settings, but {folder} was made with others: "
                f"{', '.join(other) or 'the data, or how they are read, differ'}",
                "repeat the options of the first fit (budget and workers may change), or choose another directory",
            )
    file.write_text(json.dumps({"fingerprint": fingerprint, "asked": asked}, default=list, indent=1), encoding="utf-8")
    return fingerprint
