"""Workers that answer requests: ``Pool`` on persistent Ray actors, ``Inline`` in the process itself."""

from zoo.workers.base import Event, Workers
from zoo.workers.inline import Inline
from zoo.workers.pool import Pool

__all__ = ["Event", "Inline", "Pool", "Workers"]
