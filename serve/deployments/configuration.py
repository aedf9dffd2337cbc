"""What is to be served, as a configuration, and what of it must be checked before it goes live."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autots.api import Pipeline
from serve.admission import ensure
from serve.runtime.config import ServingConfig
from serve.runtime.foreign import declared, require
from zoo.errors import ConfigError

__all__ = ["admitted", "configured", "foreign_models", "insist"]


def configured(
    what: Pipeline | str | Path | Mapping[str, Any] | ServingConfig, *, model: str = "default", state: str | None = None
) -> ServingConfig:
    """Return the configuration for whatever is to be served.

    Args:
        what: A pipeline, the path of a run directory or saved pipeline, or a configuration.
        model: The name of a single model.
        state: Folder for actuals; beside the model if left out.

    Raises:
        ConfigError: It is no configuration.
    """
    if isinstance(what, ServingConfig):
        return what
    if isinstance(what, Pipeline):
        # Replicas read it as everything else is read: from checksummed files, not from a pickle.
        what = what.save(Path(tempfile.mkdtemp(prefix="zoo-serve-")) / "pipeline")
    try:
        if isinstance(what, Mapping):
            return ServingConfig.model_validate(dict(what))
        return ServingConfig.model_validate({"models": [{"name": model, "path": str(what)}], "state": state})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"a serving configuration must fit, but {place}: {first['msg']}", "see configs/serving"
        ) from None


def admitted(config: ServingConfig) -> None:
    """Check every model that was not admitted before, each in a process of its own; see ``serve.admission``.

    Raises:
        AdmissionError: A model may not go live; the message names the check.
        ArtifactError: There is nothing to check at a path.
    """
    require(foreign_models(config).values())
    names = {f"{m.name}@{m.version}" if m.version else f"{m.name} ({m.path})": m.path for m in config.models}
    ensure(names, config.folder())


def insist(config: ServingConfig) -> None:
    """Raise if there are models that may not go live without the admission checks: foreign ones.

    Raises:
        ConfigError: There are some; the message has their names.
    """
    found = sorted(foreign_models(config))
    if found:
        raise ConfigError(f"foreign models must be checked, but {found} are to go live without", "leave the checks on")


def foreign_models(config: ServingConfig) -> dict[str, str]:
    """Return a name for messages -> folder of each foreign model; one model may have several versions."""
    return {f"{m.name} ({m.path})": m.path for m in config.models if declared(m.path) is not None}
