"""From a request to an answer: the contract of an engine, the plain one, and the one that routes between versions."""

from serve.engines.base import Asker, Engine, ReloadPlan
from serve.engines.plain import PlainEngine
from serve.engines.routed import RoutedEngine, check_routes

__all__ = ["Asker", "Engine", "PlainEngine", "ReloadPlan", "RoutedEngine", "check_routes"]
