"""What may be chosen: named parameters, some of them only under a condition on others, and inequalities among them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from zoo.errors import ConfigError
from zoo.search.constraints import Constraint
from zoo.search.domains import Categorical, Choice, Domain, Float, Int, Ordinal, Params, Suggester, as_tuple
from zoo.search.priors import prior_of

__all__ = [
    "Categorical",
    "Choice",
    "Domain",
    "Float",
    "Int",
    "Ordinal",
    "Params",
    "Space",
    "Suggester",
    "domain_of",
    "space_of",
]

#: Random points that are tried, and then walked from, before a space is called empty.
_PROBES = 500
#: So many of the points are walked from.
_STARTS = 10
#: Steps of one walk.
_STEPS = 600


class Space:
    """Named parameters with conditions at any depth, and inequalities that every suggestion satisfies.

    >>> space = Space(
    ...     model=Categorical("tree", "linear"),
    ...     depth=Int(1, 8, when={"model": "tree"}),
    ... )
    >>> space.contains({"model": "linear"}), space.contains({"model": "linear", "depth": 3})
    (True, False)
    >>> wide = Space(layers=Int(1, 8), width=Int(64, 4096, log=True), constraints=["layers * width <= 4096"])
    >>> wide.contains({"layers": 2, "width": 4096})
    False

    Args:
        constraints: See ``zoo.search.constraints``; one that names an absent conditional parameter does not apply.
        **params: The parameters by name.

    Raises:
        ConfigError: A condition names an unknown parameter or an impossible value, conditions form a ring, a default or
            a prior lies outside of its range, or nothing satisfies the constraints.
    """

    def __init__(self, *, constraints: Sequence[str] = (), **params: Domain) -> None:
        self._domains = params
        if isinstance(constraints, str | Domain):
            raise ConfigError(
                f"constraints must be a list of texts, but got {constraints!r}", 'write constraints=["a <= b"]'
            )
        for name, domain in params.items():
            if not isinstance(domain, Domain):
                raise ConfigError(f"{name} must be Float, Int or Categorical, but got {domain!r}", "wrap it in one")
            domain.check(name)
            for parent, wanted in domain.when.items():
                if parent not in params:
                    raise ConfigError(
                        f"a condition must name a parameter of the space, but {name} asks for {parent!r}",
                        f"parameters: {', '.join(params)}",
                    )
                impossible = [value for value in as_tuple(wanted) if not params[parent].contains(value)]
                if impossible:
                    raise ConfigError(
                        f"a condition must be possible, but {name} asks for {parent}={impossible[0]!r}",
                        f"{parent} is {params[parent]}",
                    )
        self._order = tuple(self._sorted())
        self.constraints = tuple(Constraint(text) for text in constraints)
        for rule in self.constraints:
            unknown = sorted(rule.names - params.keys())
            if unknown:
                raise ConfigError(
                    f"a constraint must name parameters of the space, but {rule.text!r} names {unknown[0]!r}",
                    f"parameters: {', '.join(params)}",
                )
        #: A point that the constraints allow; empty where there are none.
        self.example: Params = self._find_allowed() if self.constraints else {}

    def _sorted(self) -> Iterator[str]:
        """Yield the names, parents before their children, else in the order of declaration."""
        done: set[str] = set()
        while len(done) < len(self._domains):
            ready = [name for name, d in self._domains.items() if name not in done and set(d.when) <= done]
            if not ready:
                ring = ", ".join(name for name in self._domains if name not in done)
                raise ConfigError(f"conditions must not form a ring, but these do: {ring}", "remove one condition")
            done.add(ready[0])
            yield ready[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def __contains__(self, name: object) -> bool:
        return name in self._domains

    def __getitem__(self, name: str) -> Domain:
        return self._domains[name]

    def groups(self) -> list[tuple[str, ...]]:
        """Return the parameters that exist under the same conditions, parents first."""
        conditions: dict[str, frozenset[Any]] = {}
        for name in self._order:
            own = {(parent, as_tuple(wanted)) for parent, wanted in self._domains[name].when.items()}
            conditions[name] = frozenset(own).union(*(conditions[parent] for parent, _ in own))
        members: dict[frozenset[Any], list[str]] = {}
        for name in self._order:
            members.setdefault(conditions[name], []).append(name)
        return [tuple(names) for names in members.values()]

    def active(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names that exist given the values of their parents in ``params``."""
        names: list[str] = []
        for name in self._order:
            if self._exists(name, names, params):
                names.append(name)
        return tuple(names)

    def _exists(self, name: str, active: list[str], params: Mapping[str, Any]) -> bool:
        return all(
            parent in active and parent in params and params[parent] in as_tuple(wanted)
            for parent, wanted in self._domains[name].when.items()
        )

    def configurations(self, max_count: int = 10_000) -> list[Params] | None:
        """Return every point that exists and is allowed, in the order of declaration.

        >>> Space(model=Categorical("tree", "linear"), depth=Int(1, 2, when={"model": "tree"})).configurations()
        [{'model': 'tree', 'depth': 1}, {'model': 'tree', 'depth': 2}, {'model': 'linear'}]

        Args:
            max_count: Give up beyond so many, allowed or not.

        Returns:
            The points, or None if there are more than ``max_count``, as there are wherever a number is real.
        """
        found: list[Params] = [{}]
        for name in self._order:
            grown: list[Params] = []
            for params in found:
                if not self._exists(name, list(params), params):
                    grown.append(params)
                    continue
                values = self._domains[name].values(max_count - len(grown))
                if values is None:
                    return None
                grown += [{**params, name: value} for value in values]
            if len(grown) > max_count:
                return None
            found = grown
        return [params for params in found if self.allows(params)]

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether ``params`` has a valid value for each existing parameter, and nothing else."""
        return (
            set(params) == set(self.active(params))
            and all(self._domains[name].contains(value) for name, value in params.items())
            and self.allows(params)
        )

    def allows(self, params: Mapping[str, Any]) -> bool:
        """Whether ``params`` satisfies the constraints that apply."""
        return all(rule.holds(params) for rule in self.constraints)

    def violation(self, params: Mapping[str, Any]) -> float:
        """Return by how much ``params`` misses the constraints, 0 if all hold."""
        return sum(rule.violation(params) for rule in self.constraints)

    def sample(self, trial: Suggester) -> Params:
        """Ask ``trial`` for a value of each parameter that exists, parents first."""
        params: Params = {}
        names: list[str] = []
        for name in self._order:
            if self._exists(name, names, params):
                names.append(name)
                params[name] = self._domains[name].suggest(name, trial)
        return params

    def nearest(self, params: Mapping[str, Any]) -> Params:
        """Return ``params`` with each value moved into its domain; names that are absent stay absent.

        Raises:
            ConfigError: A name is unknown, or a value has no near one.
        """
        for name in params:
            if name not in self._domains:
                raise ConfigError(
                    f"a parameter must belong to the space, but got {name!r}", f"parameters: {', '.join(self._domains)}"
                )
        return {name: self._domains[name].nearest(name, value) for name, value in params.items()}

    def describe(self) -> dict[str, Any]:
        """Return the space as JSON values; constraints, if any, under a name that no parameter can have."""
        described: dict[str, Any] = {
            name: {
                **domain.describe(),
                **({"when": {k: list(as_tuple(v)) for k, v in domain.when.items()}} if domain.when else {}),
            }
            for name, domain in self._domains.items()
        }
        if self.constraints:
            described["constraints"] = [rule.text for rule in self.constraints]
        return described

    def _find_allowed(self) -> Params:
        """Return a point that satisfies the constraints: random ones are tried, corners, then steps downhill."""
        chance = random.Random(0)  # noqa: S311  # no secret
        points = [self.sample(_Random(chance)) for _ in range(_PROBES)]
        points += [self.sample(_Random(chance, corners=True)) for _ in range(_PROBES)]
        points.sort(key=self.violation)
        gap, point = math.inf, points[0]
        # From several starts: a product of whole numbers has many dead ends.
        for start in points[:: len(points) // _STARTS]:
            near, near_gap = self._descend(start, chance)
            if near_gap < gap:
                gap, point = near_gap, near
            if not gap:
                return point
        broken = next(rule.text for rule in self.constraints if not rule.holds(point))
        raise ConfigError(
            f"something must satisfy the constraints, but nothing was found that does; nearest is {point}, where "
            f"{broken!r} fails",
            "widen the ranges, or loosen the constraint",
        )

    def _descend(self, point: Params, chance: random.Random) -> tuple[Params, float]:
        """Walk from ``point`` towards the allowed region; return where that ended, and what is missing there."""
        gap = self.violation(point)
        for _ in range(_STEPS):
            if not gap:
                break
            step = self.sample(_Random(chance, near=point))
            step_gap = self.violation(step)
            if step_gap <= gap:
                point, gap = step, step_gap
        return point, gap


#: What journals and study files call them.
_KINDS: Mapping[str, Callable[..., Domain]] = {
    kind.__name__.lower(): kind for kind in (Float, Int, Categorical, Ordinal)
}


def domain_of(described: Mapping[str, Any]) -> Domain:
    """Return the domain that ``Domain.describe`` described, or that a file tells in the same words.

    Args:
        described: The arguments of the domain by name, and ``type``; ``when`` may be among them.

    >>> domain_of({"type": "int", "low": 1, "high": 8})
    Int(low=1, high=8, log=False, default=None, prior=None, when={})
    """
    said = dict(described)
    make, prior = _KINDS[said.pop("type")], said.pop("prior", None)
    said["when"] = {name: tuple(v) if isinstance(v, list) else v for name, v in said.get("when", {}).items()}
    if prior is not None:
        said["prior"] = prior_of(prior)
    return make(*said.pop("choices", ()), **said)


def space_of(described: Mapping[str, Any]) -> Space:
    """Return the space that ``Space.describe`` described."""
    domains = {name: domain_of(said) for name, said in described.items() if name != "constraints"}
    rules = described.get("constraints", ())
    return Space(constraints=rules if isinstance(rules, list) else (), **domains)


class _Random:
    """Answers a space from a generator: anywhere, at the ends of the ranges, or near a point."""

    def __init__(self, chance: random.Random, *, corners: bool = False, near: Mapping[str, Any] | None = None) -> None:
        self._chance = chance
        self._corners = corners
        self._near = near or {}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        if self._corners:
            return self._chance.choice((low, high))
        a, b = (math.log(low), math.log(high)) if log else (low, high)
        if name in self._near:
            centre = math.log(self._near[name]) if log else self._near[name]
            # Steps of all sizes: the allowed region may be thin.
            drawn = centre + self._chance.choice((-1, 1)) * (b - a) * 10 ** self._chance.uniform(-6, 0)
            drawn = centre if self._chance.random() < 0.5 else min(max(drawn, a), b)
        else:
            drawn = self._chance.uniform(a, b)
        return min(max(math.exp(drawn) if log else drawn, low), high)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return min(max(round(self.suggest_float(name, low, high, log=log)), low), high)

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        if name in self._near and self._chance.random() < 0.8:
            return self._near[name]  # type: ignore[no-any-return]  # a value of the space
        return self._chance.choice(choices)
