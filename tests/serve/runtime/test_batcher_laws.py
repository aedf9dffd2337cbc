"""Any interleaving of requests, departures, deadlines, slow and failing models: each request has its own answer, once.

Time is virtual: the loop's clock and the stop watch of the batcher are one number, which the model moves on by what it
costs and the loop by what it would have slept. What the model is asked is written down and judged after each step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future as Job
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from autots.panel import Frequency, Future, Panel
from serve.protocol.errors import RequestError
from serve.runtime import batcher as room
from serve.runtime.batcher import Batcher, BatchForecaster
from serve.runtime.model import ForecastBlock
from zoo.errors import ModelError

MAX_SERIES = 6


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that does not sleep: where it would wait for a timer, its clock moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__()
        select = self._selector.select  # type: ignore[attr-defined]

        def at_once(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = at_once  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now

    def turns(self, count: int) -> None:
        """Run what is ready, so many times; timers that lie ahead stay there."""
        for _ in range(count):
            self.call_soon(self.stop)
            self.run_forever()


class VirtualThread:
    """In place of a thread: a job is done a little later, in the loop."""

    loop: VirtualLoop

    def __init__(self, workers: int, thread_name_prefix: str = "") -> None:
        assert workers == 1

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Job[Any]:
        job: Job[Any] = Job()
        job.set_running_or_notify_cancel()
        self.loop.call_later(0.05, lambda: job.set_result(function(*arguments)))
        return job

    def shutdown(self, wait: bool = True) -> None:
        """Nothing is left behind."""


def panel(values: list[float]) -> Panel:
    """Return a series per value, which it ends with; what is below zero cannot be forecast."""
    times = np.tile(np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[ns]"), len(values))
    y = np.array([[0.0, value] for value in values]).ravel()
    ids = np.array([f"s{abs(value):g}" for value in values], dtype=object)
    return Panel(ids, 2 * np.arange(len(values) + 1, dtype=np.int64), times, y, Frequency.parse("D"))


class Machine(RuleBasedStateMachine):
    """One batcher and its requests."""

    patch: pytest.MonkeyPatch

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualThread.loop = VirtualLoop()
        self.patch.setattr(room, "time", SimpleNamespace(perf_counter=self.loop.time))
        self.cost = (0.0, 0.0)  # seconds of a batch, and of each series of it
        self.error: type[Exception] = ModelError
        self.asked: list[tuple[float, list[float]]] = []  # when, and the series of each call of the model
        self.noted: list[tuple[int, int, float]] = []
        self.batcher = Batcher(
            self.forecast, max_series=MAX_SERIES, observed=lambda *told: self.noted.append((*told[:2], told[2]))
        )
        self.requests: list[tuple[list[float], float | None, asyncio.Task[ForecastBlock]]] = []
        self.gone: set[int] = set()
        self.count = 0.0

    def teardown(self) -> None:
        try:
            self.drained()
        finally:
            self.loop.close()

    def forecast(self, panel: Panel, future: Future) -> ForecastBlock:
        values = panel.y[1::2]
        self.loop.now += self.cost[0] + self.cost[1] * len(values)
        self.asked.append((self.loop.now, values.tolist()))
        if (values < 0).any():
            raise self.error("no negative values, but got one")
        return ForecastBlock(values[:, None], values[:, None, None], (0.5,))

    @rule(
        size=st.integers(1, MAX_SERIES + 2),
        bad=st.sets(st.integers(0, MAX_SERIES + 1), max_size=2),
        wait=st.none() | st.sampled_from([-0.01, 0.001, 0.02, 0.5]),
    )
    def submit(self, size: int, bad: set[int], wait: float | None) -> None:
        values = []
        for i in range(size):
            self.count += 1
            values.append(-self.count if i in bad and len(bad) == 2 else self.count)
        deadline = None if wait is None else self.loop.now + wait
        task = self.loop.create_task(self.batcher.submit(panel(values), Future(), deadline=deadline))
        self.requests.append((values, deadline, task))

    @rule(which=st.integers(0, 5))
    def leave(self, which: int) -> None:
        waiting = [i for i, (_, _, task) in enumerate(self.requests) if not task.done()]
        if waiting:
            i = waiting[which % len(waiting)]
            self.requests[i][2].cancel()
            self.gone.add(i)

    @rule(count=st.integers(1, 4))
    def turn(self, count: int) -> None:
        self.loop.turns(count)

    @rule(seconds=st.sampled_from([0.0001, 0.001, 0.01, 0.1]))
    def sleep(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @rule(base=st.sampled_from([0.0, 0.0005, 0.004, 0.03]), each=st.sampled_from([0.0, 0.0002, 0.01]))
    def another_speed(self, base: float, each: float) -> None:
        self.cost = (base, each)

    @rule(kind=st.sampled_from([ModelError, ValueError, ZeroDivisionError]))
    def another_error(self, kind: type[Exception]) -> None:
        self.error = kind

    @invariant()
    def no_batch_is_too_large(self) -> None:
        own = [set(values) for values, _, _ in self.requests]
        for _, values in self.asked:
            assert len(values) <= MAX_SERIES or any(set(values) <= one for one in own), "but a single request"

    @invariant()
    def requests_are_taken_in_their_order_and_whole(self) -> None:
        first: dict[float, int] = {}
        for n, (_, values) in enumerate(self.asked):
            for value in values:
                first.setdefault(abs(value), n)
        taken = [first[abs(values[0])] for values, _, _ in self.requests if abs(values[0]) in first]
        assert taken == sorted(taken)
        for values, _, _ in self.requests:
            assert len({abs(value) in first for value in values}) == 1, "together, or not at all"

    @invariant()
    def what_is_answered_is_right(self) -> None:
        for values, deadline, task in self.requests:
            if task.done() and not task.cancelled():
                self.judged(values, deadline, task)

    def judged(self, values: list[float], deadline: float | None, task: asyncio.Task[ForecastBlock]) -> None:
        error, asked = task.exception(), any(abs(values[0]) == abs(one) for _, batch in self.asked for one in batch)
        if isinstance(error, RequestError) and error.status == 504:
            assert deadline is not None and deadline < self.loop.now and not asked, "nobody worked for nothing"
        elif error is not None:
            assert all(value < 0 for value in values), "an error where every series fails"
            assert isinstance(error, ModelError) or (isinstance(error, RequestError) and error.status == 500)
        else:
            block = task.result()
            want = np.array([[np.nan if value < 0 else value] for value in values])
            np.testing.assert_array_equal(block.mean, want)
            np.testing.assert_array_equal(block.quantiles, want[..., None])

    def drained(self) -> None:
        """Every request that nobody took back is answered in the end, and counted once."""
        tasks = [task for _, _, task in self.requests]
        if tasks:
            everything = asyncio.gather(*tasks, return_exceptions=True)
            self.loop.run_until_complete(asyncio.wait_for(everything, 1000.0))
        # Who has gone is forgotten with the next batch, which may be waiting for company.
        self.loop.run_until_complete(asyncio.sleep(1.0))
        assert self.batcher.waiting == 0
        assert all(task.done() for task in tasks)
        assert all(task.cancelled() <= (i in self.gone) for i, task in enumerate(tasks))
        self.what_is_answered_is_right()
        self.requests_are_taken_in_their_order_and_whole()
        self.no_batch_is_too_large()
        reached = {abs(value) for _, batch in self.asked for value in batch}
        sent = [values for values, _, _ in self.requests if abs(values[0]) in reached]
        assert sum(requests for requests, _, _ in self.noted) == len(sent)
        assert sum(series for _, series, _ in self.noted) == sum(map(len, sent))
        assert all(seconds >= 0.0 for _, _, seconds in self.noted)


def test_any_interleaving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ThreadPoolExecutor", VirtualThread)
    monkeypatch.setattr(Machine, "patch", monkeypatch, raising=False)
    monkeypatch.setattr(room._log, "disabled", True)
    how = settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Machine, settings=how)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualLoop]:
    loop = VirtualThread.loop = VirtualLoop()
    monkeypatch.setattr(room, "ThreadPoolExecutor", VirtualThread)
    monkeypatch.setattr(room, "time", SimpleNamespace(perf_counter=loop.time))
    monkeypatch.setattr(room._log, "disabled", True)
    yield loop
    loop.close()


def noted(sizes: list[int], requests: int, series: int, seconds: float) -> None:
    sizes.append(requests)


def model(loop: VirtualLoop, base: float, each: float = 0.0) -> BatchForecaster:
    def forecast(panel: Panel, future: Future) -> ForecastBlock:
        values = panel.y[1::2]
        loop.now += base + each * len(values)
        return ForecastBlock(values[:, None], values[:, None, None], (0.5,))

    return forecast


@pytest.mark.parametrize("base", [0.01, 0.06], ids=["in the loop", "in the thread"])
def test_clients_that_ask_again_are_forecast_together_and_cheap_models_wait_for_nobody(loop: VirtualLoop, base: float):
    for cost, together in ((base, True), (0.0005, False)):
        sizes: list[int] = []
        batcher = Batcher(model(loop, cost), observed=partial(noted, sizes))

        async def client(number: int, batcher: Batcher = batcher) -> None:
            for _ in range(20):
                await batcher.submit(panel([float(number + 1)]), Future())
                await asyncio.sleep(0.0003 * (number + 1))

        async def clients() -> None:
            await asyncio.gather(*(client(number) for number in range(4)))

        loop.run_until_complete(clients())
        assert sum(sizes) == 80
        assert (set(sizes[5:-3]) == {4}) is together, sizes


def test_work_that_takes_long_leaves_the_loop_once_that_is_known(loop: VirtualLoop):
    jobs: list[float] = []
    batcher = Batcher(model(loop, 0.0, each=0.01))

    async def ask() -> None:
        for count in (1, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1):
            before = loop.now
            await batcher.submit(panel([1.0] * count), Future())
            jobs.append(round(loop.now - before - 0.01 * count, 6))

    loop.run_until_complete(ask())
    late = 0.05  # what the thread of these tests takes to begin
    assert max(jobs[:2]) < late, "nobody knows it yet"
    assert jobs[2] >= late
    assert jobs[-1] < late, "one series is quick"


def test_a_request_that_fails_as_a_whole_is_not_tried_for_ever(loop: VirtualLoop):
    calls = [0]

    def forecast(panel: Panel, future: Future) -> ForecastBlock:
        calls[0] += 1
        raise ModelError("never")

    batcher = Batcher(forecast, max_series=10_000)
    with pytest.raises(ModelError, match="never"):
        loop.run_until_complete(batcher.submit(panel([float(i + 1) for i in range(2000)]), Future()))
    assert room._MAX_FAILURES <= calls[0] <= 2 * room._MAX_FAILURES


def test_where_a_wait_pays_again_the_next_one_in_vain_is_forgiven():
    waits = room._ArrivalWait()

    def waits_for(arriving: int) -> bool:
        """Whether a batch of one, where two are expected, waits; then so many go."""
        waits.expect(2)
        waited = waits.wait(1, 0.02, arrived=0.0, now=0.0) > 0
        waits.left(arriving if waited else 1)
        return waited

    for _ in range(40):
        waits_for(1)
    while not waits_for(2):
        pass
    assert waits_for(1), "it paid the last time"
    assert [waits_for(1) for _ in range(3)] == [False, True, False], "one batch is skipped, then two"
