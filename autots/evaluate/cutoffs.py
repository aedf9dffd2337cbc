"""Where the past is cut, once for all candidates of a search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from autots.evaluate.target_counts import TargetCounts
from autots.panel import Ints
from autots.panel.season import usual_length
from zoo.errors import ConfigError, DataError

__all__ = ["MAX_FITS", "BacktestPlan", "plan_cutoffs"]

# Targets that make a score and its calibration trustworthy; more windows than that only cost time.
_ENOUGH_TARGETS = 3000
_MAX_WINDOWS = 400
#: Fits of one backtest: more would cost more than they tell.
MAX_FITS = 3


@dataclass(frozen=True)
class BacktestPlan:
    """The windows of a search.

    A cutoff is the number of rows behind it at the end of every series. The windows from the first ``n_selection``
    cutoffs (the oldest) choose; the rest are seen by no choice before they are scored. A candidate is fitted at the
    cutoffs in ``fits``, and every window is forecast by the last fit at or before it, moved forward by a state update.

    Args:
        horizon: Steps H of every window.
        cutoffs: Descending rows-behind, oldest window first.
        n_selection: How many of the cutoffs choose.
        fits: Descending subset of ``cutoffs``, the first included.
        moved: Whether windows lie elsewhere than usual, as the usual ones held hardly a target.
    """

    horizon: int
    cutoffs: tuple[int, ...]
    n_selection: int
    fits: tuple[int, ...]
    moved: bool = False

    def __post_init__(self) -> None:
        if not self.cutoffs or any(a <= b for a, b in pairwise(self.cutoffs)) or self.cutoffs[-1] < self.horizon:
            raise ConfigError(f"cutoffs must descend to at least the horizon, but got {self.cutoffs}")
        if self.fits[:1] != self.cutoffs[:1] or not set(self.fits) <= set(self.cutoffs):
            raise ConfigError(f"fits must be cutoffs, the first included, but got {self.fits} of {self.cutoffs}")
        if not 0 < self.n_selection <= len(self.cutoffs):
            raise ConfigError(f"n_selection must be in 1..{len(self.cutoffs)}, but got {self.n_selection}")

    @property
    def groups(self) -> list[tuple[int, tuple[int, ...]]]:
        """Each fit cutoff with the window cutoffs that it serves."""
        out: list[tuple[int, tuple[int, ...]]] = []
        for i, fit in enumerate(self.fits):
            until = self.fits[i + 1] if i + 1 < len(self.fits) else 0
            out.append((fit, tuple(c for c in self.cutoffs if until < c <= fit)))
        return out

    def refitted(self, times: int) -> BacktestPlan:
        """Return the plan with ``times`` fits, evenly spread over the cutoffs, or with one for each cutoff."""
        return replace(self, fits=_spread(self.cutoffs, times))


def plan_cutoffs(
    lengths: Ints,
    horizon: int,
    *,
    season: int,
    folds: int | None = None,
    cheap_rows: int = 50_000,
    seen: TargetCounts | None = None,
) -> BacktestPlan | None:
    """Choose the windows for series of the given lengths.

    Windows do not overlap while the history allows it; with short series they move closer. Nothing older than half of
    the median series is used, so that a fit before the first cutoff resembles the final one. A window that lies in an
    outage tells nothing: it moves back to where targets are.

    Args:
        lengths: (S,) rows per series.
        horizon: Steps H of every window.
        season: Season length; a fit should have seen two of them.
        folds: Selection windows; chosen from the lengths when None.
        cheap_rows: Rows up to which candidates are fitted more than once per backtest; long horizons count for more.
        seen: Where the targets are; None if none is missing.

    Returns:
        The plan, or None where no series is longer than the horizon by one row, or no window holds a target (nothing
        can be backtested).

    Raises:
        DataError: ``folds`` windows do not fit into the series.
    """
    usual = usual_length(lengths, max(horizon + 2, 2 * season if season > 1 else 0))
    need = min(2 * season, usual // 2) if season > 1 else min(3, usual - 1)
    room = usual - max(need, 1)
    if room < horizon:
        room = int(lengths.max()) - 1
        if room < horizon:
            return None
    if folds is None:
        total, stride, final = _free(lengths, horizon, room, usual)
    else:
        total, stride, final = _asked(folds, horizon, room, usual)
    usual_ones = cutoffs = tuple(horizon + k * stride for k in range(total - 1, -1, -1))
    if seen is not None:
        cutoffs = seen.instead_of(usual_ones, stride, furthest=max(room, usual_ones[0]))
        if not cutoffs:
            return None
        final = min(final, len(cutoffs) // 3 or len(cutoffs) - 1) if len(cutoffs) < total else final
    n_selection = max(1, len(cutoffs) - final)
    # Refit while that is cheap; a large panel moves one fit forward.
    cheap = bool(lengths.sum() * np.clip(horizon, 12, 48) / 12 <= cheap_rows)
    fits = _spread(cutoffs, MAX_FITS if cheap else 1)
    return BacktestPlan(horizon, cutoffs, n_selection, fits, moved=cutoffs != usual_ones)


def _free(lengths: Ints, horizon: int, room: int, usual: int) -> tuple[int, int, int]:
    """Return how many windows there are, the rows between them, and how many of them are seen by no choice."""
    stride = horizon
    # A few series move together: eight exchange rates over three windows chose a learner that lost to naive.
    independent = max(np.sqrt(len(lengths)), len(lengths) / 5)
    total = int(np.clip(np.ceil(_ENOUGH_TARGETS / (independent * horizon)), 3, _MAX_WINDOWS))
    # Windows that reach far back are forecast by a fit that has seen too little.
    within = max(min(room, usual // 5), horizon)
    total = max(1, min(total, 1 + (within - horizon) // stride))
    if total < 3:
        # Overlapping windows are better than one window: they see other origins, if not other targets.
        stride = max(1, min(horizon, (min(room, max(usual // 2, horizon + 2)) - horizon) // 2))
        total = min(3, 1 + max(room - horizon, 0) // stride)
    return total, stride, max(1, total // 5)


def _asked(folds: int, horizon: int, room: int, usual: int) -> tuple[int, int, int]:
    """Return the same for a number of folds."""
    if folds < 1:
        raise ConfigError(f"folds must be at least 1, but got {folds}")
    stride, total = horizon, folds + 1
    if horizon + (total - 1) * stride > room:
        stride = (room - horizon) // (total - 1)
        if stride < 1:
            raise DataError(
                f"{folds} folds of {horizon} steps must fit into the series, but half have at most {usual} rows",
                "ask for fewer folds or a shorter horizon",
            )
    return total, stride, 1


def _spread(cutoffs: tuple[int, ...], times: int) -> tuple[int, ...]:
    return tuple(cutoffs[i] for i in np.unique(np.linspace(0, len(cutoffs), times + 1)[:times].astype(int)))
