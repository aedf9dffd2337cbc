"""Ctrl-C as a wish: the fit ends early and keeps what it found, instead of being torn apart at a random line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupt"]


class Interrupt:
    """A context manager that, once armed, turns the first Ctrl-C into ``requested``.

    Before ``arm`` there is nothing to keep, and Ctrl-C means what it always does. The second Ctrl-C after it raises
    ``KeyboardInterrupt``: whoever presses twice does not want to wait. Outside of the main thread, and where somebody
    else handles the signal or it is ignored, nothing is changed.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: Callable[[int, FrameType | None], Any] | int | None = None
        self._armed = False

    def arm(self) -> None:
        """From now on there is something to keep."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            return
        self._before = signal.signal(signal.SIGINT, self._take)
        self._armed = True

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._armed:
            signal.signal(signal.SIGINT, self._before)
            self._armed = False
