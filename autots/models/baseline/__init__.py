"""Forecasters that any other must beat: vectorised over all series, nothing to tune but a window."""

from autots.models.baseline.average import Empirical, Mean, SeasonalMean, Zero
from autots.models.baseline.base import Baseline
from autots.models.baseline.last import Drift, Naive, SeasonalNaive

__all__ = ["Baseline", "Drift", "Empirical", "Mean", "Naive", "SeasonalMean", "SeasonalNaive", "Zero"]
