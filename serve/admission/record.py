"""Which pipelines were admitted before: the checks take seconds, and the same files give the same verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from serve.admission.policy import AdmissionReport, Policy
from serve.admission.process import admit
from serve.runtime.version import manifest_of
from zoo.errors import ArtifactError
from zoo.files import digest, write_file

__all__ = ["ensure"]

_REMEMBERED = 1000  # models that were admitted last


def ensure(
    models: Mapping[str, str | Path], folder: Path, *, policy: Policy | None = None
) -> dict[str, AdmissionReport | None]:
    """Check each model that was not admitted before by the same version of the program under the same policy.

    Args:
        models: Name, for messages -> a run directory or a saved pipeline.
        folder: Where ``admitted.json`` is kept. Who can write there can spare a model its checks.
        policy: The limits that a model must keep; by default those of ``Policy()``.

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
    manifest = manifest_of(path)
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
    return digest(b"\0".join(parts))


def _known(file: Path) -> list[str]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return [str(row) for row in rows] if isinstance(rows, list) else []
    except (OSError, ValueError):
        return []


def _write(file: Path, known: list[str]) -> None:
    with suppress(OSError):  # it is checked again the next time
        file.parent.mkdir(parents=True, exist_ok=True)
        write_file(file, json.dumps(known[-_REMEMBERED:]), durable=False)
