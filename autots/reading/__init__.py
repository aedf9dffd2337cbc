"""Users' tables <-> panels: what a table says, how it is repaired, and how answers get its names back."""

from autots.reading.read import Ingested, read_panel
from autots.reading.repair import DataReport, Finding
from autots.reading.schema import Schema

__all__ = ["DataReport", "Finding", "Ingested", "Schema", "read_panel"]
