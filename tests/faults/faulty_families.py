"""Families of models that crash, hang, exhaust memory or return NaN, and the set-up that puts them into a worker.

The catalog of the worker process is replaced, not that of the project: production code knows nothing of this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from autots.models import catalog
from autots.models.base import Context, Forecast, Task
from autots.models.baseline.last import Naive
from autots.panel import Future, Panel
from autots.search import trial

__all__ = ["FAULTS", "patched", "setup"]


class Crashes(Naive):
    """Raises in its fit."""

    name = "crashes"

    def fit(self, panel: Panel, task: Task, context: Context) -> Crashes:
        raise RuntimeError("it crashed")


class Hangs(Naive):
    """Never ends, and does not look at its deadline."""

    name = "hangs"

    def fit(self, panel: Panel, task: Task, context: Context) -> Hangs:
        while True:
            time.sleep(1.0)


class Eats(Naive):
    """Takes more memory than a worker may have."""

    name = "eats"

    def fit(self, panel: Panel, task: Task, context: Context) -> Eats:
        self.kept = [np.ones(2**27) for _ in range(64)]  # 64 GB
        return self


class Lies(Naive):
    """Forecasts NaN."""

    name = "lies"

    def predict(self, history: Panel, future: Future) -> Forecast:
        made = super().predict(history, future)
        return Forecast(np.full_like(made.mean, np.nan), np.full_like(made.quantiles, np.nan))


FAULTS = ("crashes", "eats", "lies", "hangs")


def patched() -> Mapping[str, str]:
    """Return the catalog with the faulty families."""
    classes = {cls.name: f"{__name__}:{cls.__name__}" for cls in (Crashes, Eats, Lies, Hangs)}
    return MappingProxyType({**catalog.CATALOG, **classes})


def setup(payload: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Set a worker up as ``autots.search.trial`` does, with the faulty families in its catalog."""
    catalog.CATALOG = patched()
    return trial.setup(payload)
