"""A real Redis for tests and figures: started on a free port, killed and started again on its own files."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from zoo.errors import ClusterError

__all__ = ["RedisServer", "redis_binary"]


def redis_binary() -> str | None:
    """Return the path of ``redis-server``, None where it is not installed."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """``redis-server`` on a local port, with an append-only file.

    Args:
        folder: Where the server keeps its files.
        options: Further settings, such as ``("maxmemory", "8mb")``.

    Raises:
        ClusterError: There is no such program, or it does not begin to answer.
    """

    def __init__(self, folder: str | Path, *, options: tuple[str, ...] = ()) -> None:
        binary = redis_binary()
        if binary is None:
            raise ClusterError(
                "a Redis must be installed, but there is no redis-server", "apt-get install redis-server"
            )
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
        } | dict(zip(options[::2], options[1::2], strict=True))
        self._command = [binary, *(word for name, value in settings.items() for word in (f"--{name}", value))]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, on the files that are there."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        self.kill()
        raise ClusterError(f"a Redis must answer within 20 s, but port {self.port} is silent", "see its log")

    def kill(self) -> None:
        """End it with SIGKILL: nothing is tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.kill()
