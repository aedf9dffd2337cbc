"""Combinations of candidates: how they are weighted, the fitted ensemble, and how it follows what comes."""

from autots.ensembles.average import Weight, average
from autots.ensembles.fitted import Adaptation, Ensemble, ForecastOutcome, Member
from autots.ensembles.greedy import greedy_weights
from autots.ensembles.online_updates import OnlineUpdates, shifted
from autots.ensembles.rolling_scores import rolling_scores
from autots.ensembles.series_weights import SeriesWeights, fit_series_weights
from autots.ensembles.weights import ENOUGH, ROUNDS, combine, ensemble_weights

__all__ = [
    "ENOUGH",
    "ROUNDS",
    "Adaptation",
    "Ensemble",
    "ForecastOutcome",
    "Member",
    "OnlineUpdates",
    "SeriesWeights",
    "Weight",
    "average",
    "combine",
    "ensemble_weights",
    "fit_series_weights",
    "greedy_weights",
    "rolling_scores",
    "shifted",
]
