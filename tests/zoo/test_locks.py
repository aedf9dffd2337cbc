"""Locks: one at a time, named, and gone with their process."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from zoo.errors import ConflictError
from zoo.locks import Hold, acquire, is_named, lock, locked, unlock


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_lock_names_its_holder_and_leaves_no_file(tmp_path: Path) -> None:
    with Hold(tmp_path / "x", "a sink") as hold:
        with pytest.raises(ConflictError, match=f"but process {os.getpid()} on .* is writing .*/x since 20"):
            Hold(tmp_path / "x", "a sink").__enter__()
        with hold:
            pass  # again, by the same
        with pytest.raises(ConflictError):
            Hold(tmp_path / "x", "a sink").__enter__()
    with Hold(tmp_path / "x", "a sink"):
        pass
    assert names(tmp_path) == []


def test_a_fork_does_not_keep_the_lock(tmp_path: Path) -> None:
    ends = os.pipe()
    with Hold(tmp_path / "x", "a sink"):
        child = os.fork()
        if child == 0:
            os.read(ends[0], 1)
            os._exit(0)
    with Hold(tmp_path / "x", "a sink"):
        os.write(ends[1], b".")
    os.waitpid(child, 0)


def test_shared_locks_exclude_the_other_kind_only(tmp_path: Path) -> None:
    ends = [os.open(tmp_path, os.O_RDONLY) for _ in range(3)]
    assert lock(ends[0], shared=True) and lock(ends[1], shared=True, wait=False)
    assert not lock(ends[2], wait=False)
    unlock(ends[0])
    os.close(ends[1])
    assert lock(ends[2], wait=False) and not lock(ends[0], shared=True, wait=False)


def test_a_file_that_was_exchanged_is_not_the_one_of_its_name(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    assert is_named(fd, tmp_path / "x")
    (tmp_path / "y").touch()
    (tmp_path / "y").rename(tmp_path / "x")
    assert not is_named(fd, tmp_path / "x")
    (tmp_path / "x").unlink()
    assert not is_named(fd, tmp_path / "x")


@pytest.mark.parametrize("known", [{}, {"pid": 2**22 + 1}])
def test_only_a_holder_that_dies_is_waited_for(tmp_path: Path, known: dict[str, int]) -> None:
    import socket

    first, second = (os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert lock(first)
    assert acquire(second, lambda: {"pid": os.getpid(), "host": socket.gethostname()}, patience=60.0) is not None
    dying = known | ({"host": socket.gethostname()} if known else {})
    assert acquire(second, lambda: dying, patience=0.1) == dying
    os.close(first)
    assert acquire(second, lambda: {}, patience=0.0) is None


def _count(file: Path, lock_file: Path, rounds: int) -> None:
    for _ in range(rounds):
        with locked(lock_file):
            file.write_text(str(int(file.read_text()) + 1))


def test_blocks_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("0")
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_count, args=(tmp_path / "n", tmp_path / "lock", 50)) for _ in range(3)]
    for each in others:
        each.start()
    for each in others:
        each.join(60)
    assert (tmp_path / "n").read_text() == "150"
