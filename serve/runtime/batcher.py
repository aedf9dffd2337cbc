"""Requests that wait at the same time are forecast together.

A request goes with whatever else has arrived in the same turn of the event loop, or has piled up while the model was
busy. So a batch grows with the load, and an idle server answers at once. Clients who ask again when they are answered
would fall into two groups, each waiting while the other is forecast: so under load, requests for a model whose batches
cost much whatever their size wait for those who were just answered (``_ArrivalWait``). Small work is done in the loop
itself, where it is cheaper than a switch of threads; large work in the model's own thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from autots.panel import Future, Panel
from serve.protocol.errors import RequestError
from serve.runtime.model import ForecastBlock
from serve.runtime.read import joined
from zoo.errors import ZooError

__all__ = ["BatchForecaster", "Batcher"]

_log = logging.getLogger(__name__)
# Failures of a model within one request, after which it is not asked any more.
_MAX_FAILURES = 200

# Seconds of work that the event loop may be held up for. Two dozen series of a LightGBM model take 8 ms: 1,060 requests
# a second here and 880 in the thread, which wants the interpreter at the same time as the loop. So it is with an LSTM
# and recursive trees, whose batches take 13 ms (a tenth to two fifths more answers); longer ones would be felt.
_INLINE_SECONDS = 0.02
# How fast the estimate of the cost of a batch follows what is measured.
_LEARNING_RATE = 0.2
# Seconds that a batch must cost whatever its size, for requests to wait for company. Eight clients get up to
# twice the answers of networks and recursive trees so, a third more of a linear model; a tenth fewer of Theta at .0003.
_MIN_FIXED_COST = 0.001
# Shares of that cost: the wait after each arrival, and in all.
_ARRIVAL_SHARE, _TOTAL_SHARE = 0.125, 0.5
# After a wait in vain so many batches go without one, twice as many each time up to this.
_MAX_SKIP = 64
# Turns of the loop in which those requests are read that arrived while it was held up by a batch.
_READING_TURNS = 3


class BatchForecaster(Protocol):
    """What a batch is handed to."""

    def __call__(self, panel: Panel, future: Future) -> ForecastBlock:
        """Forecast the series of a panel; each as if it had come alone."""


@dataclass(frozen=True)
class _WaitingRequest:
    panel: Panel
    future: Future
    answer: asyncio.Future[ForecastBlock]
    deadline: float | None


class _ArrivalWait:
    """How long a batch waits for more requests: what was just answered will be back, if clients go round.

    Where requests come by chance, a wait brings nobody, and is tried ever more rarely.
    """

    def __init__(self) -> None:
        self._expected = 1
        self._began: tuple[float, int] | None = None  # when the wait began, with how many
        self._skip, self._next_skip = 0, 1

    def expect(self, requests: int) -> None:
        """Hear after a batch how many may come: it and those that it kept waiting."""
        self._expected = requests

    def complete(self, requests: int) -> bool:
        """Return whether nobody else is expected."""
        return requests >= self._expected

    def wait(self, requests: int, fixed_cost: float, arrived: float, now: float) -> float:
        """Return seconds that the requests should still wait.

        Args:
            requests: How many requests are there now.
            fixed_cost: Seconds that a batch costs whatever its size.
            arrived: When the last request came, in seconds of the loop's clock.
            now: The same clock's time now, in seconds.
        """
        if fixed_cost < _MIN_FIXED_COST or self._skip or self.complete(requests):
            return 0.0
        if self._began is None:
            self._began = (now, requests)
        begin = self._began[0]
        return min(max(arrived, begin) + _ARRIVAL_SHARE * fixed_cost, begin + _TOTAL_SHARE * fixed_cost) - now

    def left(self, requests: int) -> None:
        """Hear that a batch of so many goes."""
        self._skip = max(self._skip - 1, 0)
        if self._began is None:
            return
        if requests > self._began[1]:
            self._next_skip = 1
        else:
            self._skip, self._next_skip = self._next_skip, min(2 * self._next_skip, _MAX_SKIP)
        self._began = None


class _CostLine:
    """Seconds of a batch: a line through those measured, the newest counting most."""

    def __init__(self) -> None:
        self.base, self.each = 0.001, 0.0
        self._series, self._seconds, self._square, self._product = 1.0, 0.001, 0.0, 0.0

    def __call__(self, series: int) -> float:
        """Return what a batch of so many series should take."""
        return self.base + self.each * series

    def learn(self, series: int, seconds: float) -> None:
        """Hear what a batch took."""
        far, long = series - self._series, seconds - self._seconds
        self._series += _LEARNING_RATE * far
        self._seconds += _LEARNING_RATE * long
        self._square = (1 - _LEARNING_RATE) * (self._square + _LEARNING_RATE * far * far)
        self._product = (1 - _LEARNING_RATE) * (self._product + _LEARNING_RATE * far * long)
        if self._square > 1e-9:  # else all were as large, and tell nothing new about the slope
            self.each = self._product / self._square
        self.each = min(max(self.each, 0.0), self._seconds / self._series)
        self.base = self._seconds - self.each * self._series


class Batcher:
    """Gathers the requests for one model. Use it from one event loop.

    Args:
        forecast: The model, called from the loop and from one thread, never at the same time.
        max_series: Series of a batch at most; 1 to forecast every request by itself. A larger request goes alone.
        observed: Called with the requests and series of each batch and its seconds.
    """

    def __init__(
        self,
        forecast: BatchForecaster,
        *,
        max_series: int = 256,
        observed: Callable[[int, int, float], None] | None = None,
    ) -> None:
        self._forecast, self._max_series, self._observed = forecast, max_series, observed
        self._waiting: list[_WaitingRequest] = []
        self._arrived = 0.0
        self._busy = False
        self._plan: asyncio.Handle | None = None
        self._arrival_wait, self._cost = _ArrivalWait(), _CostLine()
        self._thread: ThreadPoolExecutor | None = None

    @property
    def waiting(self) -> int:
        """Requests that no batch has taken yet."""
        return len(self._waiting)

    async def submit(self, panel: Panel, future: Future, *, deadline: float | None = None) -> ForecastBlock:
        """Forecast, together with whatever else is there.

        Args:
            panel: The series of one request, which stay together.
            future: Their known covariates over the horizon.
            deadline: Time of the loop's clock after which nobody wants the answer.

        Raises:
            RequestError: The deadline has passed (504).
            ZooError: The model cannot forecast these series.
        """
        loop = asyncio.get_running_loop()
        one = _WaitingRequest(panel, future, loop.create_future(), deadline)
        self._waiting.append(one)
        self._arrived = loop.time()
        if isinstance(self._plan, asyncio.TimerHandle) and self._arrival_wait.complete(len(self._waiting)):
            self._plan.cancel()
            self._plan = None
        if not self._busy and self._plan is None:
            self._plan = loop.call_soon(self._go)
        return await one.answer

    def _go(self) -> None:
        """Forecast what waits, in the loop if that is quick, else in the thread."""
        self._plan = None
        loop = asyncio.get_running_loop()
        while self._waiting and not self._busy:
            now, here = loop.time(), len(self._waiting)
            if (wait := self._arrival_wait.wait(here, self._cost.base, self._arrived, now)) > 0:
                self._plan = loop.call_later(wait, self._go)
                return
            self._arrival_wait.left(here)
            batch = self._take(now)
            if not batch:
                continue
            if self._cost(sum(one.panel.n_series for one in batch)) > _INLINE_SECONDS:
                self._busy = True
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="forecast")
                job = loop.run_in_executor(self._thread, self._forecasts_of, batch)
                job.add_done_callback(partial(self._back, batch))
                return
            self._deliver(batch, *self._forecasts_of(batch))
            if self._cost.base >= _MIN_FIXED_COST:
                self._count(len(batch), _READING_TURNS)
                return

    def _count(self, answered: int, turns: int) -> None:
        """Go on when the requests have been read that came during a batch in the loop."""
        if turns:
            self._plan = asyncio.get_running_loop().call_soon(self._count, answered, turns - 1)
            return
        self._arrival_wait.expect(min(answered + len(self._waiting), self._max_series))
        self._go()

    def _back(
        self, batch: list[_WaitingRequest], done: asyncio.Future[tuple[list[ForecastBlock | Exception], float]]
    ) -> None:
        self._busy = False
        self._deliver(batch, *done.result())
        self._count(len(batch), 1)  # the answers leave first

    def _take(self, now: float) -> list[_WaitingRequest]:
        batch: list[_WaitingRequest] = []
        series = 0
        while self._waiting and (not batch or series + self._waiting[0].panel.n_series <= self._max_series):
            one = self._waiting.pop(0)
            if one.answer.done():  # its client has gone
                continue
            if one.deadline is not None and now > one.deadline:
                one.answer.set_exception(RequestError("the deadline has passed", "allow more time", status=504))
                continue
            batch.append(one)
            series += one.panel.n_series
        return batch

    def _forecasts_of(self, batch: list[_WaitingRequest]) -> tuple[list[ForecastBlock | Exception], float]:
        """Return what each request gets, and the seconds it took; this never raises."""
        begin = time.perf_counter()
        answers: list[ForecastBlock | Exception] = []
        try:
            panel, future = joined([one.panel for one in batch], [one.future for one in batch])
            block = self._forecast(panel, future)
            at = 0
            for one in batch:
                answers.append(block.rows(slice(at, at + one.panel.n_series)))
                at += one.panel.n_series
        except Exception as error:
            # One request must not spoil the others, nor one series those beside it: each by itself.
            first = error if len(batch) == 1 else None
            answers = [self._by_halves(one.panel, one.future, [_MAX_FAILURES], first) for one in batch]
        return answers, time.perf_counter() - begin

    def _by_halves(
        self, panel: Panel, future: Future, left: list[int], error: Exception | None = None
    ) -> ForecastBlock | Exception:
        """Return a forecast by halves where the whole fails; NaN for single series that fail, and the error if all do.

        Args:
            panel: The series of one request.
            future: Their known covariates over the horizon.
            left: Attempts that may still fail.
            error: What an attempt at the whole has failed with before; None to make one.
        """
        if error is None:
            try:
                return self._forecast(panel, future)
            except Exception as failed:
                error = failed
        left[0] -= 1
        if panel.n_series == 1 or left[0] <= 0:
            return error
        half = panel.n_series // 2
        sides = [np.arange(half), np.arange(half, panel.n_series)]
        parts = [self._by_halves(panel.select(side), future.select(side), left) for side in sides]
        blocks = [part for part in parts if isinstance(part, ForecastBlock)]
        if not blocks:
            return error
        _log.warning("some of %d series have no forecast: %s: %s", panel.n_series, type(error).__name__, error)
        like = blocks[0]
        whole = [
            part if isinstance(part, ForecastBlock) else like.empty(len(side))
            for part, side in zip(parts, sides, strict=True)
        ]
        mean = np.concatenate([block.mean for block in whole])
        return ForecastBlock(mean, np.concatenate([block.quantiles for block in whole]), like.levels)

    def _deliver(self, batch: list[_WaitingRequest], answers: list[ForecastBlock | Exception], seconds: float) -> None:
        series = sum(one.panel.n_series for one in batch)
        self._cost.learn(series, seconds)
        if self._observed is not None:
            self._observed(len(batch), series, seconds)
        for one, got in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(got, ZooError):
                one.answer.set_exception(got)
            elif isinstance(got, Exception):
                failure = RequestError(
                    f"the model failed: {type(got).__name__}: {got}", "see the server's log", "", 500
                )
                failure.__cause__ = got
                one.answer.set_exception(failure)
            else:
                one.answer.set_result(got)

    def close(self) -> None:
        """Let the thread end after its batch."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
