"""The data type: series as flat arrays and offsets, their clock, their seasons."""

from autots.panel.panel import Floats, Future, Ints, Panel
from zoo.series.frequency import Frequency, Times

__all__ = ["Floats", "Frequency", "Future", "Ints", "Panel", "Times"]
