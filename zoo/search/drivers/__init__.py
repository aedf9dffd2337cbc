"""Who runs the trials: ``Pool`` on Ray actors, ``Inline`` in the process itself."""

from zoo.search.drivers.base import Driver, Event
from zoo.search.drivers.inline import Inline
from zoo.search.drivers.pool import Pool

__all__ = ["Driver", "Event", "Inline", "Pool"]
