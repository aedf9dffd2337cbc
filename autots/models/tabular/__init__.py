"""Gradient boosted trees over all series."""

from autots.models.tabular.direct import DirectTrees
from autots.models.tabular.recursive import RecursiveTrees

__all__ = ["DirectTrees", "RecursiveTrees"]
