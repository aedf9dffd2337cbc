"""From measurements to the table: what each candidate cost on each set, and what pairs of them lose together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autots.evaluate import Backtest, Objective, Targets
from autots.panel import Floats, Ints
from autots.recipes.candidates import CANDIDATES
from autots.recipes.table import SetRow
from benchmarks.portfolio.measure import Measured, SetData

__all__ = ["pair_losses", "row_of"]

# Targets on which pairs are compared; more only cost time.
_ENOUGH_TARGETS = 20_000


def row_of(one: SetData, found: Mapping[str, Mapping[str, Measured]]) -> SetRow:
    """Return the table's row of a set.

    A member that was too dear for all series, but not for a sample of them, is compared with the others on the sample.

    Args:
        one: The set with its windows.
        found: Name of the candidate -> fidelity -> what was measured.
    """
    names = [recipe.name for recipe in CANDIDATES]
    whole = {name: fidelities["all"].forecasts for name, fidelities in found.items() if "all" in fidelities}
    trivial = {name: made for name, made in whole.items() if name not in names and made is not None}
    best = min(trivial, key=lambda name: one.objective.value(trivial[name], "all"))
    members = [best, *names]
    pairs = pair_losses(one.objective, [whole.get(name) for name in members])
    sample = np.full(len(members), np.nan)
    if one.sample is not None:
        rows = one.sample.astype(np.intp)
        few = [_on_sample(found.get(name, {}), rows) for name in members]
        on_sample = pair_losses(_of_series(one.objective, one.sample), few)
        sample = np.diagonal(on_sample).copy()
        pairs = np.where(np.isfinite(pairs), pairs, on_sample)
    measured = [found.get(name, {}).get("all") for name in members]
    ended = [None if m is None or m.measurement.status == "failed" else m.measurement for m in measured]
    units = np.array([np.nan if m is None else m.units for m in ended])
    fits = np.array([1 if m is None else m.fits for m in ended], dtype=np.float64)
    return SetRow(one.name, one.traits, len(one.objective.plan.cutoffs), units, fits, sample, pairs)


def pair_losses(objective: Objective, members: list[Backtest | None]) -> Floats:
    """Return the (C, C) losses of even means of two members, of that of the first one; NaN where there is none."""
    there = [i for i, member in enumerate(members) if member is not None]
    arrays, loss = objective.stack([m for m in members if m is not None], "all", _ENOUGH_TARGETS)
    out = np.full((len(members), len(members)), np.nan)
    for a, i in enumerate(there):
        for b, j in enumerate(there[: a + 1]):
            out[i, j] = out[j, i] = loss((arrays[a] + arrays[b]) / 2)
    return np.asarray(out / out[0, 0])


def _on_sample(fidelities: Mapping[str, Measured], rows: Ints) -> Backtest | None:
    """Return a candidate's forecasts of the sample: of all series where it has them, as the others see them."""
    for fidelity in ("all", "sample"):
        made = fidelities.get(fidelity)
        if made is not None and made.forecasts is not None:
            return made.forecasts.of_series(rows) if fidelity == "all" else made.forecasts
    return None


def _of_series(objective: Objective, rows: Ints) -> Objective:
    """Return the objective of some series."""
    t = objective.targets
    offset = None if t.offset is None else t.offset[:, rows]
    return replace(objective, targets=Targets(t.actual[:, rows], t.scale[:, rows], offset))
