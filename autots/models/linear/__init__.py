"""Linear models pooled over all series."""

from autots.models.linear.direct import DirectLinear

__all__ = ["DirectLinear"]
