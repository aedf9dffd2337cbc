"""A durable search: the space, the study, and the drivers that run its trials."""

from zoo.search.budget import Budget
from zoo.search.metrics import Limit, Metric, Result
from zoo.search.priors import Beta, Histogram, LogNormal, Normal
from zoo.search.run import RunOptions, run
from zoo.search.space import Categorical, Float, Int, Ordinal, Space
from zoo.search.study import Study
from zoo.search.study_settings import StudyOptions
from zoo.search.trial import Diverged, FailureKind, Paused, Stopped, Trial, TrialRecord

__all__ = [
    "Beta",
    "Budget",
    "Categorical",
    "Diverged",
    "FailureKind",
    "Float",
    "Histogram",
    "Int",
    "Limit",
    "LogNormal",
    "Metric",
    "Normal",
    "Ordinal",
    "Paused",
    "Result",
    "RunOptions",
    "Space",
    "Stopped",
    "Study",
    "StudyOptions",
    "Trial",
    "TrialRecord",
    "run",
]
