"""Who suggests what is tried next: one file per idea; imported lazily, since it needs Optuna."""

from zoo.search.samplers.base import Request, Sampler
from zoo.search.samplers.choice import SAMPLERS, make_sampler
from zoo.search.samplers.freeze_thaw import FreezeThawSampler
from zoo.search.samplers.gp import GPOptions, GPSampler
from zoo.search.samplers.population import PopulationOptions, PopulationSampler
from zoo.search.samplers.random import RandomSampler
from zoo.search.samplers.tpe import TPEOptions, TPESampler

__all__ = [
    "SAMPLERS",
    "FreezeThawSampler",
    "GPOptions",
    "GPSampler",
    "PopulationOptions",
    "PopulationSampler",
    "RandomSampler",
    "Request",
    "Sampler",
    "TPEOptions",
    "TPESampler",
    "make_sampler",
]
