"""Panels that no process holds: rows in shards, one search on some of the series, and a pipeline for each shard."""

from autots.shards.fit import ShardedAutoTS
from autots.shards.pipeline import ShardedPipeline

__all__ = ["ShardedAutoTS", "ShardedPipeline"]
