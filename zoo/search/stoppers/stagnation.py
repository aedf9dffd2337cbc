"""When a whole study has converged: SigOpt's rule. Not a ``Stopper``: it ends the study, and no trial."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.errors import ConfigError

__all__ = ["stagnated"]


def stagnated(values: Sequence[float], dimension: int, *, factor: int = 5) -> bool:
    """Whether the best of the last ``factor * dimension`` values does not beat the ``factor``-th best before them.

    Args:
        values: Final values in the order in which they came, less is better; those of failed trials are left out.
        dimension: Parameters of the space.
        factor: SigOpt's 5: a search of d parameters gets 5 d more observations to find something better.

    >>> stagnated([3.0, 2.0, 1.0], dimension=1)
    False
    >>> stagnated([1.0] * 5 + [2.0] * 5, dimension=1)
    True

    Raises:
        ConfigError: There is no parameter.
    """
    if dimension < 1 or factor < 1:
        raise ConfigError(
            f"`dimension >= 1` and `factor >= 1` must hold, but got dimension={dimension}, factor={factor}",
            "give the number of parameters",
        )
    window = factor * dimension
    before = sorted(values[: max(len(values) - window, 0)])
    if len(before) < factor:
        return False
    return min(values[-window:]) >= before[factor - 1]
