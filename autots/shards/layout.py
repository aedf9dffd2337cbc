"""Where the folder of a sharded fit has what."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from autots.search.folder import PIPELINE
from zoo.files import read_manifest, write_manifest

__all__ = ["ShardFolder", "ShardManifest"]

_FORMAT = "zoo-autots/shards/1"
_HINT = "give the folder of a sharded fit, or go on with it by resume"


@dataclass(frozen=True)
class ShardFolder:
    """The folder of a sharded fit, which all workers reach.

    Args:
        root: Where it is, as a path.
    """

    root: Path

    @property
    def parts(self) -> Path:
        """The rows of the table by shards, until the end of the fit."""
        return self.root / "parts"

    @property
    def source(self) -> Path:
        """The table as Parquet where it was none, until the end of the fit."""
        return self.root / "source"

    @property
    def search(self) -> Path:
        """The run directory of the search on some of the series."""
        return self.root / "search"

    @property
    def search_pipeline(self) -> Path:
        """The pipeline that the search found, fitted on the series that it saw."""
        return self.search / PIPELINE

    @property
    def manifest(self) -> Path:
        """What the folder holds."""
        return self.root / "shards.json"

    def shard(self, number: int) -> Path:
        """Return the folder of the pipeline of one shard."""
        return self.root / "shards" / f"{number:05d}"


@dataclass(frozen=True)
class ShardManifest:
    """What a sharded fit made.

    Args:
        shards: Number of shards K; series are in them by a hash of their names.
        key: Columns that name the series.
        source: Digest of the table and of what was asked, so that another one's shards are not taken for this one's.
        done: Whether all shards are there.
        series: How many series all shards have.
        rows: How many rows they have.
        filled: The shards that have series.
        messages: What is to be said of the fit.
        seconds: Phase of the fit -> seconds.
    """

    shards: int
    key: tuple[str, ...]
    source: str
    done: bool = False
    series: int = 0
    rows: int = 0
    filled: tuple[int, ...] = ()
    messages: tuple[str, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()

    def write(self, folder: ShardFolder) -> None:
        """Write it into the folder."""
        write_manifest(folder.manifest, {"format": _FORMAT, **asdict(self)})

    @classmethod
    def read(cls, folder: ShardFolder) -> Self:
        """Return what ``write`` wrote.

        Raises:
            ArtifactError: The folder is none of a sharded fit, or was changed.
        """
        values: dict[str, Any] = read_manifest(folder.manifest, "a sharded fit", _FORMAT, hint=_HINT)
        values.pop("format")
        made = cls(**values)
        return replace(
            made,
            key=tuple(made.key),
            filled=tuple(made.filled),
            messages=tuple(made.messages),
            seconds=tuple((name, float(took)) for name, took in made.seconds),
        )
