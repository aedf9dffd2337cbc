"""The global generators of the process are the user's: what runs here draws from its own and leaves them alone."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["untouched_chance"]


@contextmanager
def untouched_chance() -> Iterator[None]:
    """Leave the global generators of Python, numpy and torch as they were, whatever libraries draw from them.

    Our own code has seeds of its own; Ray draws ports and names from Python's, and so do some imports. It is a
    decorator, too. Other threads that draw from those generators meanwhile will see the same numbers again.

    >>> import random
    >>> random.seed(1)
    >>> before = random.getstate()
    >>> with untouched_chance():
    ...     _ = random.random()
    >>> random.getstate() == before
    True
    """
    python, numbers = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    tensors = None if torch is None else torch.random.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        if torch is not None:
            torch.random.set_rng_state(tensors)
