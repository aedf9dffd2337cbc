"""Waves of a fixed period, anchored to the clock and not to the first row."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from zoo.series.offsets import Floats, Ints

__all__ = ["fourier"]


def fourier(steps: Ints, period: int, order: int) -> list[tuple[Floats, Floats]]:
    """Return sine and cosine of the first harmonics of a period.

    Args:
        steps: (N,) steps of the clock since its origin.
        period: Steps after which everything repeats.
        order: Number of harmonics, the k-th with period / k.

    >>> sine, cosine = fourier(np.array([0, 1, 2]), 4, 1)[0]
    >>> sine.round(3).tolist(), cosine.round(3).tolist()
    ([0.0, 1.0, 0.0], [1.0, 0.0, -1.0])
    """
    phase = steps % period
    return [(sine[phase], cosine[phase]) for sine, cosine in _waves(period, order)]


@lru_cache(maxsize=16)
def _waves(period: int, order: int) -> list[tuple[Floats, Floats]]:
    """Return one table per harmonic.

    Rows of equal phase have equal bits, whatever the vector unit does at the end of an array.
    """
    angles = 2 * np.pi * np.arange(period) / period
    return [(np.sin(k * angles), np.cos(k * angles)) for k in range(1, order + 1)]
