"""The process that parses: a function and its arguments come in by the standard input, what it returned goes out.

It ends with whoever started it: the pipe is at its end then, whatever has ended the other side.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
from typing import Any, BinaryIO

from zoo.errors import ZooError

__all__ = ["main", "receive", "send"]

_HEAD = 8


def send(pipe: BinaryIO, value: Any) -> None:
    """Write a value, its length first."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(len(data).to_bytes(_HEAD, "big"))
    pipe.write(data)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Read a value.

    Raises:
        EOFError: The other side has ended.
    """
    return pickle.loads(_exactly(pipe, int.from_bytes(_exactly(pipe, _HEAD), "big")))  # noqa: S301  # our own process


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError("the other side has ended")
    return data


def main() -> None:
    """Answer until nobody asks any more."""
    # What a parser prints must not end up among the answers.
    answers, asked = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)
    gc.disable()  # requests have no cycles, and a collection among millions of values takes seconds
    while True:
        try:
            function, arguments, options = receive(asked)
        except EOFError:
            return
        made: tuple[bool, Any]
        try:
            made = True, function(*arguments, **options)
        except ZooError as error:
            made = False, error
        except Exception as error:
            made = False, RuntimeError(f"{type(error).__name__}: {error}")
        del arguments, options
        send(answers, made)
        del made


if __name__ == "__main__":
    main()
