"""What a queue guarantees, whoever keeps it; the laws are in ``serve.testing.queues``.

- **At least once.** A record that was accepted is handed to workers until one has stored its result, also when workers
  and the keeper itself are killed. Two workers may work on one record; its result is stored once.
- **Idempotent ids.** A record with an id that is known already is accepted and not kept a second time, so that a
  sender who is unsure may send again. Ids are remembered for ``keep`` seconds.
- **Back-pressure.** A queue that holds ``most`` records takes no more: ``QueueFullError``, which can be retried. A
  batch is taken whole or not at all.
- **Dead letters.** A record that was handed out ``attempts`` times without a result is put aside with the reason, and
  whoever asks for its result is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zoo.errors import ClusterError, ConfigError

__all__ = ["Backend", "DeadLetter", "QueueFullError", "QueueOptions", "QueueRecord", "QueueTask", "replicas_for"]


class QueueFullError(ClusterError):
    """The queue holds as many records as it may; try again when some are done."""

    @classmethod
    def of(cls, options: QueueOptions) -> QueueFullError:
        """Return the error of a queue with these options."""
        return cls(
            f"a queue must hold at most {options.most} records, but {options.name!r} is full",
            "send again when some are done, add workers, or raise most=",
        )


@dataclass(frozen=True)
class QueueOptions:
    """How a queue behaves; all who use one must agree.

    Args:
        name: Several queues can share one keeper.
        most: Records that wait or are worked on.
        attempts: Times a record is handed out.
        patience: Seconds after which a record that a worker has taken is given to another one.
        keep: Seconds for which ids and results are remembered.

    Raises:
        ConfigError: A number is not positive, or the name is none.
    """

    name: str = "forecast"
    most: int = 100_000
    attempts: int = 3
    patience: float = 30.0
    keep: float = 3600.0

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("{}:* \n"):
            raise ConfigError(f"a queue's name must be a word, but got {self.name!r}", "for example 'forecast'")
        if min(self.most, self.attempts, self.patience, self.keep) <= 0:
            raise ConfigError(f"a queue's options must be positive, but got {self}", "leave them out")


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """What goes in: a request in the wire's JSON, under a name of the sender's."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class QueueTask:
    """A record in the hands of a worker.

    Args:
        id: The id that the sender gave, by which the result is fetched.
        body: The request, as JSON in bytes.
        ticket: The keeper's name for it.
        attempt: 1 for the first time.
    """

    id: str
    body: bytes
    ticket: str
    attempt: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was put aside, and why."""

    id: str
    body: bytes
    reason: str


class Backend(Protocol):
    """Who keeps a queue; safe to use from several threads. Raises ``ClusterError`` when it cannot be reached."""

    options: QueueOptions

    def put(self, records: Sequence[QueueRecord]) -> int:
        """Take records, all or none; return how many were new."""

    def take(self, worker: str, count: int, wait: float) -> list[QueueTask]:
        """Hand out up to ``count`` records, those of lost workers first; wait up to ``wait`` seconds for the first."""

    def done(self, results: Sequence[tuple[QueueTask, bytes]]) -> None:
        """Store results; of a record that has one already nothing changes."""

    def bury(self, task: QueueTask, reason: str, result: bytes) -> None:
        """Put a record aside; ``result`` is what is told to those who ask for it."""

    def result(self, id: str) -> bytes | None:
        """Return a result, None before there is one."""

    def fetch(self, reader: str, count: int) -> list[tuple[str, bytes]]:
        """Return results that nobody has fetched yet. They come again until ``fetched`` is called."""

    def fetched(self, reader: str, ids: Sequence[str]) -> None:
        """Forget results."""

    def waiting(self) -> int:
        """Return how many records wait or are worked on."""

    def dead(self, count: int = 100) -> list[DeadLetter]:
        """Return the oldest records that were put aside."""

    def close(self) -> None:
        """Let go of connections and files."""


def replicas_for(waiting: int, *, per_second: float, seconds: float = 5.0, least: int = 1, most: int = 8) -> int:
    """Return how many workers empty a queue in time.

    Args:
        waiting: Records that wait in the queue.
        per_second: Records that one worker does.
        seconds: In which the queue is to be empty.
        least: Workers at least, however little waits.
        most: Workers at most, however much waits.

    >>> replicas_for(3000, per_second=200)
    3
    """
    if per_second <= 0.0:
        return least
    return max(least, min(most, -int(-waiting // (per_second * seconds))))
