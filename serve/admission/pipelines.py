"""The checks of a pipeline of our own: it is what it says, equals its own forecasts, is quick, and bears bad input."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autots.panel import Floats
from serve.admission.policy import Check, Policy, timed
from serve.runtime.model import Served
from serve.runtime.verify import check_forecasts, verify, warm_up

__all__ = ["checks"]


def checks(path: Path, policy: Policy, golden: Any) -> Iterator[Check]:
    """Yield the checks of a run directory or a saved pipeline."""
    loaded: list[Served] = []

    def load() -> str:
        loaded.append(Served.load("candidate", path))
        served = loaded[0]
        return f"{len(served.members)} members, {len(served.history.ids)} series, horizon {served.horizon}"

    yield "load", load

    def windows() -> str:
        warm_up(loaded[0], rounds=1)
        verify(loaded[0])
        return "equal to pipeline.predict"

    yield "golden windows", windows

    def shapes() -> str:
        return _answered(loaded[0], loaded[0].pipeline.panel.select([0]).y)

    yield "shapes", shapes

    def latency() -> str:
        # One that the model knows: of a new one, models of single series must learn, which only ``seconds`` bounds.
        known = loaded[0].pipeline.panel.select([0])
        future = loaded[0].ahead(known)
        return timed(lambda: loaded[0].forecast(known, future), policy, "series")

    yield "latency", latency
    probes = {
        "probe: missing values": lambda y: np.where(np.arange(len(y)) % 7 == 3, np.nan, y),
        "probe: one point": lambda y: y[-1:],
        "probe: constant": lambda y: np.full(min(len(y), 200), 5.0),
        "probe: zeros": lambda y: np.zeros(min(len(y), 200)),
        "probe: large": lambda y: 1e12 * y[-200:],
        "probe: long": lambda y: np.resize(y, policy.longest),
    }
    for name, change in probes.items():

        def probe(change: Any = change) -> str:
            y = loaded[0].pipeline.panel.select([0]).y
            return _answered(loaded[0], change(y))

        yield name, probe


def _forecast(served: Served, y: Floats) -> tuple[Floats, Floats] | str:
    """Return a forecast of one series under a name that the model does not know, or why the request is refused."""
    ready = served.read([served.probe(y)])
    if ready.panel is None:
        return next(iter(ready.errors.values())).message
    block = served.forecast(ready.panel, ready.future)
    return block.mean, block.quantiles


def _answered(served: Served, y: Floats) -> str:
    """Raise unless the answer is a forecast, or a refusal that says why."""
    answer = _forecast(served, y)
    if isinstance(answer, str):
        return f"refused as it should be: {answer}"
    check_forecasts(served, *answer, n_series=1)
    return f"{served.horizon} finite steps from {len(y)} points"
