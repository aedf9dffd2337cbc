"""Ray beside the reading of a table: who starts it, who takes it, and what becomes of one that nobody took."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from autots.search import cluster_start as room
from autots.search.budget import BudgetPolicy
from autots.search.cluster_start import ClusterStart
from autots.search.settings import FitSettings
from zoo.clock import Deadline, ManualClock
from zoo.errors import ClusterError

POLICY = BudgetPolicy()


class Sessions:
    """Stands in for Ray: each connection is a session that notes its end."""

    def __init__(self) -> None:
        self.asked: list[tuple[int | None, str | None]] = []
        self.closed: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: ClusterError | None = None

    def connect(self, workers: int | None, address: str | None, patience: float) -> Any:
        self.asked.append((workers, address))
        self.gate.wait(10.0)
        if self.error is not None:
            raise self.error
        number, closed = len(self.asked), self.closed

        class Session:
            name = number

            def close(self) -> None:
                closed.append(number)

        return Session()


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    made = Sessions()
    monkeypatch.setattr(room, "_connected", made.connect)
    monkeypatch.setattr(room, "has_cluster", lambda address: bool(address))
    monkeypatch.setattr(room, "_left_over", [])
    monkeypatch.setattr("atexit.register", lambda *_: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield made
    made.gate.set()


def begun(budget: float = 60.0, **settings: Any) -> ClusterStart:
    return ClusterStart.beside_reading(
        FitSettings(3, budget, **settings), POLICY, Deadline.after(budget, ManualClock())
    )


def test_a_long_budget_starts_ray_before_the_table_is_known(sessions: Sessions) -> None:
    start = begun()
    assert start.started
    assert start.take(None, None, 1.0).name == 1  # type: ignore[attr-defined]  # a double
    assert sessions.asked == [(None, None)]
    assert not start.started


@pytest.mark.parametrize(
    ("budget", "settings"), [(10.0, {}), (60.0, {"address": "10.0.0.1:6379"}), (2.0, {"workers": 2})]
)
def test_a_short_budget_or_somebody_elses_cluster_starts_nothing(
    sessions: Sessions, budget: float, settings: dict[str, Any]
) -> None:
    start = begun(budget, **settings)
    assert not start.started
    assert not sessions.asked
    start.close()
    start.take(2, settings.get("address"), 1.0)
    assert sessions.asked == [(2, settings.get("address"))]


def test_an_error_of_the_start_is_raised_where_it_is_taken(sessions: Sessions) -> None:
    sessions.error = ClusterError("no shared memory", "free some")
    start = begun()
    with pytest.raises(ClusterError, match="no shared memory"):
        start.take(None, None, 1.0)


def test_who_closes_does_not_wait_and_the_next_fit_takes_it_over(sessions: Sessions) -> None:
    sessions.gate.clear()
    first = begun()
    first.close()  # would hang for ten seconds if it waited
    assert not first.started
    second = begun()
    assert second.started
    sessions.gate.set()
    assert second.take(None, None, 1.0).name == 1  # type: ignore[attr-defined]  # a double
    assert sessions.asked == [(None, None)]
    assert not sessions.closed


def test_one_of_another_size_is_ended_and_a_new_one_started(sessions: Sessions) -> None:
    begun().close()
    start = begun(workers=1)
    assert start.take(1, None, 1.0).name == 2  # type: ignore[attr-defined]  # a double
    assert sessions.asked == [(None, None), (1, None)]
    assert sessions.closed == [1]


def test_a_start_that_failed_leaves_nothing_to_end(sessions: Sessions) -> None:
    failed: Future[Any] = Future()
    failed.set_exception(ClusterError("no", "hint"))
    room._close(failed)
    assert not sessions.closed
