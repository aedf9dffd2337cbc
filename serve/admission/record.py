"""Which pipelines were admitted before: the checks take seconds, and the same files give the same verdict."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from serve.admission.policy import AdmissionReport, Policy
from serve.admission.process import admit
from zoo.errors import ArtifactError

__all__ = ["ensure"]


def ensure(
    models: Mapping[str, str | Path], folder: Path, *, policy: Policy | None = None
) -> dict[str, AdmissionReport | None]:
    """Check each model that was not admitted before by the same version of the program under the same policy.

    Args:
        models: Name, for messages -> a run directory or a saved pipeline.
        folder: Where ``admitted.json`` is kept. Who can write there can spare a model its checks.
        policy: The limits.

    Returns:
        Name -> what was found; None where it was admitted before.

    Raises:
        AdmissionError: A model may not go live; the message names the check.
        ArtifactError: There is nothing at a path.
    """
    limits, file = policy or Policy(), folder / "admitted.json"
    known = _known(file)
    found: dict[str, AdmissionReport | None] = {}
    for name, path in models.items():
        key = _key(Path(path), limits)
        if key in known:
            found[name] = None
            continue
        report = found[name] = admit(path, policy=limits)
        report.check()
        known.append(key)
        _write(file, known)
    return found


def _key(path: Path, limits: Policy) -> str:
    manifest = next((m for m in (path / "pipeline" / "manifest.json", path / "manifest.json") if m.is_file()), None)
    if manifest is None:
        raise ArtifactError(
            f"a model must be a run directory or a saved pipeline, but {path} is neither",
            "give the directory that `zoo fit` made (--out), or that Pipeline.save wrote",
        )
    try:
        program = version("zoo-autots")
    except PackageNotFoundError:
        program = "not installed"
    # The manifest holds the checksums of all files, which are compared whenever a pipeline is loaded.
    parts = [manifest.read_bytes(), json.dumps(limits.to_dict(), sort_keys=True).encode(), program.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _known(file: Path) -> list[str]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return [str(row) for row in rows] if isinstance(rows, list) else []
    except (OSError, ValueError):
        return []


def _write(file: Path, known: list[str]) -> None:
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(known[-1000:]), encoding="utf-8")
        os.replace(part, file)
    except OSError:
        part.unlink(missing_ok=True)  # it is checked again the next time
