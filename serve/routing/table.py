"""The routing table: which router decides for which name, as one frozen value that can be written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import Field

from serve.routing.base import RoutingChoice, RoutingOutcome, RoutingRequest
from serve.routing.canary import Canary
from serve.routing.pin import Pin
from serve.routing.shadow import Shadow
from serve.routing.split import Split
from serve.routing.thompson import Thompson
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["KINDS", "AnyRouter", "RoutingTable", "design", "router_from_dict"]

AnyRouter: TypeAlias = Pin | Split | Canary | Shadow | Thompson
#: What a router calls its kind -> its class.
KINDS: Mapping[str, type[AnyRouter]] = {
    "pin": Pin,
    "split": Split,
    "canary": Canary,
    "shadow": Shadow,
    "thompson": Thompson,
}
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,128}(@[A-Za-z0-9_.\-]{1,64})?")


@dataclass(frozen=True)
class RoutingTable:
    """Name -> router. What is asked for as ``name@version``, or has no router, goes where it says.

    Args:
        routes: Name of a model -> the router that decides for it.
        revision: Grows by one with each ``put`` and ``drop``, not with what is learned.

    >>> table = RoutingTable().put("demand", Pin("demand@3"))
    >>> [table.choose(RoutingRequest("r1", "H1", name)).model for name in ("demand", "demand@2")]
    ['demand@3', 'demand@2']
    """

    routes: Mapping[str, AnyRouter] = field(default_factory=dict)
    revision: int = 0

    def choose(self, request: RoutingRequest, seed: int = 0) -> RoutingChoice:
        """Say who answers."""
        router = self.routes.get(request.model)
        return RoutingChoice(request.model, "asked for") if router is None else router.choose(request, seed)

    def put(self, name: str, router: AnyRouter) -> RoutingTable:
        """Return the table with another router for a name.

        Raises:
            ConfigError: The name or one of the router's models cannot be a name.
        """
        for each in (name, *router.models):
            if not _NAME.fullmatch(each):
                raise ConfigError(
                    f"a model's name must be letters, digits, '_', '.', '-' and at most one '@', but got {each!r}",
                    "for example demand@3",
                )
        if "@" in name:
            raise ConfigError(f"a route must have a name without a version, but got {name!r}", "leave '@...' out")
        return replace(self, routes={**self.routes, name: router}, revision=self.revision + 1)

    def drop(self, name: str) -> RoutingTable:
        """Return the table without a router for a name."""
        rest = {key: router for key, router in self.routes.items() if key != name}
        return replace(self, routes=rest, revision=self.revision + 1)

    def learn(self, name: str, outcome: RoutingOutcome) -> RoutingTable:
        """Return the table after an outcome of a request for ``name``."""
        router = self.routes.get(name)
        after = None if router is None else router.learn(outcome)
        if after is None or after is router:
            return self
        return replace(self, routes={**self.routes, name: after})

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values: dict[str, Any] = _adapter(RoutingTable).dump_python(self, mode="json")
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RoutingTable:
        """Return what ``to_dict`` wrote.

        Raises:
            ConfigError: The values are no routing table.
        """
        table: RoutingTable = _read(cls, dict(values))
        return table


def router_from_dict(values: Mapping[str, Any]) -> AnyRouter:
    """Return a router from JSON values, as they come with a request or from a configuration file.

    Raises:
        ConfigError: The values are no router; the message names the place.

    >>> router_from_dict({"kind": "split", "weights": {"demand@1": 90, "demand@2": 10}})
    Split(weights={'demand@1': 90.0, 'demand@2': 10.0}, salt='', kind='split')
    """
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"a router's kind must be one of {', '.join(KINDS)}, but got {kind!r}", "choose one")
    names = [each.name for each in fields(KINDS[kind])]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ConfigError(
            f"a router of kind {kind!r} must have fields of {names}, but got {unknown}", "see serve/routing"
        )
    router: AnyRouter = _read(Annotated[AnyRouter, Field(discriminator="kind")], dict(values))
    return router


#: Fields that outcomes change.
_LEARNED = ("records", "closed", "step", "state", "why", "stable_record", "candidate_record")


def design(router: AnyRouter) -> dict[str, Any]:
    """Return what somebody has decided of a router, without what it has learned since."""
    return {each.name: getattr(router, each.name) for each in fields(router) if each.name not in _LEARNED}


def _read(type_: Any, values: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    try:
        return _adapter(type_).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"a router must be valid, but at {where or 'the top'}: {first['msg']}", "see serve/routing"
        ) from error


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(type_)
