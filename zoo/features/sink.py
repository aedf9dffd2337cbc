"""Where features go: a folder that is there whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import DataError
from zoo.features.arrow import schema_text

__all__ = ["Folder"]

_MANIFEST = "_manifest.json"


class Folder:
    """A folder of Parquet files that is replaced as a whole.

    What is written goes to a folder beside it; ``commit`` puts that in its place. A process that dies before leaves the old one,
    and one that dies between the two renames leaves it under another name, where the next opening finds it.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(f".{self.path.name}.partial")
        self._old = self.path.with_name(f".{self.path.name}.old")
        if self._old.exists() and not self.path.exists():
            self._old.rename(self.path)

    @property
    def manifest(self) -> dict[str, Any] | None:
        """What was written about the rows; None if there are none."""
        file = self.path / _MANIFEST
        if not file.is_file():
            return None
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def check(self, schema: Any, *, replacing: bool) -> None:
        """Raise where the folder holds something else.

        Args:
            schema: Arrow schema of the new rows.
            replacing: Whether all rows are new.

        Raises:
            DataError: It holds rows of another schema, or files that are not ours.
        """
        if not self.path.exists():
            return
        manifest = self.manifest
        if manifest is None:
            if self.path.is_dir() and not any(self.path.iterdir()):
                return
            raise DataError(
                f"a sink must be a new folder or one with features, but {self.path} holds something else",
                "name another folder",
            )
        there, new = [tuple(f) for f in manifest["schema"]], [tuple(f) for f in schema_text(schema)]
        if there != new:
            differing = sorted({f"{name} ({kind})" for name, kind in set(there) ^ set(new)})
            raise DataError(
                f"a sink must keep its schema, but {self.path} differs in {differing[:6] or 'the order of columns'}",
                "name another sink, or remove this one if nobody reads it",
            )
        del replacing

    def begin(self) -> Path:
        """Return an empty folder to write to."""
        if self.partial.exists():
            shutil.rmtree(self.partial)
        self.partial.mkdir(parents=True)
        return self.partial

    def commit(self, manifest: dict[str, Any]) -> None:
        """Put what was written in the folder's place."""
        (self.partial / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        if self._old.exists():
            shutil.rmtree(self._old)
        if self.path.exists():
            self.path.rename(self._old)
        self.partial.rename(self.path)
        if self._old.exists():
            shutil.rmtree(self._old)

    def discard(self) -> None:
        """Remove what was not committed."""
        if self.partial.exists():
            shutil.rmtree(self.partial)

    def files(self, *, committed: bool = True) -> list[Path]:
        """Return the files with rows."""
        return sorted((self.path if committed else self.partial).glob("*.parquet"))

    def tables(self, *, committed: bool = True) -> Iterator[Any]:
        """Yield the rows in pieces of bounded size."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for file in self.files(committed=committed):
            with pq.ParquetFile(file) as opened:
                for piece in opened.iter_batches(batch_size=1 << 18):
                    yield pa.Table.from_batches([piece])
