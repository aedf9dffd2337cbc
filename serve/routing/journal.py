"""What the router's journal holds: a snapshot, and a line for each thing that happened since.

A restart goes on where a ``kill -9`` ended it. Processes that share the file fold the same lines in the same order and
come to the same state (``zoo.journal`` says how). A line is with the operating system before the next writer has its
turn: a killed process loses nothing, a power cut perhaps the last moments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from serve.routing.ledger import Ledger, promise_from
from serve.routing.table import RoutingTable, router_from_dict
from zoo.errors import ConfigError, ZooError
from zoo.journal import Codec, Line, json_line

__all__ = ["RoutingCodec", "RoutingLine", "snapshot"]

_FORMAT = "zoo-autots/routing/1"
#: A snapshot, or what was done: ``put``, ``drop``, ``promise``, ``outcome`` or ``observe``.
RoutingLine: TypeAlias = dict[str, Any]


class RoutingCodec(Codec[RoutingLine]):
    """The lines of a router's memory, the first of them a snapshot."""

    what = "a routing journal"
    form = f"of the format {_FORMAT}"
    begins = b'{"format":"' + _FORMAT.encode()
    begins_anew = True

    def decode(self, line: bytes) -> RoutingLine:
        """Return a line that can be folded into the table and the promises."""
        told: RoutingLine = json.loads(line)
        try:
            _check(told)
        except ZooError as error:
            raise ValueError(error.message) from error
        return told

    def check_first(self, entry: RoutingLine) -> None:
        """Raise unless the entry is a snapshot: the others need one."""
        if "format" not in entry:
            raise ValueError("the first line must be a snapshot")

    def instead(self, lines: Sequence[Line[RoutingLine]]) -> Mapping[int, tuple[bytes, str]]:
        """Say which lines are set aside: the outcomes in them were not learned."""
        if lines and lines[0].entry is None:
            raise self.error(
                f"a routing journal must begin with a snapshot, but that is damaged: {lines[0].why}",
                "restore the file from a copy; or move it away, and the routers begin anew",
            )
        return super().instead(lines)


def snapshot(state: Mapping[str, Any]) -> bytes:
    """Return the line with which a journal begins.

    Args:
        state: ``table`` and ``ledger``, as JSON values.
    """
    return json_line({"format": _FORMAT, "state": state})


def _check(told: RoutingLine) -> None:
    """Raise unless a line has all that its kind needs."""
    if "format" in told:
        if told["format"] != _FORMAT:
            raise ConfigError(f"the format must be {_FORMAT}, but is {told['format']!r}")
        RoutingTable.from_dict(told["state"]["table"])
        Ledger.from_list(told["state"]["ledger"])
        return
    kind = told["do"]
    if kind == "promise":
        promise_from(told)
        _known(told, series=str, model=str)
    elif kind == "outcome":
        _known(told, model=str, failed=bool, latency_ms=(int, float, type(None)))
    elif kind == "put":
        router_from_dict(told["router"])
    elif kind == "observe":
        _known(told, y=(int, float), series=str, time=str)
    elif kind != "drop":
        raise ConfigError(f"a line must say what was done, but says {kind!r}")
    if kind != "observe":
        _known(told, route=str)


def _known(told: RoutingLine, **kinds: type | tuple[type, ...]) -> None:
    for name, kind in kinds.items():
        if not isinstance(told[name], kind):
            raise ConfigError(f"{name} of a line must have its type, but is {told[name]!r}")
