"""Nonlinear least squares within bounds, with few evaluations and an early end where there is nothing to win."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from autots.panel import Floats

__all__ = ["least_squares"]

# Steps at most.
_STEPS = 60
# Damping of the first step, and the one above which no step helps any more.
_DAMPING = 1e-3
_STUCK = 1e6
# So few parameters are differenced anew at every step, which costs less than a step too many.
_FEW = 5
# Relative step of a difference quotient.
_DIFFERENCE = 1e-6
# Given up after so many steps where the logarithm of the sum is behind by more than so many times the last promise.
_TRIED = 2
_HOPE = 5.0
_MARGIN = 2.0


def least_squares(
    residuals: Callable[[Floats], Floats | None],
    at: Floats,
    found: Floats,
    bounds: tuple[Floats, Floats],
    unit: Floats,
    wanted: float,
    arrived: float,
) -> tuple[Floats, float]:
    """Return the point of the least sum of squares near ``at``, and the sum.

    The method of Levenberg and Marquardt, whose slopes are renewed by Broyden's (1965) formula while that helps: an
    evaluation instead of one for each parameter.

    Args:
        residuals: Point (K,) -> residuals (T,), None where it is not defined.
        at: (K,) where the search begins.
        found: (T,) residuals at the beginning.
        bounds: (K,) lower and upper bounds of the parameters.
        unit: (K,) what counts as a step of about one.
        wanted: A sum of squares that is worth going on for; far from it the search ends early.
        arrived: The optimum is reached where a step gains less, in logarithms of the sum of squares times T.
    """
    low, high = bounds
    rows, damping, squares = len(found), _DAMPING, float(found @ found)
    slopes, fresh, taken = _slopes(residuals, at, found, unit, high), True, 0
    for _ in range(_STEPS):
        gradient = slopes @ found
        # A parameter on its bound that would leave it stays there.
        free = ~(((at <= low) & (gradient > 0)) | ((at >= high) & (gradient < 0)))
        step = _step(slopes[free], gradient[free], damping)
        moved = at.copy()
        moved[free] += step * unit[free]
        moved = np.minimum(np.maximum(moved, low), high)
        promised = found + slopes[free].T @ step
        new = residuals(moved)
        reached = math.inf if new is None else float(new @ new)
        if new is not None and reached < squares:
            change = (moved - at) / unit
            if len(at) > _FEW:
                slopes += np.outer(change / max(float(change @ change), 1e-300), new - found - change @ slopes)
            gain, hope = (rows * _log_ratio(squares, lower) for lower in (reached, float(promised @ promised)))
            at, found, squares, taken = moved, new, reached, taken + 1
            damping = max(damping / 10, 1e-9)
            if taken >= _TRIED and rows * _log_ratio(squares, wanted) > _MARGIN + _HOPE * max(gain, hope):
                break
            if gain > arrived:
                fresh = False
                if len(at) > _FEW:
                    continue
        elif fresh:
            damping *= 10
            if damping > _STUCK:
                break
            continue
        if fresh:
            break
        slopes, fresh = _slopes(residuals, at, found, unit, high), True
    return at, squares


def _log_ratio(high: float, low: float) -> float:
    return math.log(max(high, 1e-300)) - math.log(max(low, 1e-300))


def _step(slopes: Floats, gradient: Floats, damping: float) -> Floats:
    """Return the damped step of Gauss and Newton."""
    normal = slopes @ slopes.T
    diagonal = normal.diagonal()
    most = float(diagonal.max(initial=0.0))
    normal.flat[:: len(normal) + 1] += damping * np.maximum(diagonal, 1e-12 * max(most, 1e-300)) + 1e-300
    try:
        return np.asarray(np.linalg.solve(normal, -gradient))
    except np.linalg.LinAlgError:
        return np.asarray(-gradient / max(most, 1e-300))


def _slopes(
    residuals: Callable[[Floats], Floats | None], at: Floats, found: Floats, unit: Floats, high: Floats
) -> Floats:
    """Return (K, T) difference quotients of the residuals, by a unit of each parameter."""
    slopes = np.zeros((len(at), len(found)))
    moved = at.copy()
    for k in range(len(at)):
        by = _DIFFERENCE if at[k] + _DIFFERENCE * unit[k] <= high[k] else -_DIFFERENCE
        moved[k] = at[k] + by * unit[k]
        new = residuals(moved)
        moved[k] = at[k]
        if new is not None:
            slopes[k] = (new - found) / by
    return slopes
