"""Which columns may be used to forecast, and whether the target can be forecast at all: looked at before a search."""

from autots.eligibility.examine import earlier_version, examine
from autots.eligibility.report import Eligibility, Forecastability, Verdict

__all__ = ["Eligibility", "Forecastability", "Verdict", "earlier_version", "examine"]
