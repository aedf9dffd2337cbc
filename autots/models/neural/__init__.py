"""Neural networks pooled over all series."""

from autots.models.neural.mlp import MLP

__all__ = ["MLP"]
