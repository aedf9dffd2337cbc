"""Requests that wait at the same time are forecast together.

Nobody waits for company: a request goes with whatever else has arrived in the same turn of the event loop, or has
piled up while the model was busy. So a batch grows with the load, and an idle server answers at once. Small work is
done in the loop itself, where it is cheaper than a switch of threads; large work in the model's own thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from autots.panel import Future, Panel
from serve.protocol.errors import RequestError
from serve.runtime.model import Block, joined
from zoo.errors import ZooError

__all__ = ["Batcher", "Forecasts"]

# Seconds of work that the event loop may be held up for. Two dozen series of a LightGBM model take 8 ms: 1,060 requests
# a second here and 880 in the thread, which wants the interpreter at the same time as the loop. So it is with an LSTM
# and recursive trees, whose batches take 13 ms (a tenth to two fifths more answers); longer ones would be felt.
_INLINE = 0.02
# How fast the estimate of the cost of a series follows what is measured.
_LEARNING = 0.2


class Forecasts(Protocol):
    """What a batch is handed to."""

    def __call__(self, panel: Panel, future: Future) -> Block:
        """Forecast the series of a panel; each as if it had come alone."""


@dataclass(frozen=True)
class _Waiting:
    panel: Panel
    future: Future
    answer: asyncio.Future[Block]
    deadline: float | None


class Batcher:
    """Gathers the requests for one model. Use it from one event loop.

    Args:
        forecast: The model.
        most_series: Of a batch; 1 to forecast every request by itself. A larger request still goes, alone.
        observed: Called with the requests and series of each batch and its seconds.
    """

    def __init__(
        self,
        forecast: Forecasts,
        *,
        most_series: int = 256,
        observed: Callable[[int, int, float], None] | None = None,
    ) -> None:
        self._forecast, self._most, self._observed = forecast, most_series, observed
        self._waiting: list[_Waiting] = []
        self._busy = self._planned = False
        self._cost = 0.0  # seconds per series, and per batch
        self._base = 0.001
        self._thread: ThreadPoolExecutor | None = None

    @property
    def waiting(self) -> int:
        """Requests that no batch has taken yet."""
        return len(self._waiting)

    async def submit(self, panel: Panel, future: Future, *, deadline: float | None = None) -> Block:
        """Forecast, together with whatever else is there.

        Args:
            panel: Series.
            future: Their covariates.
            deadline: Time of the loop's clock after which nobody wants the answer.

        Raises:
            RequestError: The deadline has passed (504).
            ZooError: The model cannot forecast these series.
        """
        loop = asyncio.get_running_loop()
        one = _Waiting(panel, future, loop.create_future(), deadline)
        self._waiting.append(one)
        if not self._busy and not self._planned:
            self._planned = True
            loop.call_soon(self._go)
        return await one.answer

    def _go(self) -> None:
        """Forecast what waits, in the loop if that is quick, else in the thread."""
        self._planned = False
        loop = asyncio.get_running_loop()
        while self._waiting and not self._busy:
            batch = self._take(loop.time())
            if not batch:
                continue
            series = sum(one.panel.n_series for one in batch)
            if self._base + self._cost * series <= _INLINE:
                self._deliver(batch, *self._made(batch))
                continue
            self._busy = True
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="forecast")
            job = loop.run_in_executor(self._thread, self._made, batch)
            job.add_done_callback(partial(self._back, batch))

    def _back(self, batch: list[_Waiting], done: asyncio.Future[tuple[list[Block | Exception], float]]) -> None:
        self._busy = False
        self._deliver(batch, *done.result())
        self._go()

    def _take(self, now: float) -> list[_Waiting]:
        batch: list[_Waiting] = []
        series = 0
        while self._waiting and (not batch or series + self._waiting[0].panel.n_series <= self._most):
            one = self._waiting.pop(0)
            if one.answer.done():  # its client has gone
                continue
            if one.deadline is not None and now > one.deadline:
                one.answer.set_exception(RequestError("the deadline has passed", "allow more time", status=504))
                continue
            batch.append(one)
            series += one.panel.n_series
        return batch

    def _made(self, batch: list[_Waiting]) -> tuple[list[Block | Exception], float]:
        """Return what each request gets, and the seconds it took; this never raises."""
        begin = time.perf_counter()
        made: list[Block | Exception] = []
        try:
            panel, future = joined([one.panel for one in batch], [one.future for one in batch])
            block = self._forecast(panel, future)
            at = 0
            for one in batch:
                made.append(block.rows(slice(at, at + one.panel.n_series)))
                at += one.panel.n_series
        except Exception as error:
            # One request must not spoil the others: each by itself.
            made = [error] if len(batch) == 1 else [self._alone(one) for one in batch]
        return made, time.perf_counter() - begin

    def _alone(self, one: _Waiting) -> Block | Exception:
        try:
            return self._forecast(one.panel, one.future)
        except Exception as error:
            return error

    def _deliver(self, batch: list[_Waiting], made: list[Block | Exception], seconds: float) -> None:
        series = sum(one.panel.n_series for one in batch)
        self._learn(series, seconds)
        if self._observed is not None:
            self._observed(len(batch), series, seconds)
        for one, got in zip(batch, made, strict=True):
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

    def _learn(self, series: int, seconds: float) -> None:
        """Follow the cost of a batch: one of a single series tells the base, larger ones the cost of a series."""
        if series <= 1:
            self._base += _LEARNING * (seconds - self._base)
        else:
            self._cost += _LEARNING * (max(seconds - self._base, 0.0) / (series - 1) - self._cost)

    def close(self) -> None:
        """Let the thread end after its batch."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
