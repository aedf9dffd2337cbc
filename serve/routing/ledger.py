"""Forecasts that wait for their actuals: the reward of a router arrives h steps later."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.routing.base import RoutingOutcome

__all__ = ["Ledger", "Promise", "history_scale", "promise_from", "time_key"]

# In mean absolute steps of the series. A loss above this counts as this: one wild actual must not decide.
_MAX_LOSS = 10.0


@dataclass(frozen=True, slots=True)
class Promise:
    """One forecast of one series.

    Args:
        route: The name that was asked for.
        model: The version that answered.
        series: The id of the series.
        times: (H,) the steps, as ``time_key`` writes them.
        mean: (H,) the point forecast.
        low: (H,) lower end of the interval, or empty.
        high: (H,) upper end, or empty.
        scale: What errors are divided by, so that series of all sizes count alike; the same for all models.
    """

    route: str
    model: str
    series: str
    times: tuple[str, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    scale: float = 1.0

    def outcome(self, step: int, y: float) -> RoutingOutcome:
        """Return what an actual says about the model."""
        loss = min(abs(y - self.mean[step]) / self.scale, _MAX_LOSS)
        missed = None if not self.low else not self.low[step] <= y <= self.high[step]
        return RoutingOutcome(self.model, loss=loss, missed=missed)


class Ledger:
    """Keeps promises until they are settled. Bounded: of each series the newest, of all series those last forecast.

    Each (promise, step) is settled at most once, so an observation that arrives twice teaches once. The order in which
    observations arrive does not matter.

    Args:
        per_series: How many promises of one series are kept; an older one is given up.
        max_series: How many series are kept; the one that was forecast longest ago is given up.

    >>> ledger = Ledger()
    >>> ledger.add(Promise("demand", "demand@2", "H1", ("7", "8"), (10.0, 11.0), scale=2.0))
    >>> ledger.settle("H1", "8", 12.0), ledger.settle("H1", "8", 12.0)
    ([('demand', RoutingOutcome(model='demand@2', failed=None, latency_ms=None, loss=0.5, missed=None))], [])
    """

    def __init__(self, per_series: int = 8, max_series: int = 100_000) -> None:
        self._per_series, self._max_series = per_series, max_series
        self._open: OrderedDict[str, deque[tuple[Promise, dict[str, int]]]] = OrderedDict()

    def add(self, promise: Promise) -> None:
        """Keep a forecast."""
        waiting = self._open.get(promise.series)
        if waiting is None:
            waiting = self._open[promise.series] = deque(maxlen=self._per_series)
            if len(self._open) > self._max_series:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(promise.series)
        waiting.append((promise, {time: i for i, time in enumerate(promise.times)}))

    def settle(self, series: str, time: str, y: float) -> list[tuple[str, RoutingOutcome]]:
        """Return what an actual says about the models that forecast it, with the names that were asked for."""
        waiting = self._open.get(series)
        if waiting is None or y != y:
            return []
        found = []
        for promise, steps in waiting:
            step = steps.pop(time, None)
            if step is not None:
                found.append((promise.route, promise.outcome(step, y)))
        if not any(steps for _, steps in waiting):
            del self._open[series]
        return found

    def awaits(self, series: str, time: str) -> bool:
        """Whether an actual of this series and time would settle anything."""
        return any(time in steps for _, steps in self._open.get(series, ()))

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._open.values())

    def to_list(self) -> list[dict[str, Any]]:
        """Return what waits, oldest series first, as JSON values; settled steps are left out."""
        return [dict(_row(promise, steps)) for waiting in self._open.values() for promise, steps in waiting if steps]

    @classmethod
    def from_list(cls, rows: Sequence[Mapping[str, Any]]) -> Ledger:
        """Return what ``to_list`` wrote."""
        ledger = cls()
        for row in rows:
            ledger.add(promise_from(row))
        return ledger


def promise_from(row: Mapping[str, Any]) -> Promise:
    """Return a promise from JSON values."""
    numbers = {name: tuple(float(v) for v in row.get(name, ())) for name in ("mean", "low", "high")}
    times = tuple(str(t) for t in row["times"])
    return Promise(row["route"], row["model"], row["series"], times, **numbers, scale=float(row["scale"]))


def _row(promise: Promise, steps: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
    kept = sorted(steps.values())
    yield from (("route", promise.route), ("model", promise.model), ("series", promise.series))
    yield "scale", promise.scale
    yield "times", [promise.times[i] for i in kept]
    for name, values in (("mean", promise.mean), ("low", promise.low), ("high", promise.high)):
        if values:
            yield name, [values[i] for i in kept]


def time_key(value: object) -> str:
    """Return one text for one moment, however it is written: ISO with or without a zone, or the number of a step.

    >>> time_key("2024-01-01") == time_key("2024-01-01T00:00:00.000") == time_key("2024-01-01T01:00:00+01:00")
    True
    >>> time_key(7.0), time_key("7")
    ('7', '7')
    """
    if isinstance(value, int | float | np.number):
        return format(float(value), ".15g")
    text = str(value).strip()
    try:
        return format(float(text), ".15g")
    except ValueError:
        pass
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")


def history_scale(y: npt.ArrayLike) -> float:
    """Return the mean absolute step of a history, 1 where there is none: what errors of this series are divided by.

    >>> history_scale([1.0, 3.0, 2.0])
    1.5
    """
    values = np.asarray(y, dtype=np.float64)
    steps = np.abs(np.diff(values[np.isfinite(values)][-1000:]))
    scale = float(steps.mean()) if len(steps) else 0.0
    return scale if scale > 0.0 else 1.0
