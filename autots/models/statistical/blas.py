"""Numerical libraries while single series are fitted: quiet, and on as many threads as the fit may have."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

__all__ = ["quiet"]


@cache
def _blas() -> Any:
    """Return the handle of the BLAS libraries; looking for them takes milliseconds, so once per process."""
    import scipy.linalg  # noqa: F401  # its BLAS must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def quiet(threads: int) -> Iterator[None]:
    """Silence numerical warnings and keep BLAS to ``threads``.

    Matrices here are tiny: where the cores are shared, BLAS threads that wait for each other cost ten times the work.
    """
    # As ``limit`` of the handle does, which describes every library anew: a fifth of a small forecast's time.
    libraries = [one for one in _blas().lib_controllers if one.user_api == "blas"]
    before = [one.num_threads for one in libraries]
    try:
        for one, many in zip(libraries, before, strict=True):
            if many != threads:
                one.set_num_threads(threads)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, many in zip(libraries, before, strict=True):
            if many != threads:
                one.set_num_threads(many)
