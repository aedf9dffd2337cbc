"""One Ray context: embedded, joined or adopted."""

from zoo.cluster.session import Session, connect

__all__ = ["Session", "connect"]
