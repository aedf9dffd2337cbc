"""Small fits in this very process: a bound on the trials in place of a wish about the clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from autots import AutoTS
from autots.report.terminal import SilentProgress


@pytest.fixture(scope="module", autouse=True)
def without_ray() -> Iterator[None]:
    """Let small fits run inline, also where an earlier test left its Ray open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.cluster.is_connected", lambda: False)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


def quick(horizon=4, *, trials=8, **options) -> AutoTS:
    """Return an AutoTS that stops after so many entries, the trivial forecasters among them."""
    auto = AutoTS(horizon, **{"budget": 25, "progress": SilentProgress(), **options})
    auto.settings = dataclasses.replace(auto.settings, max_trials=trials)
    return auto


def sales(days=70, shops=("a", "b", "c"), seed=0) -> pd.DataFrame:
    """A long table of daily sales with a weekly season that rises with the known covariate "promo"."""
    rng = np.random.default_rng(seed)
    parts = []
    for i, shop in enumerate(shops):
        t = np.arange(days)
        promo = (rng.random(days) < 0.2).astype(float)
        y = 40 + 15 * i + 0.1 * t + 8 * np.sin(2 * np.pi * t / 7) + 20 * promo + rng.normal(size=days)
        times = pd.date_range("2022-01-03", periods=days, freq="D")
        parts.append(pd.DataFrame({"shop": shop, "day": times, "sold": y.round(3), "promo": promo}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return sales()


@pytest.fixture(scope="module")
def make():
    return quick


@pytest.fixture(scope="module")
def make_table():
    return sales
