"""The table's measurements: each candidate's backtest on each set, with what it cost, kept in a scratch folder.

A measurement that is in the folder is not made again, so that a run that was stopped goes on. Two fidelities: a sample
of series, as a search races on, and all series.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from autots.evaluate import (
    MAX_FITS,
    Backtest,
    BacktestPlan,
    Objective,
    TargetCounts,
    backtest,
    plan_cutoffs,
    targets_of,
)
from autots.metrics import metric
from autots.models.base import Context, Forecaster, Task
from autots.models.catalog import create, family
from autots.panel import Future, Ints, Panel
from autots.recipes.candidates import CANDIDATES, Recipe
from autots.recipes.machine_unit import unit_seconds
from autots.recipes.portfolio import baselines
from autots.recipes.sizes import fixed_sizes, tree_size
from autots.recipes.traits import Traits
from autots.search.budget import BudgetPolicy
from autots.testing.example_panels import panel_of
from benchmarks.portfolio.sets import load
from zoo.clock import Deadline
from zoo.errors import BudgetError, DataError, ZooError
from zoo.files import write_file

__all__ = ["NOMINAL_SECONDS", "Measured", "Measurement", "SetData", "measured", "read", "warm_up"]

#: The budget whose sizes the candidates have: such as a table of minutes can pay for.
NOMINAL_SECONDS = 20.0
# Times the limit above which a backtest of all series is not begun, as that of a sample tells.
_HOPELESS = 1.2


class ProcessorClock:
    """Seconds of processor time of this process: what others on the machine do does not count."""

    def now(self) -> float:
        """Return the processor seconds so far."""
        return time.process_time()


@dataclass(frozen=True)
class Measurement:
    """What one backtest took, and whether it ended.

    Args:
        recipe: The name of the candidate.
        fidelity: ``sample`` or ``all``, which series were forecast.
        status: ``complete``; ``dear``, where the limit was too short; or ``failed``.
        units: What it cost, or would have cost about, in units of the machine.
        fits: How often it was fitted.
        rows: Positions of the series of a sample; None for all.
        note: Why it did not end; empty by default.
    """

    recipe: str
    fidelity: str
    status: str
    units: float
    fits: int
    rows: tuple[int, ...] | None = None
    note: str = ""


@dataclass(frozen=True)
class Measured:
    """A measurement with the forecasts that it made, if it ended."""

    measurement: Measurement
    forecasts: Backtest | None = None


@dataclass(frozen=True)
class SetData:
    """A set with the windows that all of its candidates share.

    Args:
        name: Of the set's folder.
        panel: The series of the training table that are looked at.
        task: Horizon, seasons and levels.
        objective: What scores, on windows before the test window.
        traits: By which the set is compared with other panels.
        whole: The traits of all of its series and rows.
    """

    name: str
    panel: Panel
    task: Task
    objective: Objective
    traits: Traits
    whole: Traits

    @classmethod
    def of(cls, data: Path, name: str) -> SetData:
        """Read a set and plan its windows as a fit does.

        Raises:
            DataError: The set's folder is missing, or no window fits into its series.
        """
        whole, panel, task = load(data, name)
        plan = plan_cutoffs(
            panel.lengths,
            task.horizon,
            season=task.season,
            cheap_rows=BudgetPolicy().refitted_rows(NOMINAL_SECONDS),
            seen=TargetCounts.of(panel, task.horizon),
        )
        if plan is None:
            raise DataError(f"a set must have a window before its test window, but {name} has none")
        objective = Objective(metric("mase"), plan, targets_of(panel, plan, task.season), task)
        return cls(name, panel, task, objective, Traits.of(panel, task), Traits.of(whole, task))

    @property
    def sample(self) -> Ints | None:
        """Positions of the series that a search would sample; None where it takes all of them at once."""
        count = BudgetPolicy().sample_size(self.panel.n_series)
        if count is None:
            return None
        chosen: Ints = np.linspace(0, self.panel.n_series - 1, count).astype(np.int64)
        return chosen


def warm_up() -> None:
    """Import and use every family once: what the first use of a library takes is not a candidate's cost."""
    rng = np.random.default_rng(0)
    panel = panel_of([rng.normal(size=60) + 9 for _ in range(3)])
    task = Task(4, (4,))
    for name in dict.fromkeys(recipe.family for recipe in CANDIDATES):
        family(name).import_libraries()
        model = create(name, **fixed_sizes(task, 1.0).get(name, {})).fit(panel, task, Context(threads=1))
        model.predict(panel, Future())


def created(recipe: Recipe, panel: Panel, task: Task) -> Forecaster:
    """Return an unfitted forecaster of a candidate with the sizes of the nominal budget."""
    return create(recipe.family, **parameters(recipe, panel, task))


def parameters(recipe: Recipe, panel: Panel, task: Task) -> dict[str, Any]:
    """Return all hyper-parameters of a candidate for a panel."""
    size: Mapping[str, Any] = {}
    if recipe.family.startswith("trees"):
        size = tree_size(recipe.family, panel.n_rows, NOMINAL_SECONDS, large=recipe.large)
    return {**fixed_sizes(task, NOMINAL_SECONDS).get(recipe.family, {}), **size, **recipe.params}


