"""Temporary folders of processes that may be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from zoo.cluster.folders import claim_folder, remove_folder, short_root, sweep
from zoo.locks import lock


def _aged(folder: Path) -> Path:
    os.utime(folder, (time.time() - 120,) * 2)
    return folder


def test_folders_of_dead_processes_are_swept_and_others_left(tmp_path: Path) -> None:
    for name in ("dead", "alive", "fresh", "unlocked"):
        (tmp_path / f"zoo-ray-{name}").mkdir()
        if name != "unlocked":
            (tmp_path / f"zoo-ray-{name}" / "owner.lock").touch()
        if name != "fresh":
            _aged(tmp_path / f"zoo-ray-{name}")
    holder = os.open(tmp_path / "zoo-ray-alive" / "owner.lock", os.O_RDWR)
    assert lock(holder)
    sweep("zoo-ray-", str(tmp_path))
    os.close(holder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["zoo-ray-alive", "zoo-ray-fresh", "zoo-ray-unlocked"]


def test_a_claimed_folder_outlives_sweeps_until_its_lock_is_closed(tmp_path: Path) -> None:
    folder, owner = claim_folder("x-", str(tmp_path))
    sweep("x-", str(tmp_path))
    assert _aged(folder).is_dir()
    sweep("x-", str(tmp_path))
    assert folder.is_dir()
    os.close(owner)
    sweep("x-", str(tmp_path))
    assert not folder.exists()


def test_what_has_outlived_its_parent_in_a_folder_is_ended_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "x-1"
    folder.mkdir()
    code = "import time; time.sleep(60)"
    left = subprocess.Popen([sys.executable, "-c", code, str(folder / "haproxy.cfg")])
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    try:
        remove_folder(folder)
        assert left.wait(10) == -9 and other.poll() is None and not folder.exists()
    finally:
        other.kill()
        other.wait()


def test_no_root_is_given_where_all_are_too_long() -> None:
    assert short_root("x-", 5) is None
    assert short_root("x-", 107) is not None
