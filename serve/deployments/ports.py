"""Ports of one endpoint alone: a block that nobody else of this machine has, and who holds the one that it listens at.

Ray Serve's own ports are the same for every cluster of a machine (8500, 9500, 8404, 9101, replicas from 30000 on).
Where two clusters meet there, the proxy of one sends its requests to the other.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass

from zoo.errors import ClusterError, ConfigError

__all__ = ["Claim", "PortBlock", "check_free", "claim", "free", "insist_free", "release", "who"]

#: Below the range from which the kernel takes ports for outgoing connections (32768), above those that people choose.
_FIRST, _END, _SIZE = 20_000, 30_000, 200
#: Of a block: single ports first, then replicas (gRPC, HTTP). A port of a replica that has gone rests for minutes.
_METRICS, _STATS, _FALLBACK_HTTP, _FALLBACK_GRPC, _HEALTH, _GRPC, _HTTP = 0, 1, 2, 3, 4, 8, 20
_SINGLE = (_METRICS, _STATS, _FALLBACK_HTTP, _FALLBACK_GRPC, _HEALTH)


@dataclass(frozen=True)
class PortBlock:
    """Ports from ``first`` on.

    Args:
        first: The lowest port of the block.
    """

    first: int

    @property
    def health(self) -> int:
        """Where HAProxy answers health alone."""
        return self.first + _HEALTH

    def settings(self) -> dict[str, str]:
        """Return what Ray Serve reads from the environment, for all of its ports."""
        first = self.first
        return {
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(first + _METRICS),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(first + _STATS),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(first + _FALLBACK_HTTP),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(first + _FALLBACK_GRPC),
            "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(first + _GRPC),
            "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(first + _HTTP - 1),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first + _HTTP),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first + _SIZE - 1),
        }


class Claim:
    """A block that is this process's until it ends.

    Args:
        block: The block of ports that is claimed.
        held: The socket that says so: its name is gone with the process, whatever ends it.
    """

    def __init__(self, block: PortBlock, held: socket.socket) -> None:
        self.block, self._held = block, held

    def release(self) -> None:
        """Let others have it."""
        self._held.close()


def claim() -> Claim:
    """Take the first block that nobody has claimed, and whose single ports nobody listens at.

    Raises:
        ClusterError: There is none.
    """
    for first in range(_FIRST, _END, _SIZE):
        held = _named(f"zoo-serve-ports-{first}")
        if held is None:
            continue
        if all(free("127.0.0.1", first + one) for one in _SINGLE):
            return Claim(PortBlock(first), held)
        held.close()
    raise ClusterError(
        f"an endpoint must have {_SIZE} ports of its own between {_FIRST} and {_END}, but all are taken",
        "stop an endpoint: zoo serve status lists them",
    )


def _named(name: str) -> socket.socket | None:
    """Bind a name of Linux's abstract namespace: one of a kind in the machine's network, like the ports themselves."""
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if not sys.platform.startswith("linux"):
        return held  # there is no HAProxy either, and Ray's own proxy shares its ports with nobody
    try:
        held.bind(f"\0{name}")
    except OSError as error:
        held.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return held


def free(host: str, port: int) -> bool:
    """Whether a server could listen there now, sharing with nobody.

    Raises:
        ConfigError: It could not even if nobody else did: no such address, or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections that have ended must not keep the next one out. It does not share.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                return False
            raise ConfigError(
                f"the endpoint must be able to listen at {host}:{port}, but: {error}", "choose another --host or --port"
            ) from None
    return True


def who(url: str) -> str:
    """Return who answers at an address, in words; empty if nobody does."""
    try:
        with urllib.request.urlopen(f"{url}/v1/endpoint", timeout=2) as response:  # noqa: S310  # http:// alone
            told = json.load(response)
            return f"the endpoint {told['name']!r} (instance {told['instance']}, since {told['started']})"
    except urllib.error.HTTPError as error:
        return f"another server (it answers {error.code})"
    except (ValueError, KeyError, TypeError):
        return "another server"
    except OSError:
        return ""


_held: dict[int, socket.socket] = {}
_guard = threading.Lock()


def insist_free(host: str, port: int) -> None:
    """Raise unless this process may listen at an address; from then on no other ``zoo serve`` of the machine may.

    Two that start at the same time would both find the port free: the first one holds its name as well.

    Raises:
        ConfigError: The port is taken; the message says by whom.
    """
    with _guard:
        mine = port in _held
        held = None if mine else _named(f"zoo-serve-at-{port}")
        if (mine or held is not None) and free(host, port):
            if held is not None:
                _held[port] = held
            return
        if held is not None:
            held.close()
    raise _taken(host, port)


def check_free(host: str, port: int) -> None:
    """Raise if somebody listens at an address; nothing is held.

    Raises:
        ConfigError: The port is taken; the message says by whom.
    """
    if not free(host, port):
        raise _taken(host, port)


def _taken(host: str, port: int) -> ConfigError:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  # read, not listened on
    holder = who(f"http://{shown}:{port}") or "another process, which does not say who it is,"
    return ConfigError(f"port {port} must be free, but {holder} has it", "choose another --port, or stop that one")


def release(port: int) -> None:
    """Let another ``zoo serve`` have a port."""
    with _guard:
        held = _held.pop(port, None)
    if held is not None:
        held.close()
