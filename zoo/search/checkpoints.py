"""Where the checkpoints of a study's trials are kept: ``<study>.checkpoints/<trial>/<step>``.

What a training hands over is copied under a temporary name, synchronised and renamed, so that a checkpoint that has its
name is whole. The journal names it only after that; whatever else lies in the folder is swept with the next one.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from zoo.errors import ConfigError
from zoo.files import synchronise, synchronise_folder

__all__ = ["CheckpointStore", "pack", "unpack"]

_UNFINISHED = ".unfinished"


class CheckpointStore:
    """Checkpoints by trial and step.

    Args:
        folder: The store's folder, which is made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, journal: Path) -> CheckpointStore:
        """Return the store of the study in ``journal``."""
        return cls(journal.with_name(f"{journal.stem}.checkpoints"))

    def keep(self, number: int, step: int, source: Path) -> str:
        """Copy a directory or file, and return the name under which it is kept.

        What lies in the store already (a worker put it there) is only named.

        Raises:
            ConfigError: There is nothing at ``source``.
        """
        home = self.folder / str(number)
        if source.parent == home and not source.name.startswith(_UNFINISHED):
            return f"{number}/{source.name}"
        if not source.exists():
            raise _nothing(source)
        return f"{number}/{_place(home, step, partial(_copy, source))}"

    def keep_packed(self, number: int, step: int, packed: bytes) -> Path:
        """Take in a checkpoint from a machine that does not see this folder, and return where it is now."""
        home = self.folder / str(number)
        return home / _place(home, step, partial(unpack, packed))

    def path(self, name: str) -> Path | None:
        """Return the directory of a checkpoint, or None if it is not kept any more."""
        path = self.folder / name
        return path if name and path.is_dir() else None

    def only(self, number: int, name: str) -> None:
        """Delete all checkpoints of a trial but one; "" keeps none."""
        home = self.folder / str(number)
        if not home.is_dir():
            return
        for path in home.iterdir():
            if f"{number}/{path.name}" != name:
                _remove(path)
        if not name:
            _remove(home)


def pack(source: Path) -> bytes:
    """Return a directory (or file) as the bytes of an archive.

    Raises:
        ConfigError: There is nothing at ``source``.
    """
    if not source.exists():
        raise _nothing(source)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(source.iterdir()) if source.is_dir() else [source]:
            archive.add(path, arcname=path.name)
    return buffer.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write what ``pack`` returned into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _nothing(source: Path) -> ConfigError:
    return ConfigError(
        f"a checkpoint must exist when it is reported, but there is nothing at {source}",
        "write the directory first, then call trial.report(step, value, checkpoint=directory)",
    )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir()
        shutil.copy2(source, target / source.name)


def _place(home: Path, step: int, fill: Callable[[Path], object]) -> str:
    """Give a checkpoint its name once it is whole; one of the same step may be there from before a loss."""
    home.mkdir(parents=True, exist_ok=True)
    unfinished = home / f"{_UNFINISHED}-{os.getpid()}-{step}"
    _remove(unfinished)
    fill(unfinished)
    synchronise(unfinished)
    name, again = str(step), 0
    while (home / name).exists():
        again += 1
        name = f"{step}.{again}"
    unfinished.rename(home / name)
    synchronise_folder(home)
    return name


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
