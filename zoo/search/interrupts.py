"""Ctrl-C without harm: it never strikes in the middle of a line of the journal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """A context in which Ctrl-C is noted, and raises only where it is allowed to; the second one always raises.

    Outside of the main thread it does nothing: signals belong to whoever has that.
    """

    def __init__(self) -> None:
        self.requested = False
        self._open = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if self._open or again:
            raise KeyboardInterrupt

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let Ctrl-C raise inside: there nothing is half done."""
        before, self._open = self._open, True
        try:
            if self.requested:
                raise KeyboardInterrupt
            yield
        finally:
            self._open = before

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep Ctrl-C back inside of an allowed part."""
        before, self._open = self._open, False
        try:
            yield
        finally:
            self._open = before
