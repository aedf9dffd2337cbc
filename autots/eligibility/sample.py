"""A part of the panel as matrices: enough to see a leak, small enough for a blink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autots.panel.panel import Floats, Panel

__all__ = ["PanelSample", "sample_of"]

_MAX_SERIES, _MAX_ROWS = 48, 1200  # rows of each series
_LATER_SHARE = 0.3  # of the rows: those that judge what was fitted on the others


@dataclass(frozen=True)
class PanelSample:
    """Some series, aligned at their ends.

    Args:
        panel: The same series and rows as a panel.
        y: (S, T) targets in units of their standard deviation over the earlier rows; NaN before a series begins and
            in holes.
        split: Column where the later rows begin.
    """

    panel: Panel
    y: Floats
    split: int

    def matrix(self, flat: Floats, *, scale: bool) -> Floats:
        """Lay (N,) values of the panel out like ``y``; ``scale`` takes each series' mean and standard deviation off."""
        out = np.full(self.y.shape, np.nan)
        for i, (a, b) in enumerate(zip(self.panel.indptr[:-1], self.panel.indptr[1:], strict=True)):
            out[i, self.y.shape[1] - (b - a) :] = flat[a:b]
        return scaled(out, self.split) if scale else out


def sample_of(panel: Panel, rows: int = _MAX_ROWS) -> PanelSample | None:
    """Return the last rows of some of the longer series, or None if none is long enough to say anything."""
    long = np.flatnonzero(panel.lengths >= 0.5 * np.median(panel.lengths))
    chosen = long[np.unique(np.linspace(0, len(long) - 1, min(_MAX_SERIES, len(long))).astype(np.intp))]
    part = panel.select(chosen).tail(rows)
    width = int(part.lengths.max(initial=0))
    if width < 10:
        return None
    split = round((1 - _LATER_SHARE) * width)
    empty = PanelSample(part, np.empty((part.n_series, width)), split)
    return PanelSample(part, empty.matrix(part.y.astype(float), scale=True), split)


def scaled(values: Floats, split: int) -> Floats:
    """Take each row's mean off and divide by its standard deviation, both of the columns before ``split``."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # Squares of huge values would overflow, those of tiny ones vanish.
        largest = np.nanmax(np.where(np.isnan(values), 0.0, np.abs(values)), axis=1, keepdims=True, initial=0.0)
        values = values / np.where(largest > 0, largest, 1.0)
        early = values[:, :split]
        known = ~np.isnan(early)
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        middle = np.nansum(early, axis=1, keepdims=True) / count
        std = np.sqrt(np.nansum((early - middle) ** 2, axis=1, keepdims=True) / count)
    std[~(std > 1e-12)] = np.inf  # a constant says nothing: all zeros
    return np.asarray((values - middle) / std)
