"""One Ray context: embedded, joined or adopted; and Spark inside it."""

from zoo.cluster.session import Session, connect, is_connected
from zoo.cluster.spark import spark

__all__ = ["Session", "connect", "is_connected", "spark"]
