"""Folders of files, stored once by what they hold."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import ArtifactError
from zoo.files import digest, json_digest, replacing_folder

__all__ = ["contents", "fetch_folder", "store_folder"]


def contents(folder: Path) -> dict[str, str]:
    """Return each file of a folder, by its path inside it with ``/``, and its SHA-256.

    Args:
        folder: The folder; those inside it are read, too.

    Raises:
        ArtifactError: It is missing or empty, or holds a link, which would let others change what was published.
    """
    if not folder.is_dir():
        raise ArtifactError(f"a version is a folder of files, but {folder} is none", "give the folder of a saved model")
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ArtifactError(f"{folder} must hold files alone, but {name} is a link", "put the file itself there")
        if path.is_file():
            found[name] = digest(path)
    if not found:
        raise ArtifactError(f"a version must hold a file, but {folder} is empty", "give the folder of a saved model")
    return found


def store_folder(root: Path, folder: Path) -> tuple[str, dict[str, str]]:
    """Copy a folder to the place that its content names, unless it is there; return its digest and its files.

    Args:
        root: The folder of all artifacts.
        folder: What is stored; it stays as it is.

    Raises:
        ArtifactError: It cannot be stored (see ``contents``), or changed while it was copied.
    """
    files = contents(folder)
    name = json_digest(files)
    if not (root / name).exists():
        with replacing_folder(root / name) as fresh:
            shutil.copytree(folder, fresh, dirs_exist_ok=True)
            if contents(fresh) != files:
                raise ArtifactError(f"{folder} changed while it was copied", "publish it once nobody writes there")
    fetch_folder(root, name, files)
    return name, files


def fetch_folder(root: Path, name: str, files: Mapping[str, str]) -> Path:
    """Return the place of a stored folder, once all its files were found to be what they were.

    Args:
        root: The folder of all artifacts.
        name: The digest under which it was stored.
        files: Its files and their digests, as the ledger has them.

    Raises:
        ArtifactError: A file is missing, changed, or was added; the message names the first one.
    """
    hint = "restore the artifact from a copy; the ledger still knows what it was"
    found = contents(root / name)
    for file in sorted({*files, *found}):
        if file not in found:
            raise ArtifactError(f"artifact {name[:12]} must hold {file!r}, but it does not", hint)
        if file not in files:
            raise ArtifactError(f"artifact {name[:12]} holds {file!r}, which was not published", hint)
        if found[file] != files[file]:
            raise ArtifactError(f"{file} of artifact {name[:12]} is not what was published: it was changed", hint)
    return root / name
