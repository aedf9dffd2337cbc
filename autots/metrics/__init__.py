"""Scores of forecasts: an error per element, summed so that shards merge to the whole."""

from autots.metrics.metrics import METRICS, ForecastMetric, Sums, coverage, metric, pinball, season_scale, unresolved

__all__ = ["METRICS", "ForecastMetric", "Sums", "coverage", "metric", "pinball", "season_scale", "unresolved"]
