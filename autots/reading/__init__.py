"""Users' tables <-> panels: what a table says, how it is repaired, and how answers get its names back."""

from autots.reading.findings import Finding
from autots.reading.read import Ingested, read_panel
from autots.reading.report import DataReport
from autots.reading.schema import Schema

__all__ = ["DataReport", "Finding", "Ingested", "Schema", "read_panel"]
