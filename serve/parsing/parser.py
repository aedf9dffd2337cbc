"""Asks the process that parses, one body after the other; see ``serve.parsing.child``."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from serve.protocol.errors import RequestError

__all__ = ["BodyParser"]

P = ParamSpec("P")
Parsed = TypeVar("Parsed")


class BodyParser:
    """Calls functions of importable modules where they hold nobody up.

    What is small is called at once, in the event loop; what takes a moment in a thread; what takes longer than anybody
    may wait in a process, which is started for the first of them and stays. Its answers must be made of few objects:
    taking them in holds the lock again.

    Args:
        thread: Bytes from which a body is parsed in a thread.
        process: Bytes from which it is parsed in the process.
    """

    def __init__(self, *, thread: int = 200_000, process: int = 2_000_000) -> None:
        self._thread, self._process = thread, process
        self._asks = ThreadPoolExecutor(1, thread_name_prefix="parsing")
        self._child: subprocess.Popen[bytes] | None = None
        self._pipes: tuple[Connection, Connection] | None = None

    async def call(self, size: int, function: Callable[P, Parsed], *arguments: P.args, **options: P.kwargs) -> Parsed:
        """Return what a function makes of a body.

        Args:
            size: Bytes of the body.
            function: Of a module, so that another process finds it.
            arguments: What the function is called with.
            options: What the function is called with by name.

        Raises:
            RequestError: What the function raised; 503 where the process has ended over it.
        """
        if size < self._thread:
            return function(*arguments, **options)
        if size < self._process:
            return await asyncio.to_thread(function, *arguments, **options)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._asks, lambda: self._asked(function, arguments, options))

    def _asked(self, function: Callable[..., Parsed], arguments: Any, options: Any) -> Parsed:
        try:
            asks, answers = self._running()
            asks.send((function, arguments, options))
            well, parsed = answers.recv()
        except (OSError, EOFError) as error:
            self.close()
            raise RequestError(
                "a body must be small enough to be parsed, but parsing it has failed", "send it in parts", "", 503
            ) from error
        if well:
            return parsed  # type: ignore[no-any-return]
        raise parsed

    def _running(self) -> tuple[Connection, Connection]:
        """Return the pipes to the process. Only its own side of them is open there, so it ends with this one."""
        if self._child is None or self._pipes is None or self._child.poll() is not None:
            self.close()
            theirs, asks = os.pipe()
            answers, theirs_too = os.pipe()
            command = [sys.executable, "-m", "serve.parsing.child"]
            try:
                self._child = subprocess.Popen(command, stdin=theirs, stdout=theirs_too)  # noqa: S603  # our own
            finally:
                os.close(theirs)
                os.close(theirs_too)
                self._pipes = Connection(asks, readable=False), Connection(answers, writable=False)
        return self._pipes

    def close(self) -> None:
        """End the process; the next large body starts another one."""
        child, self._child = self._child, None
        pipes, self._pipes = self._pipes, None
        for pipe in pipes or ():
            pipe.close()
        if child is not None:
            child.kill()
            child.wait()
