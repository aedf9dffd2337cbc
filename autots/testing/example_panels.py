"""Panels that are good examples, and histories that break models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autots.panel import Floats, Frequency, Future, Panel

__all__ = ["EXAMPLE_HORIZON", "example_future", "example_panel", "odd_histories", "panel_of"]

EXAMPLE_HORIZON = 5  # steps
_LENGTHS = (48, 40, 55, 60)  # rows of the series of the example


def panel_of(
    series: Sequence[Floats], *, ids: Sequence[str] | None = None, known: Floats | None = None, start: int = 0
) -> Panel:
    """Return a panel on an integer clock that starts at ``start``, with one known covariate "x" if it is given."""
    lengths = [len(s) for s in series]
    return Panel(
        ids=np.array(ids if ids is not None else [f"s{i}" for i in range(len(series))], dtype=object),
        indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        times=np.concatenate([start + np.arange(n) for n in lengths]).astype(np.int64),
        y=np.concatenate(series).astype(np.float64),
        freq=Frequency.parse(1),
        known={} if known is None else {"x": np.asarray(known, dtype=np.float64)},
    )


def example_panel(seed: int = 0, *, lengths: Sequence[int] = _LENGTHS) -> Panel:
    """Return seasonal series (season 4) of unequal lengths that follow a known covariate "x", one with a hole."""
    rng = np.random.default_rng(seed)
    series, drivers = [], []
    for i, n in enumerate(lengths):
        t = np.arange(n)
        x = rng.normal(size=n)
        noise = rng.normal(size=n) + rng.normal(scale=0.3, size=n).cumsum()
        series.append(30 + 10 * i + 0.1 * t + 4 * np.sin(np.pi * t / 2) + 6 * x + noise)
        drivers.append(x)
    series[-1][7:9] = np.nan
    return panel_of(series, known=np.concatenate(drivers))


def example_future(panel: Panel, *, value: float = 0.0) -> Future:
    """Return the known covariates of a panel over the horizon of the laws, all equal to ``value``."""
    return Future({name: np.full((panel.n_series, EXAMPLE_HORIZON), value) for name in panel.known})


def odd_histories() -> dict[str, Floats]:
    """Return series that break models: name -> values."""
    rng = np.random.default_rng(1)
    holes = 20 + rng.normal(size=40)
    holes[rng.permutation(40)[:25]] = np.nan
    ends = 20 + rng.normal(size=40)
    ends[:6] = ends[-6:] = np.nan
    spike = np.zeros(40)
    spike[20] = 1e6
    return {
        "one point": np.array([3.0]),
        "two points": np.array([3.0, 4.0]),
        "shorter than a season": np.array([3.0, 5.0, 4.0]),
        "a season and a half": np.array([3.0, 5.0, 4.0, 6.0, 3.0, 5.0]),
        "constant": np.full(40, 7.0),
        "all zero": np.zeros(40),
        "all missing": np.full(40, np.nan),
        "one value among missing ones": np.where(np.arange(40) == 17, 5.0, np.nan),
        "holes": holes,
        "missing ends": ends,
        "mostly zero": np.where(rng.random(40) < 0.15, 3.0, 0.0),
        "one spike": spike,
        "negative": -50 + rng.normal(size=40),
        "huge": 1e12 * (2 + rng.normal(size=40) / 10),
        "tiny": 1e-12 * (2 + rng.normal(size=40) / 10),
        "exponential": 1.5 ** np.arange(40),
        "a line": np.arange(40.0),
        "a jump at the end": np.concatenate([rng.normal(size=39), [1000.0]]),
        "alternating": np.tile([0.0, 1.0], 20),
    }
