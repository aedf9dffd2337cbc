"""Who may write: one process at a time, which can be named. A lock ends with its process, however that dies.

All locks are ``flock`` on an inode, so none is left behind by ``kill -9``. A file may be exchanged or removed while
somebody waits for its lock: whoever gets it asks ``is_named`` whether it is still the one of that name.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self

from zoo.errors import ConflictError

__all__ = ["Hold", "acquire", "dies", "forget_in_children", "is_named", "keep", "lock", "locked", "myself", "unlock"]

# Between two looks at a lock that a dying process still has.
_PAUSE_SECONDS = 0.02


def lock(fd: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Take the lock of an open file; return whether this succeeded, which it always does after waiting.

    Args:
        fd: The descriptor of the file or folder; the lock ends when it is closed.
        shared: Whether others may have the lock as well, if they share it too; by default nobody may.
        wait: Whether to wait for whoever has it; by default without an end.

    Raises:
        OSError: The file system has no locks.
    """
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(fd: int) -> None:
    """Let go of the lock of an open file, which stays open."""
    fcntl.flock(fd, fcntl.LOCK_UN)


@contextmanager
def locked(file: Path, *, mode: int = 0o644) -> Iterator[None]:
    """Keep others out of a block of a few lines: they wait until it ends.

    Args:
        file: The lock's own file, which is made if it is not there, and stays.
        mode: The access rights of a new file.
    """
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        lock(fd)
        yield
    finally:
        os.close(fd)


def is_named(fd: int, path: Path) -> bool:
    """Whether an open file or folder is still the one of that name."""
    try:
        named, mine = os.stat(path), os.fstat(fd)
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)


def myself() -> dict[str, Any]:
    """Return what a lock says about its holder."""
    since = datetime.now(tz=UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def dies(said: Mapping[str, Any]) -> bool:
    """Whether a holder is as good as dead: gone, or with a SIGKILL that it has not noticed yet."""
    pid = said.get("pid")
    if not pid or said.get("host") != socket.gethostname():
        return False
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except FileNotFoundError:
        return os.path.isdir("/proc/self")
    except OSError:
        return False
    pending = int(status.get("SigPnd", "0"), 16) | int(status.get("ShdPnd", "0"), 16)
    return status.get("State", "")[:1] in ("Z", "X") or bool(pending & (1 << (signal.SIGKILL - 1)))


def acquire(fd: int, said: Callable[[], Mapping[str, Any]], *, patience: float) -> Mapping[str, Any] | None:
    """Take the lock of an open file, waiting only for a holder that is dying.

    A killed process lets go of its locks when it is gone, which takes a moment on a busy machine.

    Args:
        fd: The descriptor of the file.
        said: Returns what is known about the holder; nothing means that it has taken the lock at this moment.
        patience: Seconds that a dying holder is waited for.

    Returns:
        None if the lock is taken, else what is known about the holder.
    """
    end = time.monotonic() + patience
    while not lock(fd, wait=False):
        known = said()
        if (known and not dies(known)) or time.monotonic() > end:
            return known
        time.sleep(_PAUSE_SECONDS)
    return None


class _Forgets(Protocol):
    def forget(self) -> None:
        """Close the file without a word."""


_HELD: weakref.WeakSet[_Forgets] = weakref.WeakSet()


def keep(held: _Forgets) -> None:
    """Note a lock that a forked child must leave with its parent: it would keep it beyond the parent's death."""
    _HELD.add(held)


def forget_in_children(held: _Forgets) -> None:
    """Strike a lock that ends here off that list."""
    _HELD.discard(held)


def _forked() -> None:
    for held in list(_HELD):
        held.forget()
    _HELD.clear()


os.register_at_fork(after_in_child=_forked)


class Hold:
    """The right to replace something, until the block ends or the process dies, however it dies.

    A file with the lock lies beside it meanwhile; whoever finds that file replaced or removed under him tries again.
    The same process may enter it again while it has it.

    Args:
        path: The file or folder that is held; it need not exist.
        what: What messages call it, such as "a sink".
        patience: Seconds that a dying holder is waited for.

    Raises:
        ConflictError: Another process, or another object of this one, has it.
    """

    def __init__(self, path: Path, what: str, *, patience: float = 10.0) -> None:
        self._path, self._what, self._patience = path, what, patience
        self._file = path.with_name(f".{path.name}.lock")
        self._fd, self._depth = -1, 0

    def __enter__(self) -> Self:
        if not self._depth:
            self._take()
            keep(self)
        self._depth += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth or self._fd < 0:
            return
        forget_in_children(self)
        if is_named(self._fd, self._file):
            self._file.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Close the file: in a forked child this leaves the right with the parent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                holder = acquire(self._fd, self._said, patience=self._patience)
                if holder is not None:
                    raise self._refusal(holder)
                if is_named(self._fd, self._file):
                    os.ftruncate(self._fd, 0)
                    os.pwrite(self._fd, json.dumps(myself()).encode("utf-8"), 0)
                    return
            except BaseException:
                self.forget()
                raise
            self.forget()  # its former holder has just removed it

    def _said(self) -> dict[str, Any]:
        try:
            said = json.loads(os.pread(self._fd, 4096, 0))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def _refusal(self, said: Mapping[str, Any]) -> ConflictError:
        who = f"process {said.get('pid', 'unknown')} on {said.get('host', 'an unknown host')}"
        return ConflictError(
            f"{self._what} must be written by one at a time, but {who} is writing {self._path} since "
            f"{said.get('since', 'an unknown time')}",
            "wait until it ends, or name another place",
        )
