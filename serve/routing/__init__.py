"""Which model answers: routers as frozen values, and the table of them."""

from serve.routing.base import Router, RoutingChoice, RoutingOutcome, RoutingRequest
from serve.routing.canary import Canary
from serve.routing.guardrails import Guardrail
from serve.routing.ledger import Ledger, Promise, history_scale, time_key
from serve.routing.live import LiveRouting
from serve.routing.pin import Pin
from serve.routing.shadow import Shadow
from serve.routing.split import Split
from serve.routing.table import AnyRouter, RoutingTable, router_from_dict
from serve.routing.tally import ModelTallies, Tally
from serve.routing.thompson import Thompson

__all__ = [
    "AnyRouter",
    "Canary",
    "Guardrail",
    "Ledger",
    "LiveRouting",
    "ModelTallies",
    "Pin",
    "Promise",
    "Router",
    "RoutingChoice",
    "RoutingOutcome",
    "RoutingRequest",
    "RoutingTable",
    "Shadow",
    "Split",
    "Tally",
    "Thompson",
    "history_scale",
    "router_from_dict",
    "time_key",
]
