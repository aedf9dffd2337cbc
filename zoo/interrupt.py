"""Ctrl-C as a wish: what runs ends early and keeps what it found, instead of being torn apart at a random line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupt"]


class Interrupt:
    """A context manager that, once armed, turns the first Ctrl-C into ``requested``; the second one always raises.

    Before ``arm`` Ctrl-C means what it always does. Outside of the main thread nothing is changed: signals belong to
    whoever has that.

    >>> with Interrupt().arm() as interrupt:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interrupt.requested
    True
    """

    def __init__(self) -> None:
        self.requested = False
        self._raises = False
        self._before: Any = None

    def arm(self, *, polite: bool = False) -> Self:
        """Note Ctrl-C from now on.

        Args:
            polite: Whether to leave the signal alone where somebody else handles it or it is ignored; by default it
                is taken over until the end of the context.
        """
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if threading.current_thread() is threading.main_thread() and (usual or not polite) and self._before is None:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if self._raises or again:
            raise KeyboardInterrupt

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let the first Ctrl-C raise inside, too: there nothing is half done."""
        with self._set(raises=True):
            if self.requested:
                raise KeyboardInterrupt
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the first Ctrl-C back inside of an allowed part."""
        with self._set(raises=False):
            yield

    @contextmanager
    def _set(self, *, raises: bool) -> Iterator[None]:
        before, self._raises = self._raises, raises
        try:
            yield
        finally:
            self._raises = before
