"""One line at the end of a terminal that changes while something runs, and goes when it has ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

__all__ = ["StatusLine"]

_REFRESH = 4  # redraws per second


class StatusLine:
    """A line on standard error (standard output stays a program's); nothing at all where nobody looks.

    Args:
        draw: Returns what the line shows at this moment.
        console: Terminal to draw in; that of standard error by default.
        quiet: Whether to show nothing even in a terminal; False by default.
        ticking: Whether the line redraws itself, from a thread of its own, as a countdown must; else ``refresh`` does.
    """

    def __init__(
        self,
        draw: Callable[[], RenderableType],
        console: Console | None = None,
        *,
        quiet: bool = False,
        ticking: bool = False,
    ) -> None:
        self._draw = draw
        self._console = console
        self._quiet = quiet
        self._ticking = ticking
        self._live: Live | None = None
        self._next = 0.0  # on the monotonic clock: when it may be redrawn

    @property
    def shown(self) -> bool:
        """Whether it is in a terminal now."""
        return self._live is not None

    def start(self) -> None:
        """Show the line; a second call does nothing."""
        looked_at = self._console.is_terminal if self._console is not None else sys.stderr.isatty()
        if self._quiet or self._live is not None or not looked_at:
            return
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=self._console or Console(stderr=True),
            auto_refresh=self._ticking,
            refresh_per_second=_REFRESH,
            transient=True,
            # rich would send what a program prints to standard output here, even where it is piped to a file.
            redirect_stdout=sys.stdout.isatty(),
            get_renderable=self._draw,
        )
        self._live.start()

    def refresh(self) -> None:
        """Draw the line anew, unless it was drawn just now."""
        if self._live is not None and time.monotonic() >= self._next:
            self._live.refresh()
            self._next = time.monotonic() + 1 / _REFRESH

    def stop(self) -> None:
        """Take the line away and give the cursor back; a second call does nothing."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
