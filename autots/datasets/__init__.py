"""Small data sets for demonstrations, from installed packages: nothing is downloaded."""

from autots.datasets.demos import DEMOS, Demo, load

__all__ = ["DEMOS", "Demo", "load"]
