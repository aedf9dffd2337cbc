"""Quantiles that keep their word: conformal calibration on out-of-fold forecasts, then adaptation to what comes."""

from autots.intervals.adaptive import QuantileTracker
from autots.intervals.conformal import Conformal, fit_conformal

__all__ = ["Conformal", "QuantileTracker", "fit_conformal"]
