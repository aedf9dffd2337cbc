"""One Ray context: embedded, joined or adopted."""

from zoo.cluster.session import Session, connect, is_connected

__all__ = ["Session", "connect", "is_connected"]
