"""Trials that wait to be asked for the first time: those of ``Study.enqueue``, and those that other programs queue."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError
from zoo.search.foreign import TAG
from zoo.search.space import Space
from zoo.search.trial_attributes import TrialAttributes, state_of

if TYPE_CHECKING:
    from zoo.search.storage import StudyStorage

__all__ = ["TrialQueue", "queue_key"]

_logger = logging.getLogger(__name__)


class TrialQueue:
    """The queue as the journal has it, in the order of its filling.

    Args:
        storage: The study's trials, also those of the queue.
        space: What may be chosen; points that other programs queue must lie in it.
    """

    def __init__(self, storage: StudyStorage, space: Space) -> None:
        self._storage, self._space = storage, space
        self._numbers: deque[int] = deque()
        #: What was ever queued -> its number.
        self._known: dict[tuple[str, str], int] = {}
        for frozen in storage.trials:
            attrs = TrialAttributes(frozen)
            if attrs.queued is not None:
                self._known[queue_key(attrs.queued, attrs.tag)] = frozen.number
            if state_of(frozen) == "queued" and (attrs.tag != TAG or self._usable(frozen.number)):
                self._numbers.append(frozen.number)
        storage.arrived()  # they are in the queue

    @property
    def first(self) -> int | None:
        """The trial whose turn is next; None if the queue is empty."""
        return self._numbers[0] if self._numbers else None

    def add(self, given: Mapping[str, Any], near: Mapping[str, Any], tag: str) -> int:
        """Write a point, unless it is known already, and return its number.

        Args:
            given: The parameters as they are handed out.
            near: The point of the space that a sampler sees for them.
            tag: What the queue's filler calls it; the same point may be queued once per tag.
        """
        key = queue_key(given, tag)
        if key not in self._known:
            with self._storage.transaction():
                number = self._storage.queue(TrialAttributes.of_queued(given, tag), near)
            self._known[key] = number
            self._numbers.append(number)
        return self._known[key]

    def remove(self, number: int) -> None:
        """Take out a trial that was handed out."""
        self._numbers.remove(number)

    def admit(self) -> None:
        """Queue what other programs have put into the journal since, and forget what they took back.

        Raises:
            StudyError: The study is closed.
        """
        with self._storage.transaction():
            for number in self._storage.arrived():
                if number not in self._numbers and self._usable(number):
                    self._known.setdefault(queue_key(self._given(number), TAG), number)
                    self._numbers.append(number)
            while self._numbers and state_of(self._storage.trials[self._numbers[0]]) != "queued":
                self._numbers.popleft()

    def _given(self, number: int) -> Mapping[str, Any]:
        return TrialAttributes(self._storage.trials[number]).queued or {}

    def _usable(self, number: int) -> bool:
        """Whether a point that another program queued lies in the space."""
        given = self._given(number)
        try:
            near = self._space.nearest(given)
        except ConfigError as error:
            _logger.warning("trial %d was queued by another program and cannot be tried: %s", number, error.message)
            return False
        if near != given:
            _logger.warning("trial %d was queued by another program and lies outside of the space: %s", number, given)
        return bool(near == given)


def queue_key(given: Mapping[str, Any], tag: str) -> tuple[str, str]:
    """Return by what a queued point is known."""
    return repr(sorted(given.items())), tag
