"""Values of earlier rows."""

from __future__ import annotations

import numpy as np

from zoo.features.kernels.groups import Floats, Groups

__all__ = ["difference", "lag"]


def lag(values: Floats, groups: Groups, rows: int) -> Floats:
    """Return the value ``rows`` rows before, NaN where the series was not there yet.

    >>> lag(np.array([1.0, 2.0, 3.0, 9.0]), Groups(np.array([0, 3, 4])), 1).tolist()
    [nan, 1.0, 2.0, nan]
    """
    out = np.empty(len(values))
    out[rows:] = values[: max(len(values) - rows, 0)]
    out[groups.heads(rows)] = np.nan
    return out


def difference(values: Floats, groups: Groups, rows: int, *, shift: int = 1) -> Floats:
    """Return how much the value ``shift`` rows before differs from the one ``rows`` rows before that.

    >>> difference(np.array([1.0, 2.0, 4.0]), Groups(np.array([0, 3])), 1, shift=0).tolist()
    [nan, 1.0, 2.0]
    """
    late = values if shift == 0 else lag(values, groups, shift)
    return np.asarray(late - lag(values, groups, shift + rows))
