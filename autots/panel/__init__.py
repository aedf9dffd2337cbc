"""The data type: series as flat arrays and offsets, their clock, their seasons."""

from autots.panel.frequency import Frequency, Times
from autots.panel.panel import Floats, Future, Ints, Panel

__all__ = ["Floats", "Frequency", "Future", "Ints", "Panel", "Times"]
