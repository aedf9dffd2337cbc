"""Combinations of candidates, weighted on their out-of-fold forecasts."""

from autots.ensembles.average import Weight, average
from autots.ensembles.greedy import greedy_weights
from autots.ensembles.online import Online, shifted
from autots.ensembles.select import ENOUGH, ROUNDS, combine, ensemble_weights
from autots.ensembles.series import Leaning, lean

__all__ = [
    "ENOUGH",
    "ROUNDS",
    "Leaning",
    "Online",
    "Weight",
    "average",
    "combine",
    "ensemble_weights",
    "greedy_weights",
    "lean",
    "shifted",
]
