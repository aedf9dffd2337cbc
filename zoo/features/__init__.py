"""Features: one pipeline, equal to the last bit in memory, in Spark and in the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.features.pipeline import FeaturePipeline as Pipeline

__all__ = ["Pipeline"]


def __getattr__(name: str) -> Any:
    # Lazily: the texts of the command line live in this package's neighbours, and pydantic takes its time.
    if name == "Pipeline":
        from zoo.features.pipeline import FeaturePipeline

        return FeaturePipeline
    raise AttributeError(f"module 'zoo.features' has no attribute {name!r}")
