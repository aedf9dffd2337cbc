"""Workers in the process itself against a queue: each request has one event, in the order of their coming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zoo.errors import ClusterError, ConfigError
from zoo.workers import Inline
from zoo.workers.base import Handler, import_setup

KEYS = st.sampled_from(["a", "b", "c", "d"])


def doubling(payload: Mapping[str, object]) -> Handler:
    """Return a handler that doubles numbers, and raises what it is told to raise."""

    def answer(request: Any) -> object:
        if isinstance(request, BaseException):
            raise request
        return payload["by"], 2 * request

    return answer


def broken(payload: Mapping[str, object]) -> Handler:
    raise OSError("no model there")


class InlineMachine(RuleBasedStateMachine):
    """The model is the list of what was submitted and has no event yet."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = Inline(f"{__name__}:doubling", payload={"by": "me"})
        self.open: dict[str, Any] = {}

    @rule(key=KEYS, request=st.integers(0, 9) | st.sampled_from(["memory", "bug", "exit"]))
    def submit(self, key: str, request: Any) -> None:
        faults = {"memory": MemoryError("too much"), "bug": KeyError("x"), "exit": SystemExit(3)}
        if key in self.open:
            with pytest.raises(ConfigError, match="a key must be outstanding once"):
                self.workers.submit(key, request)
            return
        self.workers.submit(key, faults.get(request, request))
        self.open[key] = request

    @rule()
    def wait(self) -> None:
        events = self.workers.wait(0.0)
        if not self.open:
            assert events == []
            return
        (event,) = events
        key = next(iter(self.open))
        request = self.open.pop(key)
        assert event.key == key and event.seconds >= 0.0
        if isinstance(request, int):
            assert (event.status, event.result) == ("done", ("me", 2 * request))
        else:
            assert event.status == ("memory" if request == "memory" else "failed")
            said = {"memory": "MemoryError: too much", "bug": "KeyError: 'x'", "exit": "SystemExit: 3"}
            assert event.error == said[request]
            assert "Traceback" in event.traceback

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        self.workers.cancel(key)
        self.open.pop(key, None)

    @rule()
    def close(self) -> None:
        self.workers.close()
        self.open.clear()

    @invariant()
    def what_is_outstanding_is_told_in_order(self) -> None:
        assert self.workers.running == tuple(self.open)
        assert self.workers.workers == 1
        assert self.workers.busy == min(len(self.open), 1)
        assert self.workers.idle == 1 - self.workers.busy


TestInline = InlineMachine.TestCase
TestInline.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)


def test_an_interrupt_leaves_the_request_where_it_was() -> None:
    with Inline(f"{__name__}:doubling", payload={"by": "me"}) as workers:
        workers.submit("a", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            workers.wait()
        assert workers.running == ("a",)
    assert not workers.running


def test_a_request_that_took_longer_than_it_may_is_late_whatever_it_answered() -> None:
    with Inline(f"{__name__}:doubling", payload={"by": "me"}) as workers:
        workers.submit("a", 1, timeout=-1.0)
        workers.submit("b", 1, timeout=60.0)
        (late,), (good,) = workers.wait(), workers.wait()
    assert (late.status, late.result) == ("timeout", None)
    assert good.status == "done"


def test_a_setup_that_fails_is_said_at_the_first_request() -> None:
    workers = Inline(f"{__name__}:broken")
    assert workers.wait() == []
    workers.submit("a", 1)
    with pytest.raises(ClusterError, match="OSError: no model there"):
        workers.wait()


@pytest.mark.parametrize("path", ["nowhere:f", f"{__name__}:nothing", __name__, "", f"{__name__}:KEYS"])
def test_a_setup_must_be_a_function_that_can_be_imported(path: str) -> None:
    with pytest.raises(ConfigError, match="a set-up must be"):
        import_setup(path)
    assert import_setup(f"{__name__}:doubling") is doubling
