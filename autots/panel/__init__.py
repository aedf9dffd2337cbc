"""The data type: users' layouts <-> flat arrays and offsets."""

from autots.panel.build import Ingested, read_panel
from autots.panel.panel import Floats, Future, Ints, Panel
from autots.panel.repair import DataReport, Finding
from autots.panel.schema import Schema
from zoo.series.frequency import Frequency, Times

__all__ = [
    "DataReport",
    "Finding",
    "Floats",
    "Frequency",
    "Future",
    "Ingested",
    "Ints",
    "Panel",
    "Schema",
    "Times",
    "read_panel",
]
