"""The data type: users' layouts <-> flat arrays and offsets."""

from autots.panel.frequency import Frequency, Times
from autots.panel.panel import Floats, Future, Ints, Panel

__all__ = ["Floats", "Frequency", "Future", "Ints", "Panel", "Times"]
