"""The steps of a pipeline, by the names that files use."""

from collections.abc import Mapping

from zoo.features.steps.base import ColumnStep, FittedSteps, RowStep, Scales, Scope, Step
from zoo.features.steps.calendar import Calendar, Fourier
from zoo.features.steps.clean import Impute, Outliers
from zoo.features.steps.history import Difference, Ewm, Lags, Rolling
from zoo.features.steps.join import Join, Side
from zoo.features.steps.rows import Aggregate, Deduplicate, Filter, Resample
from zoo.features.steps.scale import Scale

__all__ = [
    "STEPS",
    "Aggregate",
    "Calendar",
    "ColumnStep",
    "Deduplicate",
    "Difference",
    "Ewm",
    "Filter",
    "FittedSteps",
    "Fourier",
    "Impute",
    "Join",
    "Lags",
    "Outliers",
    "Resample",
    "Rolling",
    "RowStep",
    "Scale",
    "Scales",
    "Scope",
    "Side",
    "Step",
]

#: Name -> class, in the order in which they are usually written.
STEPS: Mapping[str, type[Step]] = {
    step.kind: step
    for step in (
        Filter, Deduplicate, Resample, Aggregate, Join, Impute, Outliers, Calendar, Lags, Rolling, Ewm, Fourier,
        Difference, Scale,
    )
}  # fmt: skip
