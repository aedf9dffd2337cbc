"""Requests are forecast together: whoever waits at the same time, and for a dear model whoever was just answered."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autots.panel import Frequency, Future, Panel
from serve.runtime import batcher as room
from serve.runtime.batcher import Batcher, BatchForecaster
from serve.runtime.model import ForecastBlock
from zoo.errors import ModelError


def _panel(series: int = 1) -> Panel:
    times = np.tile(np.arange("2024-01-01", "2024-01-03", dtype="datetime64[D]").astype("datetime64[ns]"), series)
    indptr = 2 * np.arange(series + 1, dtype=np.int64)
    return Panel(np.array([f"s{i}" for i in range(series)], dtype=object), indptr, times, np.arange(2.0 * series),
                 Frequency.parse("D"))  # fmt: skip


def _model(seconds: float) -> BatchForecaster:
    """A model that holds the processor for so long, and says the last value."""

    def forecast(panel: Panel, future: Future) -> ForecastBlock:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        last = panel.y[panel.indptr[1:] - 1][:, None]
        return ForecastBlock(last, last[..., None], (0.5,))

    return forecast


async def _round(batcher: Batcher, times: int) -> None:
    """Ask again and again, as a client does that waits for its answers."""
    for _ in range(times):
        await batcher.submit(_panel(), Future())
        await asyncio.sleep(0.001)


def _served(seconds: float, clients: int, times: int) -> list[int]:
    """Return the requests of each batch."""
    sizes: list[int] = []
    batcher = Batcher(_model(seconds), observed=lambda requests, series, took: sizes.append(requests))

    async def all_of_them() -> None:
        await asyncio.gather(*(_round(batcher, times) for _ in range(clients)))

    asyncio.run(all_of_them())
    batcher.close()
    return sizes


@pytest.mark.parametrize("seconds", [0.01, 0.03], ids=["in the loop", "in the thread"])
def test_clients_of_a_dear_model_are_forecast_together(seconds: float) -> None:
    sizes = _served(seconds, clients=6, times=30)
    assert sum(sizes) == 180
    assert np.median(sizes[5:]) >= 5  # not three and three in turn


def test_a_lone_client_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    wait = room._ArrivalWait.wait

    def heard(self: room._ArrivalWait, requests: int, dear: float, arrived: float, now: float) -> float:
        waits.append(wait(self, requests, dear, arrived, now))
        return waits[-1]

    monkeypatch.setattr(room._ArrivalWait, "wait", heard)
    sizes = _served(0.01, clients=1, times=20)
    assert sizes == [1] * 20
    assert not any(waits)


def test_waits_that_bring_nobody_grow_rare() -> None:
    company = room._ArrivalWait()
    waits = 0
    for _ in range(300):
        company.expect(5)
        waits += company.wait(1, 0.02, arrived=0.0, now=0.0) > 0
        company.left(1)
    assert waits < 15
    company.expect(5)
    while not company.wait(1, 0.02, arrived=0.0, now=0.0):
        company.left(1)
        company.expect(5)
    company.left(4)  # three came: waiting pays again
    company.expect(5)
    assert company.wait(1, 0.02, arrived=1.0, now=1.0) == pytest.approx(0.0025)


def test_a_wait_ends_in_any_case() -> None:
    company, now, requests = room._ArrivalWait(), 0.0, 1
    company.expect(1000)
    while (pause := company.wait(requests, 0.02, arrived=now, now=now)) > 0:
        now, requests = now + min(pause, 0.001), requests + 1  # somebody comes every millisecond
    assert now == pytest.approx(0.01)


def test_the_cost_of_a_batch_is_a_line_through_those_measured() -> None:
    cost, rng = room._CostLine(), np.random.default_rng(0)
    for n in rng.integers(1, 30, 200):
        cost.learn(int(n), 0.016 + 0.0004 * n)
    assert cost(1) == pytest.approx(0.0164, rel=0.02)
    assert cost(100) == pytest.approx(0.056, rel=0.02)
    for _ in range(100):  # equal batches say nothing of the slope
        cost.learn(8, 0.0192)
    assert cost(8) == pytest.approx(0.0192, rel=0.02) and cost(1) == pytest.approx(0.0164, rel=0.1)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.0, 10.0)), min_size=1, max_size=30))
def test_whatever_was_measured_a_larger_batch_costs_no_less_and_none_costs_less_than_nothing(
    measured: list[tuple[int, float]],
) -> None:
    cost = room._CostLine()
    for series, seconds in measured:
        cost.learn(series, seconds)
    assert -1e-9 <= cost(1) <= cost(2) <= cost(10_000)
    assert cost.each >= 0.0 and cost.base >= -1e-9


def test_a_large_request_does_not_hold_the_loop_up() -> None:
    """Found by thought: after requests of one size only, every one of them went inline."""
    cost = room._CostLine()
    for _ in range(20):
        cost.learn(10_000, 1.0)
    assert cost(10_000) > 0.5
    assert cost(1) < 0.5


def test_a_request_that_fails_spoils_no_other() -> None:
    def forecast(panel: Panel, future: Future) -> ForecastBlock:
        if (panel.y < 0).any():
            raise ModelError("no negative values, but got one")
        return _model(0)(panel, future)

    async def both() -> list[ForecastBlock | BaseException]:
        batcher, bad = Batcher(forecast), _panel()
        bad.y[0] = -1
        asked = [batcher.submit(one, Future()) for one in (_panel(), bad)]
        return await asyncio.gather(*asked, return_exceptions=True)

    good, failed = asyncio.run(both())
    assert isinstance(good, ForecastBlock) and good.mean.tolist() == [[1.0]]
    assert isinstance(failed, ModelError)


def test_no_batch_is_larger_than_allowed_and_a_deadline_is_kept() -> None:
    sizes: list[int] = []
    batcher = Batcher(_model(0.001), max_series=4, observed=lambda requests, series, took: sizes.append(series))

    async def ask() -> list[ForecastBlock | BaseException]:
        past = asyncio.get_running_loop().time() - 1
        asked = [batcher.submit(_panel(n), Future()) for n in (1, 2, 3, 9, 1)]
        return await asyncio.gather(*asked, batcher.submit(_panel(), Future(), deadline=past), return_exceptions=True)

    *made, late = asyncio.run(ask())
    assert sizes == [3, 3, 9, 1]
    assert [one.mean.shape[0] for one in made if isinstance(one, ForecastBlock)] == [1, 2, 3, 9, 1]
    assert getattr(late, "status", None) == 504


@pytest.mark.parametrize("most", [1, 3, 4])
def test_a_batch_has_as_many_series_as_are_allowed(most: int) -> None:
    """A mutant that counted series from one had survived: batches were a series short."""
    sizes: list[int] = []
    batcher = Batcher(_model(0.0), observed=lambda requests, series, took: sizes.append(series), max_series=most)
    batcher._busy = True  # all of them wait

    async def all_of_them() -> None:
        asked = [asyncio.ensure_future(batcher.submit(_panel(), Future())) for _ in range(4)]
        await asyncio.sleep(0.01)
        taken = batcher._take(time.monotonic())
        assert len(taken) == most
        for one in asked:
            one.cancel()

    asyncio.run(all_of_them())
    batcher.close()
