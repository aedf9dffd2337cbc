"""Where things are written: paths, not URLs; replaced as a whole; by one process at a time, which can be named."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import json
import os
import re
import signal
import socket
import time
import weakref
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from zoo.errors import ConfigError, ConflictError

__all__ = ["Hold", "dies", "exchange", "local_path", "location", "myself", "scheme_of", "synchronise"]

# A drive of Windows has one letter; pathlib makes one slash of two.
_URL = re.compile(r"([a-z][a-z0-9+.-]+(?::[a-z][a-z0-9+.-]*)*):/", re.IGNORECASE)
_CREDENTIALS = re.compile(r"^[^/]*://[^/?#]*@")


def scheme_of(text: object) -> str:
    """Return the scheme of a URL in lower case; "" for a path.

    >>> scheme_of("s3://bucket/table"), scheme_of("data/s3.csv"), scheme_of("C:/data")
    ('s3', '', '')
    """
    found = _URL.match(str(text))
    return "" if found is None else found[1].lower()


def location(text: str | Path, what: str, *, schemes: Collection[str] = (), hint: str = "") -> str:
    """Return a path, or a URL of a scheme that is understood there.

    Args:
        text: What the user wrote; ``file:`` URLs become paths.
        what: What messages call it, such as "a study".
        schemes: Of the URLs that work.
        hint: What to do instead of others.

    Raises:
        ConfigError: It is a URL of another scheme, or one with a password. Only its scheme is repeated.
    """
    scheme = scheme_of(text)
    if not scheme:
        return str(text)
    if scheme == "file":
        return re.sub(r"^file:/(/[^/]*/|/?)", "/", str(text), flags=re.IGNORECASE)
    if scheme not in schemes:
        known = f"a path or a URL with {', '.join(f'{name}://' for name in schemes)}" if schemes else "a path"
        raise ConfigError(f"{what} must be {known}, but got a URL of {scheme}://", hint or "name a file or folder here")
    if _CREDENTIALS.match(str(text)) and scheme not in _WITH_ACCOUNT:
        raise ConfigError(
            f"{what} must be a URL without user and password, but got one with them ({scheme}://)",
            "put them into the environment, as the store's own tools read them",
        )
    return str(text)


# abfss://container@account.dfs.core.windows.net/path has an @ by rule; a password would follow a colon.
_WITH_ACCOUNT = frozenset({"abfs", "abfss"})


def local_path(text: str | Path, what: str, *, hint: str = "") -> Path:
    """Return a path on this machine.

    Raises:
        ConfigError: It is a URL; only its scheme is repeated.
    """
    return Path(location(text, what, hint=hint))


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


class Hold:
    """The right to replace something, until the block ends or the process dies, however it dies.

    A file with the lock lies beside it meanwhile; whoever finds that file replaced or removed under him tries again.
    The same process may enter it again while it has it.

    Args:
        path: What is held.
        what: What messages call it.
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
            _HELD.add(self)
        self._depth += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if self._depth or self._fd < 0:
            return
        _HELD.discard(self)
        if self._is_named():
            self._file.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """In a forked child: leave the right with the parent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + self._patience
        while True:
            self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                said = self._said()
                self.forget()
                # Nothing said: it was taken at this moment.
                if (said and not dies(said)) or time.monotonic() > end:
                    raise self._refusal(said) from error
                time.sleep(0.02)
                continue
            except OSError:
                self.forget()
                raise
            if self._is_named():
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, json.dumps(myself()).encode("utf-8"), 0)
                return
            self.forget()  # its former holder has just removed it

    def _is_named(self) -> bool:
        """Whether the file that is locked is still the one of that name."""
        try:
            named, mine = os.stat(self._file), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (mine.st_dev, mine.st_ino)

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


_HELD: weakref.WeakSet[Hold] = weakref.WeakSet()


def _forked() -> None:
    # A child would keep its parent's lock beyond the parent's death.
    for hold in list(_HELD):
        hold.forget()
    _HELD.clear()


os.register_at_fork(after_in_child=_forked)


def exchange(fresh: Path, path: Path) -> Path | None:
    """Put a file or folder in the place of another at one moment; return where the old one is now, if there was one.

    Where the system cannot exchange names (other than Linux, some network file systems) there is a moment between two
    renames: the old one is then called ``.NAME.old-…``.

    Args:
        fresh: What is whole; on the file system of ``path``.
        path: Its place.
    """
    if not os.path.lexists(path):
        fresh.rename(path)
        return None
    if _exchanged(fresh, path):
        return fresh
    old = path.with_name(f".{path.name}.old-{uuid4().hex}")
    path.rename(old)
    fresh.rename(path)
    return old


_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


def _exchanged(one: Path, other: Path) -> bool:
    function = _renameat2()
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


@functools.cache
def _renameat2() -> Any:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        function.restype = ctypes.c_int
    return function


def synchronise(folder: Path) -> None:
    """Bring a folder with all that is in it onto the disk."""
    for root, _, files in os.walk(folder, topdown=False):
        for name in [*files, "."]:
            descriptor = os.open(os.path.join(root, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
