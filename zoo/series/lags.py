"""Values of earlier rows."""

from __future__ import annotations

import numpy as np

from zoo.series.offsets import Floats, Offsets

__all__ = ["difference", "lag"]


def lag(values: Floats, offsets: Offsets, rows: int) -> Floats:
    """Return the value ``rows`` rows before, NaN where the series was not there yet.

    >>> lag(np.array([1.0, 2.0, 3.0, 9.0]), Offsets(np.array([0, 3, 4])), 1).tolist()
    [nan, 1.0, 2.0, nan]
    """
    out = np.empty(len(values))
    out[rows:] = values[: max(len(values) - rows, 0)]
    out[offsets.heads(rows)] = np.nan
    return out


def difference(values: Floats, offsets: Offsets, rows: int, *, shift: int = 1) -> Floats:
    """Return how much the value ``shift`` rows before differs from the one ``rows`` rows before that.

    >>> difference(np.array([1.0, 2.0, 4.0]), Offsets(np.array([0, 3])), 1, shift=0).tolist()
    [nan, 1.0, 2.0]
    """
    late = values if shift == 0 else lag(values, offsets, shift)
    return np.asarray(late - lag(values, offsets, shift + rows))
