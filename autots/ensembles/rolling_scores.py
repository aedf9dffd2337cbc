"""What a rolled test set says of an ensemble: its scores, and those of the reference that was rolled beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autots.ensembles.fitted import ForecastOutcome
from autots.metrics import METRICS, Sums, coverage
from autots.panel import Floats

__all__ = ["rolling_scores"]

_REPORTED = tuple(name for name, one in METRICS.items() if not one.relative)


def rolling_scores(
    outcomes: Sequence[ForecastOutcome], scale: Floats, levels: tuple[float, ...], *, asked: Sequence[float]
) -> dict[str, Any]:
    """Return the scores of all windows together, by name.

    Args:
        outcomes: Batches of windows that were forecast and came, with the forecasts of a reference.
        scale: (S,) what MASE divides by, of each series before the test.
        levels: Q quantile levels of the forecasts.
        asked: The levels whose intervals are of interest; all where they contain no interval.

    Returns:
        ``rows``, each metric, ``coverage`` (nominal -> observed) and ``skill`` (metric -> 1 - score / the reference's).
    """
    totals: dict[str, dict[str, Sums]] = {"model": {}, "reference": {}}
    for one in outcomes:
        base = one.reference
        assert base is not None
        rivals = {"model": (one.point, one.quantiles), "reference": (base.median(levels), base.quantiles)}
        for who, (point, quantiles) in rivals.items():
            for name, metric in METRICS.items():
                part = metric.sums(one.actual, point, quantiles, levels, scale[one.series])
                totals[who][name] = totals[who].get(name, Sums(0.0, 0.0)) + part
    actual = np.concatenate([one.actual for one in outcomes])
    covered = coverage(actual, np.concatenate([one.quantiles for one in outcomes]), levels)
    scores = {who: {n: METRICS[n].report(sums) for n, sums in found.items()} for who, found in totals.items()}
    model, reference = scores["model"], scores["reference"]
    nominal = {f"{1 - 2 * q:.10g}" for q in asked if q < 0.5}
    return {
        "rows": int((~np.isnan(actual)).sum()),
        **{name: model[name] for name in _REPORTED},
        "coverage": {k: v for k, v in covered.items() if k in nominal} or covered,
        "skill": {name: 1.0 - model[name] / reference[name] for name in _REPORTED if reference[name] > 0},
    }
