"""Combinations of candidates, weighted on their out-of-fold forecasts."""

from autots.ensembles.greedy import greedy_weights

__all__ = ["greedy_weights"]