def measured(one: SetData, folder: Path, *, limit: float, seed: int) -> Iterator[Measurement]:
    """Backtest every candidate on a set that is not in the folder yet, and yield what each cost.

    Args:
        one: The set with its windows.
        folder: Where forecasts are kept, a folder per set.
        limit: Seconds of processor time that a candidate may take at a fidelity.
        seed: Source of chance of the backtests.
    """
    home = folder / one.name
    home.mkdir(parents=True, exist_ok=True)
    trivial = [Recipe(c.family, dict(c.params)) for c in baselines(one.panel, one.task)]
    recipes = [*trivial, *(r for r in CANDIDATES if r.of_use(one.traits))]
    unit = unit_seconds()
    for recipe in recipes:
        sampled: Measurement | None = None
        for fidelity in ("sample", "all"):
            rows = one.sample if fidelity == "sample" else None
            if fidelity == "sample" and (rows is None or recipe in trivial):
                continue
            file = home / f"{_file_name(recipe)}.{fidelity}.json"
            if file.exists():
                sampled = _read_measurement(file)
                continue
            made = _measure(recipe, one, fidelity, rows, limit=limit, unit=unit, seed=seed, sampled=sampled)
            if made.forecasts is not None:
                with file.with_suffix(".npz").open("wb") as out:
                    np.savez(out, mean=made.forecasts.mean, quantiles=made.forecasts.quantiles)
            write_file(file, json.dumps(asdict(made.measurement)), durable=False)
            sampled = made.measurement
            yield sampled


def _measure(
    recipe: Recipe,
    one: SetData,
    fidelity: str,
    rows: Ints | None,
    *,
    limit: float,
    unit: float,
    seed: int,
    sampled: Measurement | None,
) -> Measured:
    panel, plan = one.panel, _plan(recipe, one, fidelity, limit=limit, unit=unit, sampled=sampled)
    fits, known = len(plan.fits), None if rows is None else tuple(rows.tolist())
    blank = Measurement(recipe.name, fidelity, "dear", 0.0, fits, known)
    expected = _expected(recipe, one, sampled, fits)
    if expected * unit > _HOPELESS * limit:
        return Measured(replace(blank, units=round(expected, 3), note="as its sample tells"))
    family(recipe.family).import_libraries()
    began = time.process_time()
    context = Context(seed, Deadline.after(limit, ProcessorClock()), threads=1)
    chosen = panel if rows is None else panel.select(rows.astype(np.intp))
    try:
        found = backtest(lambda: created(recipe, panel, one.task), chosen, plan, one.task, context)
    except BudgetError as error:
        took = max(time.process_time() - began, expected * unit)
        return Measured(replace(blank, units=round(took / unit, 3), note=error.message))
    except ZooError as error:
        took = time.process_time() - began
        return Measured(replace(blank, status="failed", units=round(took / unit, 3), note=error.message))
    took = time.process_time() - began
    return Measured(replace(blank, status="complete", units=round(took / unit, 4)), found)


def _plan(
    recipe: Recipe, one: SetData, fidelity: str, *, limit: float, unit: float, sampled: Measurement | None
) -> BacktestPlan:
    """Return the windows, with as many fits of a local model as its sample says that the limit bears."""
    plan = one.objective.plan
    if not family(recipe.family).local:
        return plan
    if fidelity == "sample" or sampled is None or sampled.status != "complete":
        return plan.refitted(1 if one.sample is not None else len(plan.fits))
    # Forecasts of all windows are in it, too, so this fits too seldom rather than too often.
    times = _expected(recipe, one, sampled, 1) * unit
    return plan.refitted(next((n for n in range(MAX_FITS, 1, -1) if n * times <= limit / 4), 1))


def _expected(recipe: Recipe, one: SetData, sampled: Measurement | None, fits: int) -> float:
    """Return about what all series will cost, in units, as a sample of them tells; 0 where nothing is known."""
    if sampled is None or sampled.rows is None or not family(recipe.family).local:
        return 0.0
    return sampled.units * one.panel.n_series / len(sampled.rows) * fits / sampled.fits


def read(one: SetData, folder: Path) -> dict[str, dict[str, Measured]]:
    """Return what is in the folder of a set: name of the candidate -> fidelity -> measured."""
    out: dict[str, dict[str, Measured]] = {}
    for file in sorted((folder / one.name).glob("*.json")):
        measurement = _read_measurement(file)
        forecasts = None
        if measurement.status == "complete":
            with np.load(file.with_suffix(".npz"), allow_pickle=False) as kept:
                forecasts = Backtest(kept["mean"], kept["quantiles"], 0.0, 0.0)
        out.setdefault(measurement.recipe, {})[measurement.fidelity] = Measured(measurement, forecasts)
    return out


def _read_measurement(file: Path) -> Measurement:
    kept = json.loads(file.read_text(encoding="utf-8"))
    return Measurement(**{**kept, "rows": None if kept["rows"] is None else tuple(kept["rows"])})


def _file_name(recipe: Recipe) -> str:
    return recipe.name.replace(" ", ",")
