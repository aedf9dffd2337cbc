"""What one training needs, and how often a cluster can give it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from zoo.errors import ConfigError

__all__ = ["AnyResources", "Resources"]

# Fractions of a CPU or GPU are counted in ten-thousandths by Ray.
_EPSILON = 1e-4


@dataclass(frozen=True)
class Resources:
    """The needs of one training.

    Args:
        cpu: Cores; also the number of threads of numerical libraries.
        gpu: A fraction below 1, or whole GPUs of one node.
        memory: Bytes that a training may allocate (Linux); beyond it fails as ``FailureKind.MEMORY``.
        custom: Ray's custom resources by name.
        more: Further bundles, for a training that starts Ray actors itself: they and the first one are reserved
            together, as a placement group.
    """

    cpu: float = 1.0
    gpu: float = 0.0
    memory: int | None = None
    custom: Mapping[str, float] = field(default_factory=dict)
    more: tuple[Resources, ...] = ()

    def __post_init__(self) -> None:
        for name, amount in {"cpu": self.cpu, "gpu": self.gpu, "memory": self.memory or 0, **self.custom}.items():
            number = isinstance(amount, int | float) and not isinstance(amount, bool)
            if not number or not 0 <= amount < math.inf:
                raise ConfigError(f"`{name} >= 0` must hold for resources, but got {amount!r}", "give a number")
        if self.gpu > 1 and self.gpu != int(self.gpu):
            raise ConfigError(
                f"a GPU share must be below 1 or a whole number, but got gpu={self.gpu}", "use 0.5, 1 or 2, not 1.5"
            )

    @classmethod
    def of(cls, resources: AnyResources) -> Resources:
        """Return the resources behind a short form.

        >>> Resources.of({"cpu": 2, "gpu": 0.5}).gpu
        0.5
        """
        if resources is None:
            return cls()
        if isinstance(resources, Resources):
            return resources
        if isinstance(resources, Mapping):
            own = {"cpu", "gpu", "memory"}
            memory = resources.get("memory")
            return cls(
                cpu=resources.get("cpu", 1.0),
                gpu=resources.get("gpu", 0.0),
                memory=None if memory is None else _bytes(memory),
                custom={name: amount for name, amount in resources.items() if name not in own},
            )
        bundles = [cls.of(bundle) for bundle in resources]
        if not bundles:
            raise ConfigError("resources must have a bundle, but the list is empty", "leave it out for one CPU")
        first = bundles[0]
        return cls(first.cpu, first.gpu, first.memory, first.custom, more=tuple(bundles[1:]))

    @property
    def bundles(self) -> list[dict[str, float]]:
        """What is reserved together, in Ray's words."""
        own = {"CPU": self.cpu, "GPU": self.gpu, **self.custom}
        # Memory is bounded, not reserved: Ray's own number for it is a guess at what a node will have free.
        mine = {name: float(amount) for name, amount in own.items() if amount > 0}
        return [mine, *(bundle for part in self.more for bundle in part.bundles)]

    def scaled(self, factor: float) -> Resources:
        """Return larger resources for a second try after exhausted memory."""
        gpu = self.gpu * factor
        if gpu > 1:
            gpu = float(math.ceil(gpu))
        memory = None if self.memory is None else int(self.memory * factor)
        return Resources(self.cpu * factor, gpu, memory, self.custom, tuple(part.scaled(factor) for part in self.more))

    def fits(self, nodes: Sequence[Mapping[str, float]]) -> int:
        """Return how often the resources fit into empty nodes at the same time.

        >>> Resources(cpu=1, gpu=0.5).fits([{"CPU": 4, "GPU": 1}, {"CPU": 8}])
        2
        """
        bundles = self.bundles
        if len(bundles) == 1:
            return sum(_times(bundles[0], node) for node in nodes)
        free = [dict(node) for node in nodes]
        count = 0
        # First fit, the largest bundle first: what Ray's PACK strategy does, near enough.
        bundles.sort(key=lambda bundle: -max(bundle.values(), default=0.0))
        while count < 10_000 and all(_take(bundle, free) for bundle in bundles):
            count += 1
        return count

    def __str__(self) -> str:
        return " + ".join(
            ", ".join(f"{amount:g} {name}" for name, amount in bundle.items()) or "nothing" for bundle in self.bundles
        )


AnyResources: TypeAlias = Resources | Mapping[str, float] | Sequence[Mapping[str, float]] | None


def _times(bundle: Mapping[str, float], node: Mapping[str, float]) -> int:
    counts = [math.floor(node.get(name, 0.0) / amount + _EPSILON) for name, amount in bundle.items()]
    return min(counts, default=1)


def _take(bundle: Mapping[str, float], free: list[dict[str, float]]) -> bool:
    for node in free:
        if _times(bundle, node) >= 1:
            for name, amount in bundle.items():
                node[name] -= amount
            return bool(bundle)
    return False


def _bytes(memory: Any) -> int:
    """Return a size in bytes: a whole number, or a text such as "1.5GB" or "512MiB".

    >>> _bytes("1.5GB"), _bytes("512 MiB"), _bytes(1e9)
    (1500000000, 536870912, 1000000000)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", str(memory).lower())
    if found is not None:
        size = float(found[1]) * (1024 if found[3] else 1000) ** " kmgt".index(found[2] or " ")
    elif isinstance(memory, int | float) and not isinstance(memory, bool) and math.isfinite(memory):
        size = float(memory)
    else:
        size = 0.0
    if size < 1:
        raise ConfigError(
            f"memory must be a size in bytes, but got {memory!r}", 'for example 2_000_000_000, "2GB" or "512MiB"'
        )
    return int(size)
