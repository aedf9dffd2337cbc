"""Who is stopped or paused early: one file per rule."""

from zoo.search.stoppers.base import Curve, Decision, Stopper

__all__ = ["Curve", "Decision", "Stopper"]
