"""What a command says to a person, as the text of its outcome."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["on_screen"]

_WIDE = 120  # columns of a log file or a pipe


def on_screen(draw: Callable[[Console], None]) -> str:
    """Return what ``draw`` prints, as wide as the terminal, and in colour where standard output is one."""
    from rich.console import Console

    shown = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if shown else _WIDE
    file = io.StringIO()
    draw(Console(file=file, width=width, force_terminal=shown, no_color=None if shown else True))
    return file.getvalue().rstrip("\n")
