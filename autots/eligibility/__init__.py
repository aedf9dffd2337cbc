"""Which columns may be used to forecast, and whether the target can be forecast at all: looked at before a search."""

from autots.eligibility.examine import earlier_version, examine
from autots.eligibility.verdicts import ColumnVerdict, Eligibility, Forecastability

__all__ = ["ColumnVerdict", "Eligibility", "Forecastability", "earlier_version", "examine"]
