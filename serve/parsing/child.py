"""The process that parses: a function and its arguments come in by the standard input, what it returned goes out.

It ends with whoever started it: the pipe is at its end then, whatever has ended the other side.
"""

from __future__ import annotations

import gc
import os
from multiprocessing.connection import Connection
from typing import Any

from zoo.errors import ZooError

__all__ = ["main"]


def main() -> None:
    """Answer until nobody asks any more."""
    # What a parser prints must not end up among the answers.
    answers, asked = Connection(os.dup(1), readable=False), Connection(os.dup(0), writable=False)
    os.dup2(2, 1)
    gc.disable()  # requests have no cycles, and a collection among millions of values takes seconds
    while True:
        try:
            function, arguments, options = asked.recv()
        except EOFError:
            return
        told: tuple[bool, Any]
        try:
            told = True, function(*arguments, **options)
        except ZooError as error:
            told = False, error
        except Exception as error:
            told = False, RuntimeError(f"{type(error).__name__}: {error}")
        del arguments, options
        answers.send(told)
        del told


if __name__ == "__main__":
    main()
