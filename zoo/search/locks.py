"""Who may write a journal: one driver for as long as it runs, and one writer, ours or Optuna's, at a moment.

The driver's right is a ``flock`` on the journal's own inode: no file beside it, whatever its name, can be taken away
under it. What ``<journal>.driver`` says about the holder is for messages only.

Optuna's writers (a note saved in optuna-dashboard, ``enqueue_trial``) take turns by a link ``<journal>.lock`` that
exists for the moment of one write. A driver takes the same turn for each transaction.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.errors import StudyError
from zoo.files import write_file
from zoo.locks import acquire, forget_in_children, keep, lock, myself

__all__ = ["StudyLock", "Turn"]

# How long a dying driver is waited for.
_DYING_SECONDS = 10.0
# Optuna's own rule: a link that nobody has touched for so long was left by a dead writer.
_GRACE_SECONDS = 30.0
# So long a link must be unchanged before we look whether its writer can still be alive.
_DOUBT_SECONDS = 2.0
# Where all writers are processes of this machine.
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs"})


class StudyLock:
    """The right to write a study, held until ``release`` or the death of the process, however it dies.

    Attributes:
        fd: The journal, open for reading and appending.

    Raises:
        StudyError: Another process (or another object of this one) holds it.
    """

    def __init__(self, path: Path) -> None:
        if not path.name:
            raise StudyError(f"a study must be a file, but {path} is a folder", "name a file in it: study.journal")
        self._holder = path.with_name(path.name + ".driver")
        self.fd = _opened(path)
        try:
            self._take(path)
            _refuse_former(path)
            self._say()
        except BaseException:
            os.close(self.fd)
            raise
        keep(self)

    def _take(self, path: Path) -> None:
        try:
            holder = acquire(self.fd, self._said, patience=_DYING_SECONDS)
        except OSError as error:
            raise StudyError(
                f"a study must be able to lock its journal, but {path} failed: {error}",
                "keep it on a file system with locks (on NFS: version 4, or without the option nolock)",
            ) from error
        if holder is not None:
            raise _refusal(path, holder)

    def _said(self) -> dict[str, Any]:
        """Return what is known about the holder."""
        try:
            said = json.loads(self._holder.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            said = None
        if isinstance(said, dict) and isinstance(said.get("pid"), int):
            return said
        return {"pid": _locker(os.fstat(self.fd).st_ino), "host": socket.gethostname()}

    def _say(self) -> None:
        with suppress(OSError):  # a full disk: the lock holds all the same
            write_file(self._holder, json.dumps(myself()), durable=False)

    def release(self) -> None:
        """Let others open the study."""
        if self.fd >= 0:
            forget_in_children(self)
            # Before the lock: afterwards it may be the next one's.
            self._holder.unlink(missing_ok=True)
            os.close(self.fd)
            self.fd = -1

    def forget(self) -> None:
        """In a forked child: leave the right with the parent."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _opened(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise StudyError(
            f"a study must be a file that can be written, but {path} failed: {error.strerror}",
            "name a file in a folder of yours, such as study.journal",
        ) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise StudyError(f"a study must be a regular file, but {path} is none", "name a file, such as study.journal")
    return fd


def _refusal(path: Path, said: Mapping[str, Any]) -> StudyError:
    since = f", since {said['since']}" if "since" in said else ""
    return StudyError(
        f"a study must have one driver at a time, but process {said['pid'] or 'unknown'} has {path} open "
        f"(on {said.get('host', 'an unknown host')}{since})",
        "wait until it ends, end it, or choose another path",
    )


def _refuse_former(path: Path) -> None:
    """Remove the lock file of a former version of this program, unless its driver still runs.

    It had the name of Optuna's link, and would hold up whoever takes turns.
    """
    former = path.with_name(path.name + ".lock")
    try:
        if not stat.S_ISREG(os.lstat(former).st_mode):
            return
        fd = os.open(former, os.O_RDWR)
    except OSError:
        return
    try:
        pid = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        if not pid.isdigit():
            return  # the file of Optuna's JournalFileOpenLock is empty
        if not lock(fd, wait=False):
            raise _refusal(path, {"pid": int(pid)})
        former.unlink(missing_ok=True)
    finally:
        os.close(fd)


def _locker(inode: int) -> int | None:
    """Return the process that holds the flock on an inode, as the kernel says; None if it does not."""
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as file:
            for fields in (line.split() for line in file):
                if len(fields) > 5 and fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == str(inode):
                    return int(fields[4]) if int(fields[4]) > 0 else None
    except (OSError, ValueError):
        pass
    return None


class Turn:
    """The right to write now, among all programs that use Optuna's journal; the caller holds the ``StudyLock``.

    Optuna's processes wait while the link is there. A dead one's is removed: ours at once, Optuna's as soon as no
    process of this machine has the journal open for writing, and after Optuna's own grace period elsewhere.

    Args:
        path: The journal that is written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._link = path.with_name(path.name + ".lock")
        # The link must lead to a file (Optuna spins on one that does not), and must be known as ours.
        self._mark = f"./././{path.name}"

    def __enter__(self) -> None:
        pause = 0.0005
        seen: tuple[int, int] | None = None
        since = looked = time.monotonic()
        while True:
            try:
                os.symlink(self._mark, self._link)
                return
            except FileExistsError:
                pass
            except OSError as error:
                raise StudyError(
                    f"a study must be able to write beside its journal, but {self._link} failed: {error.strerror}",
                    "free space, or fix the rights of the folder",
                ) from error
            now = time.monotonic()
            try:
                found = os.lstat(self._link)
            except FileNotFoundError:
                continue
            if (found.st_ino, found.st_mtime_ns) != seen:
                seen, since, looked = (found.st_ino, found.st_mtime_ns), now, now
            doubtful = now - looked > _DOUBT_SECONDS
            if self._is_ours() or now - since > _GRACE_SECONDS or (doubtful and self._is_dead(found)):
                self._remove(seen)
                continue
            looked = now if doubtful else looked
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def __exit__(self, *error: object) -> None:
        # Optuna breaks the turn of a process that was stopped for long: what is there then is not ours.
        if self._is_ours():
            self._link.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        try:
            return os.readlink(self._link) == self._mark
        except OSError:
            return False

    def _remove(self, seen: tuple[int, int]) -> None:
        try:
            found = os.lstat(self._link)
            if (found.st_ino, found.st_mtime_ns) == seen:
                self._link.unlink()
        except FileNotFoundError:
            pass

    def _is_dead(self, link: os.stat_result) -> bool:
        """Whether the link's writer cannot be alive: no process has the journal open for writing.

        Only where all its processes can be seen. Were it wrong, both writes would still be there: they append.
        """
        if link.st_uid != os.geteuid() and os.geteuid() != 0:
            return False
        at = os.stat(self._path)
        return _is_local(at.st_dev) and not _has_writers(at)


def _is_local(device: int) -> bool:
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            for fields in (line.split() for line in file):
                if fields[2] == name:
                    return fields[fields.index("-") + 1] in _LOCAL
    except (OSError, ValueError, IndexError):
        pass
    return False


def _has_writers(at: os.stat_result) -> bool:
    """Whether another process has a file open for writing."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            opened = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for fd in opened:
            try:
                other = os.stat(f"/proc/{pid}/fd/{fd}")
                if (other.st_dev, other.st_ino) != (at.st_dev, at.st_ino):
                    continue
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                    flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    return True
            except (OSError, StopIteration, ValueError):
                continue
    return False
