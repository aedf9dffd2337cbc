"""What an endpoint serves is what was at a path when it was asked to: named by its digest, and kept as a copy.

A fit that writes to the same path must not change what an endpoint answers, neither at once, where replicas have the
files mapped, nor later, when a replica that was killed is started again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from serve.runtime.config import ModelConfig, ServingConfig
from serve.runtime.version import version_of
from zoo.errors import ArtifactError
from zoo.files import replacing_folder

__all__ = ["kept", "pinned", "swept"]

#: Not part of a model: what endpoints remember beside it.
_STATE = "serving"


def pinned(config: ServingConfig) -> ServingConfig:
    """Return the configuration with the digest of what lies at each path now.

    Raises:
        ArtifactError: A digest was asked for, and another one is there.
    """
    models = [m.model_copy(update={"digest": version_of(m.path), "kept": None}) for m in config.models]
    for asked, found in zip(config.models, models, strict=True):
        if asked.digest not in (None, found.digest):
            raise ArtifactError(
                f"{asked.path} must hold the version {asked.digest}, but holds {found.digest}",
                "leave `digest` out to serve what is there",
            )
    return config.model_copy(update={"models": models})


def kept(config: ServingConfig, folder: Path) -> ServingConfig:
    """Copy what is meant into a folder of this endpoint alone, and return the configuration that reads the copies.

    Args:
        config: What is served, as ``pinned`` returned it.
        folder: Private; copies that are there are used again.

    Raises:
        ArtifactError: What lies at a path changes while it is copied.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    models = [m.model_copy(update={"kept": str(_copied(m, folder))}) for m in config.models]
    return config.model_copy(update={"models": models})


def swept(config: ServingConfig, folder: Path) -> None:
    """Remove the copies that a configuration does not read; who has their files open keeps them."""
    used = {m.kept for m in config.models}
    for one in folder.iterdir() if folder.is_dir() else ():
        if str(one) not in used:
            shutil.rmtree(one, ignore_errors=True)


def _copied(model: ModelConfig, folder: Path) -> Path:
    source, target = Path(model.path), folder / f"{model.name}-{model.digest}"
    if target.is_dir() and version_of(target) == model.digest:
        return target
    try:
        with replacing_folder(target) as part:
            inside = source / "pipeline"
            if (inside / "manifest.json").is_file():
                shutil.copytree(inside, part / "pipeline")
            else:
                shutil.copytree(source, part, dirs_exist_ok=True, ignore=_no_state)
            if version_of(part) != model.digest:
                raise ArtifactError(
                    f"a model must not change while it is taken in, but {model.path} does", "wait for its fit to end"
                )
    except (OSError, shutil.Error) as error:
        raise ArtifactError(f"a model must be readable, but {model.path}: {error}", "see its permissions") from error
    return target


def _no_state(path: str, names: list[str]) -> set[str]:
    return {_STATE} & set(names)
