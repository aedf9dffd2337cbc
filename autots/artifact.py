"""Saved pipelines: a folder of plain files with a manifest of checksums; nothing in it can execute (decision 10)."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autots.models.base import State
from autots.models.state_files import dump, load
from zoo.errors import ArtifactError
from zoo.places import exchange, local_path

__all__ = ["read_artifact", "write_artifact"]

_FORMAT = "zoo-autots/pipeline/1"
_MANIFEST = "manifest.json"
_HINT = "save the pipeline again; a saved folder must not be edited"


def write_artifact(path: Path, parts: Mapping[str, State], *, beside: Callable[[Path], object] | None = None) -> None:
    """Write named trees into a folder, whole or not at all; an older artifact there is replaced.

    Args:
        path: The folder.
        parts: Name -> tree, see ``autots.models.state_files``.
        beside: Writes more into the folder, such as folders of another room; one of the parts holds their checksums.

    Raises:
        ArtifactError: The path holds something that is no artifact.
    """
    path = local_path(path, "a pipeline's folder")
    if path.exists() and not (path / _MANIFEST).exists() and (not path.is_dir() or any(path.iterdir())):
        raise ArtifactError(f"a pipeline must go into a new folder, but {path} holds something else", "choose another")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        files = {}
        for name, tree in parts.items():
            for file in dump(tree, fresh, name):
                files[file.name] = {"sha256": _digest(file), "bytes": file.stat().st_size}
        manifest = {"format": _FORMAT, "parts": list(parts), "files": files}
        manifest["sha256"] = _signature(manifest)
        (fresh / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if beside is not None:
            beside(fresh)
        fresh.chmod(0o755)
        # At one moment: a process that dies here leaves the older artifact or the new one.
        old = exchange(fresh, path)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def read_artifact(path: Path, *, mapped: bool = False) -> dict[str, State]:
    """Read what ``write_artifact`` wrote.

    Args:
        path: The folder.
        mapped: See ``autots.models.state_files.load``.

    Raises:
        ArtifactError: The folder is missing, foreign, of another format, damaged or tampered with.
    """
    path = Path(path)
    if not path.exists():
        raise ArtifactError(f"a saved pipeline must exist, but there is nothing at {path}", "check the path")
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        kind, parts, files = manifest["format"], manifest["parts"], manifest["files"]
        claimed = manifest.pop("sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"a saved pipeline must have a readable {_MANIFEST}, but {path} has none", _HINT) from error
    if kind != _FORMAT:
        raise ArtifactError(
            f"the format must be {_FORMAT}, but {path} has {kind!r}", "load it with the version it names"
        )
    if claimed != _signature(manifest):
        raise ArtifactError(f"{_MANIFEST} of {path} does not match its checksum: it was changed", _HINT)
    for name, facts in files.items():
        file = path / name
        # A name is a plain file name, so that a manifest cannot point anywhere else.
        if Path(name).name != name or not file.is_file():
            raise ArtifactError(f"{path} must hold {name!r}, but it does not", _HINT)
        if file.stat().st_size != facts["bytes"] or _digest(file) != facts["sha256"]:
            raise ArtifactError(f"{name} of {path} does not match its checksum: it was changed or damaged", _HINT)
    return {name: load(path, name, mapped=mapped) for name in parts}


def _digest(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _signature(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
