"""Files and folders that are there whole or not at all; digests and manifests."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from zoo import files as module
from zoo.errors import ArtifactError
from zoo.files import (
    checksums,
    digest,
    exchange,
    read_manifest,
    replacing,
    replacing_folder,
    verify,
    write_file,
    write_manifest,
)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_is_replaced_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    write_file(tmp_path / "x", "old")
    with replacing(tmp_path / "x") as part:
        part.write_text("new")
        assert (tmp_path / "x").read_text() == "old"
    assert (tmp_path / "x").read_text() == "new" and names(tmp_path) == ["x"]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    write_file(tmp_path / "x", "old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "x") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "x").read_text() == "old" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("mode", [0o666, 0o600])
def test_a_new_file_has_the_rights_that_were_asked_for(tmp_path: Path, mode: int) -> None:
    umask = os.umask(0o022)
    try:
        write_file(tmp_path / "x", b"1", mode=mode)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode & ~0o022


def test_what_a_killed_writer_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name, age in ((".x.1.part", 7200.0), (".x.2.part", 10.0), (".other.1.part", 7200.0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write_file(tmp_path / "x", "new")
    assert names(tmp_path) == [".other.1.part", ".x.2.part", "x"], "a writer at work, or another file's, lost its part"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with replacing_folder(tmp_path / "in" / "x") as fresh:
            (fresh / "a").write_text(content)
    with pytest.raises(ValueError), replacing_folder(tmp_path / "in" / "x") as fresh:
        (fresh / "a").write_text("half")
        raise ValueError
    assert (tmp_path / "in" / "x" / "a").read_text() == "new" and names(tmp_path / "in") == ["x"]


@pytest.mark.parametrize("change", ["longer", "flipped", "gone", "elsewhere"])
def test_a_changed_file_is_found_by_its_checksum(tmp_path: Path, change: str) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    files = checksums(tmp_path, ["a", "b"])
    verify(tmp_path, files, hint="h", sizes={"a": 3, "b": 3})
    if change == "longer":
        (tmp_path / "b").write_bytes(b"two.")
    elif change == "flipped":
        (tmp_path / "b").write_bytes(b"twp")
    elif change == "gone":
        (tmp_path / "b").unlink()
    else:
        files["../b"] = digest(b"two")
    with pytest.raises(ArtifactError, match="b") as caught:
        verify(tmp_path, files, hint="write it again")
    assert caught.value.hint == "write it again"


def test_a_signed_manifest_that_was_edited_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    write_manifest(file, {"format": "f/1", "files": {"a": digest("a")}})
    assert read_manifest(file, "a thing", "f/1", hint="h") == {"format": "f/1", "files": {"a": digest("a")}}
    with pytest.raises(ArtifactError, match=r"must be f/2, but .* has 'f/1'"):
        read_manifest(file, "a thing", "f/2", hint="h")
    edited = json.loads(file.read_text()) | {"files": {"a": digest("b")}}
    file.write_text(json.dumps(edited))
    with pytest.raises(ArtifactError, match="does not match its checksum"):
        read_manifest(file, "a thing", "f/1", hint="h")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": "f/1"}', "[" * 100_000])
def test_what_is_no_manifest_is_refused_with_a_hint(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"a thing must have a readable m\.json") as caught:
        read_manifest(tmp_path / "m.json", "a thing", "f/1", hint="make it again")
    assert caught.value.hint == "make it again"


def test_exchanging_is_one_step_where_linux_can_and_two_renames_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for can in (True, False):
        if not can:
            monkeypatch.setattr(module, "_renameat2", lambda: None)
        (tmp_path / "new").write_text("new")
        (tmp_path / "old").write_text("old")
        replaced = exchange(tmp_path / "new", tmp_path / "old")
        assert replaced is not None and replaced.read_text() == "old" and (tmp_path / "old").read_text() == "new"
        replaced.unlink()
        assert names(tmp_path) == ["old"]
