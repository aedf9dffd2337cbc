"""What a command is given: a run, a saved pipeline, or the folder of a sharded fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autots.pipeline import Pipeline
    from autots.shards import ShardedPipeline

__all__ = ["opened"]

_SHARDS = "shards.json"


def opened(path: Path) -> Pipeline | ShardedPipeline:
    """Return what a folder holds.

    Raises:
        ArtifactError: It holds neither a pipeline nor a sharded fit, or one that is damaged or has not ended.
    """
    if (path / _SHARDS).is_file():
        from autots.shards import ShardedPipeline

        return ShardedPipeline(path)
    from autots.api import load

    return load(path)
