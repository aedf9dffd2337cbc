"""Who is stopped or paused early: one file per rule."""

from zoo.search.stoppers.asha import ASHA
from zoo.search.stoppers.base import Curve, Decision, Stopper
from zoo.search.stoppers.choice import make_stopper
from zoo.search.stoppers.every_report import EveryReport
from zoo.search.stoppers.median import Median
from zoo.search.stoppers.plateau import Plateau
from zoo.search.stoppers.population import Population
from zoo.search.stoppers.rungs import Rungs
from zoo.search.stoppers.stagnation import stagnated

__all__ = [
    "ASHA",
    "Curve",
    "Decision",
    "EveryReport",
    "Median",
    "Plateau",
    "Population",
    "Rungs",
    "Stopper",
    "make_stopper",
    "stagnated",
]
