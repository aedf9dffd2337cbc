"""How large Spark may be in a cluster that also searches and serves: arithmetic, without Ray."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.errors import ConfigError

__all__ = ["Sizing", "memory_bytes", "memory_text", "size"]

_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SMALLEST = 512 * 2**20  # Spark itself refuses a heap of less than 450 MiB
_LARGEST = 8 * 2**30  # beyond it the collector of the JVM pauses too long to be worth it
_MOST_CORES = 5  # per executor: more of them compete for one heap


@dataclass(frozen=True)
class Sizing:
    """What Spark gets.

    Args:
        executors: How many executors Spark gets.
        cores: CPUs of each executor.
        memory: Heap of each executor in bytes.
        keep_free: CPUs that remain for others.
    """

    executors: int
    cores: int
    memory: int
    keep_free: float


def size(
    nodes: Sequence[Mapping[str, float]],
    *,
    executors: int | None = None,
    cores: int | None = None,
    memory: str | None = None,
    keep_free: float | None = None,
) -> Sizing:
    """Choose what was not asked for, and refuse what does not fit.

    Args:
        nodes: Ray's resources of each node that lives: ``CPU`` (count) and ``memory`` (bytes).
        executors: How many executors; as many as fit by default.
        cores: CPUs of each executor; up to five by default.
        memory: Heap of each executor, such as "2g"; a quarter of the node's by default, at most 8 GiB.
        keep_free: CPUs that Spark must leave to others; a quarter, and at least one, by default.

    Raises:
        ConfigError: A size is not positive, or all of them together are more than the cluster may give.

    Example:
        >>> size([{"CPU": 8.0, "memory": 32 * 2**30}])
        Sizing(executors=1, cores=5, memory=8589934592, keep_free=2)
        >>> size([{"CPU": 2.0, "memory": 4 * 2**30}], memory="1g")
        Sizing(executors=1, cores=1, memory=1073741824, keep_free=1)
    """
    for what, value in (("executors", executors), ("cores", cores)):
        if value is not None and value < 1:
            raise ConfigError(f"`{what} >= 1` must hold, but got {value}", "leave it out to have it chosen")
    able = [node for node in nodes if node.get("CPU", 0.0) >= 1]
    total = math.floor(sum(node["CPU"] for node in able))
    if keep_free is None:
        keep_free = max(1, total // 4)
    if keep_free < 0:
        raise ConfigError(f"`keep_free >= 0` must hold, but got {keep_free:g}", "leave it out to have it chosen")
    usable = math.floor(total - keep_free)
    wanted = (executors or 1) * (cores or 1)
    if usable < wanted:
        raise ConfigError(
            f"Spark must leave {keep_free:g} of the cluster's {total} CPUs to trials and replicas, but "
            f"{executors or 1} executors of {cores or 1} CPUs were asked for",
            "ask for less, use a larger cluster, or give keep_free=0: then nothing else runs while Spark does",
        )
    if executors is None:
        executors = max(1, min(len(able), usable // (cores or 1)))
    if cores is None:
        largest = math.floor(max(node["CPU"] for node in able))
        cores = max(1, min(usable // executors, largest, _MOST_CORES))
    return Sizing(executors, cores, _heap(able, executors, cores, memory), keep_free)


def _heap(nodes: Sequence[Mapping[str, float]], executors: int, cores: int, memory: str | None) -> int:
    """Return what was asked for if a node has it, else a quarter of a node's memory, shared by its executors."""
    largest = max(node.get("memory", 0.0) for node in nodes)
    if memory is not None:
        asked = memory_bytes(memory)
        if asked < _SMALLEST or asked > largest:
            raise ConfigError(
                f"the heap of an executor must be between {memory_text(_SMALLEST)} and the largest node's "
                f"{memory_text(int(largest))}, but got {memory}",
                "write it as Spark does: 1500m, 4g",
            )
        return asked
    together = math.ceil(executors / len(nodes))
    fair = int(min(node.get("memory", 0.0) for node in nodes) / 4 / together)
    return max(_SMALLEST, min(_LARGEST, fair // 2**20 * 2**20))


def memory_bytes(text: str) -> int:
    """Return the bytes of Spark's notation.

    >>> memory_bytes("1500m") == 1500 * 2**20
    True
    """
    found = re.fullmatch(r"\s*(\d+)\s*([kmgt])b?\s*", text.lower())
    if not found:
        raise ConfigError(f"memory must be a number and a unit, but got {text!r}", "write it as Spark does: 1500m, 4g")
    return int(found[1]) * _UNITS[found[2]]


def memory_text(size: int) -> str:
    """Return bytes in Spark's notation, whole mebibytes.

    >>> memory_text(2 * 2**30)
    '2048m'
    """
    return f"{size // 2**20}m"
