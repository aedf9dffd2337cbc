"""Temporary folders of processes that may be killed: locked while the process lives, swept by the next one."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from zoo.locks import lock

__all__ = ["claim_folder", "remove_folder", "short_root", "sweep"]

_LOCK = "owner.lock"
_NAME = 8  # characters that mkdtemp appends to a prefix
# Spares a folder that is just being made and not locked yet.
_YOUNGEST_SECONDS = 60.0


def short_root(prefix: str, longest: int) -> str | None:
    """Return where a folder may lie so that its path is short enough for the sockets in it; None if nowhere.

    Args:
        prefix: With what the folder's name begins.
        longest: Characters that its path may have.
    """
    room = longest - len(f"/{prefix}") - _NAME
    roots = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108  # mkdtemp makes a private one inside
    return next((root for root in roots if len(root) <= room and os.access(root, os.W_OK)), None)


def claim_folder(prefix: str, root: str) -> tuple[Path, int]:
    """Sweep, and make a private folder that is this process's as long as it lives, whatever ends it.

    Args:
        prefix: With what its name begins.
        root: The folder that it is made in.

    Returns:
        The folder, and the lock in it: closing that gives it up.
    """
    sweep(prefix, root)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    owner = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    lock(owner)
    return folder, owner


def sweep(prefix: str, root: str) -> None:
    """Remove the folders of processes that were killed, and end what has outlived them: nobody holds their lock."""
    for folder in Path(root).glob(f"{prefix}*"):
        try:
            seen = folder.stat()
            if seen.st_uid != os.getuid() or time.time() - seen.st_mtime < _YOUNGEST_SECONDS:
                continue
            owner = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            continue  # another process is removing it, or it is not ours to judge
        try:
            if lock(owner, wait=False):
                remove_folder(folder)
        finally:
            os.close(owner)


def remove_folder(folder: Path) -> None:
    """End the processes that have outlived their parent in a folder, and remove it.

    An agent of Ray that began too late to see its raylet end; an HAProxy that was handing over to the next one.
    """
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and any(str(folder) in word for word in process.cmdline()):
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)
