"""HTTP around an engine: the table of routes, what answers each, and the description made of the same table."""

from serve.http.dispatch import Dispatcher
from serve.http.handlers import Handlers
from serve.http.routes import ROUTES, Route

__all__ = ["ROUTES", "Dispatcher", "Handlers", "Route"]
