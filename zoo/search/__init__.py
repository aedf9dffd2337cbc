"""A durable search: the space, the study, and the drivers that run its trials."""

from zoo.search.priors import Beta, Histogram, LogNormal, Normal
from zoo.search.space import Categorical, Float, Int, Ordinal, Space
from zoo.search.study import Study
from zoo.search.trial import FailureKind, Trial, TrialRecord

__all__ = [
    "Beta",
    "Categorical",
    "FailureKind",
    "Float",
    "Histogram",
    "Int",
    "LogNormal",
    "Normal",
    "Ordinal",
    "Space",
    "Study",
    "Trial",
    "TrialRecord",
]
