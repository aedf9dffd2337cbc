"""Waves of a fixed period, anchored to the clock and not to the first row."""

from __future__ import annotations

import numpy as np

from zoo.features.kernels.groups import Floats, Ints

__all__ = ["fourier"]


def fourier(steps: Ints, period: int, order: int) -> list[tuple[Floats, Floats]]:
    """Return sine and cosine of the first harmonics of a period.

    Args:
        steps: (N,) steps of the clock since its origin.
        period: Steps after which everything repeats.
        order: Number of harmonics.

    >>> sine, cosine = fourier(np.array([0, 1, 2]), 4, 1)[0]
    >>> sine.round(3).tolist(), cosine.round(3).tolist()
    ([0.0, 1.0, 0.0], [1.0, 0.0, -1.0])
    """
    # One table per harmonic: rows of equal phase have equal bits, whatever the vector unit does at the end of an array.
    phase = steps % period
    angles = 2 * np.pi * np.arange(period) / period
    return [(np.sin(k * angles)[phase], np.cos(k * angles)[phase]) for k in range(1, order + 1)]
