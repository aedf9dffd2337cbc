"""What is behind a path: a digest of its content."""

from __future__ import annotations

from pathlib import Path

from zoo.files import digest

__all__ = ["manifest_of", "version_of"]


def manifest_of(path: Path) -> Path | None:
    """Return the manifest of a saved pipeline or of the one in a run directory; None where neither is."""
    return next((m for m in (path / "pipeline" / "manifest.json", path / "manifest.json") if m.is_file()), None)


def version_of(path: str | Path) -> str:
    """Return a version that a folder's content decides: the same files, the same version."""
    manifest = manifest_of(Path(path))
    return "0" if manifest is None else digest(manifest)[:8]
