"""Saved pipelines: a folder of plain files with a manifest of checksums; nothing in it can execute (decision 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from autots.models.base import State
from autots.models.state_files import dump, load
from zoo.errors import ArtifactError
from zoo.files import checksums, read_manifest, replacing_folder, verify, write_manifest
from zoo.places import local_path

__all__ = ["read_artifact", "write_artifact"]

_FORMAT = "zoo-autots/pipeline/1"
_MANIFEST = "manifest.json"
_HINT = "save the pipeline again; a saved folder must not be edited"


def write_artifact(path: Path, parts: Mapping[str, State], *, beside: Callable[[Path], object] | None = None) -> None:
    """Write named trees into a folder, whole or not at all; an older artifact there is replaced.

    Args:
        path: The folder that is made or replaced.
        parts: Name -> tree, see ``autots.models.state_files``.
        beside: Writes more into the folder, such as folders of another room; one of the parts holds their checksums.

    Raises:
        ArtifactError: The path holds something that is no artifact.
    """
    path = local_path(path, "a pipeline's folder")
    if path.exists() and not (path / _MANIFEST).exists() and (not path.is_dir() or any(path.iterdir())):
        raise ArtifactError(f"a pipeline must go into a new folder, but {path} holds something else", "choose another")
    with replacing_folder(path) as fresh:
        names = [file.name for name, tree in parts.items() for file in dump(tree, fresh, name)]
        files = {
            name: {"sha256": said, "bytes": (fresh / name).stat().st_size}
            for name, said in checksums(fresh, names).items()
        }
        write_manifest(fresh / _MANIFEST, {"format": _FORMAT, "parts": list(parts), "files": files})
        if beside is not None:
            beside(fresh)


def read_artifact(path: Path, *, mapped: bool = False) -> dict[str, State]:
    """Read what ``write_artifact`` wrote.

    Args:
        path: The folder that was written.
        mapped: Whether large arrays stay in their files, as memory that processes share (``state_files.load``).

    Raises:
        ArtifactError: The folder is missing, foreign, of another format, damaged or tampered with.
    """
    path = Path(path)
    if not path.exists():
        raise ArtifactError(f"a saved pipeline must exist, but there is nothing at {path}", "check the path")
    manifest = read_manifest(path / _MANIFEST, "a saved pipeline", _FORMAT, hint=_HINT)
    try:
        parts, files = list(manifest["parts"]), manifest["files"]
        digests = {name: facts["sha256"] for name, facts in files.items()}
        sizes = {name: facts["bytes"] for name, facts in files.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{_MANIFEST} of {path} must list parts and files, but it does not", _HINT) from error
    verify(path, digests, hint=_HINT, sizes=sizes)
    return {name: load(path, name, mapped=mapped) for name in parts}
