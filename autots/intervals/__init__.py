"""Quantiles that keep their word: conformal calibration on out-of-fold forecasts."""

from autots.intervals.conformal import Conformal, fit_conformal

__all__ = ["Conformal", "fit_conformal"]
