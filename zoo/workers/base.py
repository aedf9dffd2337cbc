"""The contract of workers: requests are submitted, run elsewhere, and come back as events.

An implementer guarantees:

1. Each submitted key comes back in exactly one event, unless it is cancelled: then in none.
2. ``submit`` does not block; requests start in the order in which they were submitted.
3. ``wait`` returns as soon as there is an event, and an empty list after its time, or if nothing is outstanding.
4. Whatever a request does, it harms no other request and not the process that asks: exceptions, hangs, exhausted memory
   and killed processes become events. What crosses over is text, never the exception object.
5. A machine's fault (a killed worker) is not an event: the same request runs again, up to three losses.
6. A request's ``timeout`` counts from its start, not from its submission.
7. A fault of the set-up is a ``ClusterError`` from ``wait``: no request can ever succeed.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from zoo.errors import ConfigError

__all__ = ["Event", "Handler", "Setup", "Status", "Workers", "import_setup"]

Status: TypeAlias = Literal["done", "failed", "timeout", "memory", "lost"]
#: Takes a request and returns a result.
Handler: TypeAlias = Callable[[Any], Any]
#: Takes the payload and returns the handler; runs once per worker.
Setup: TypeAlias = Callable[[Mapping[str, Any]], Handler]


@dataclass(frozen=True)
class Event:
    """The end of one request.

    Args:
        key: What the request was submitted under.
        status: "done"; "failed": the handler raised; "timeout"; "memory": the limit was hit; "lost": its worker died
            three times.
        result: What the handler returned, if done.
        error: Type and message of what went wrong.
        traceback: The handler's traceback as text, if it raised.
        seconds: Wall time from the start of the request (its last one, after losses) to its end.
    """

    key: str
    status: Status
    result: Any = None
    error: str = ""
    traceback: str = ""
    seconds: float = 0.0


class Workers(ABC):
    """Runs requests; see the contract at the top of this module. A context manager that closes itself."""

    @abstractmethod
    def submit(self, key: str, request: object, *, timeout: float | None = None) -> None:
        """Queue a request.

        Raises:
            ConfigError: The key is already outstanding.
        """

    @abstractmethod
    def wait(self, timeout: float | None = None) -> list[Event]:
        """Return the events that have come, waiting at most ``timeout`` seconds (None: for ever) for the first.

        Raises:
            ClusterError: The workers cannot be started.
        """

    @abstractmethod
    def cancel(self, key: str) -> None:
        """Forget a request, stopping it if it runs; an unknown key is ignored (its event may just have been read)."""

    @abstractmethod
    def close(self) -> None:
        """Stop everything; outstanding requests bring no events. Again does nothing."""

    @property
    @abstractmethod
    def running(self) -> tuple[str, ...]:
        """Keys that are outstanding (running or queued), in the order of submission."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Requests that can run at the same time."""

    @property
    def busy(self) -> int:
        """Number of workers with something to do."""
        return min(len(self.running), self.workers)

    @property
    def idle(self) -> int:
        """Number of requests that can be submitted before the next one has to queue for a worker."""
        return self.workers - self.busy

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def import_setup(path: str) -> Setup:
    """Return the function behind ``"package.module:function"``.

    Raises:
        ConfigError: There is no such function.
    """
    module_name, _, name = path.partition(":")
    try:
        setup = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"a set-up must be an importable 'module:function', but got {path!r}: {error}",
            "put the function into a module beside your script, not into the script itself",
        ) from error
    if not callable(setup):
        raise ConfigError(f"a set-up must be a function, but {path!r} is {type(setup).__name__}", "name a function")
    return setup  # type: ignore[no-any-return]  # only its callability can be checked
