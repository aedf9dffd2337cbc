"""A durable search: the space, the study, and the drivers that run its trials."""

from zoo.search.space import Categorical, Float, Int, Space
from zoo.search.study import Study
from zoo.search.trial import FailureKind, Trial, TrialRecord

__all__ = ["Categorical", "FailureKind", "Float", "Int", "Space", "Study", "Trial", "TrialRecord"]
