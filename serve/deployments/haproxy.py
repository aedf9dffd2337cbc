"""Ray's HAProxy as an endpoint needs it: it answers for nobody else, lets nobody hold it up, and comes back.

Ray (2.60) writes HAProxy's configuration from a template without a way to add to it. The one place where it lets others
in is a function that its controller calls when it starts (``RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH``): ``install``
puts a subclass of Ray's own manager in its place. What is changed in the text is looked for line by line, and what is
not found is an error: a Ray that writes another text must be looked at, not served with half of it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serve.identity import ASKED, HEADER, unavailable
from zoo.errors import ClusterError
from zoo.files import write_file

__all__ = ["PIPES", "Bounds", "guarded", "install", "manager"]

_log = logging.getLogger("ray.serve")
#: Seconds between two looks at whether HAProxy runs.
_LOOK = 0.2
#: Seconds without HAProxy after which Ray shall start everything again.
_PATIENCE = 10.0
#: Requests that a replica has at once, slow bodies among them (Ray lets it have 1,000, with health), and seconds that
#: further ones wait. It lets far
#: fewer run, but says itself that it is busy.
_EACH_REPLICA, _QUEUE = 800, 5
_HEALTH = "/v2/health/live /v2/health/ready /ping /health /v1/endpoint"
#: Pipes through which HAProxy passes long bodies on, two files each; by default a quarter of the connections has one.
PIPES = 512


@dataclass(frozen=True)
class Bounds:
    """What one HAProxy bears.

    Args:
        instance: Of the endpoint; answers of others are not passed on.
        connections: Of all clients at once.
        each: Connections of one address at most.
        head: Seconds for the head of a request.
        health: Port where only health is answered, with connections of its own.
    """

    instance: str
    connections: int
    each: int
    head: int
    health: int

    @classmethod
    def read(cls, values: Any) -> Bounds:
        """Return what ``environment.prepare`` has set."""
        return cls(
            values["ZOO_SERVE_INSTANCE"],
            int(values["ZOO_SERVE_CONNECTIONS"]),
            int(values["ZOO_SERVE_CONNECTIONS_EACH"]),
            int(values["ZOO_SERVE_HEAD_S"]),
            int(values["ZOO_SERVE_HEALTH_PORT"]),
        )


_NOBODY = unavailable("the endpoint has no replica that answers")
_STRANGER = unavailable("the endpoint has no replica of its own that answers")
_STOPPING = unavailable("the endpoint is starting or stopping")


def error_page() -> str:
    """Return the whole answer for what HAProxy cannot pass on."""
    return (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        f"Cache-Control: no-cache\r\nContent-Length: {len(_NOBODY)}\r\n\r\n{_NOBODY}"
    )


_BACKUP = r"^    # Fallback to head node's Serve proxy .*\n    server \S+ \S+ check backup$\n?"


def guarded(text: str, bounds: Bounds) -> str:
    """Return Ray's configuration of HAProxy with what an endpoint needs.

    Heads must come in time; an address has so many connections and no more; health has a port of its own; a request
    says whom it is for, and an answer whose it is; there is no backup server; what nobody can answer is a 503 with
    Retry-After; statistics are for this machine.

    Raises:
        ClusterError: Ray's text is not the one that this was written for.
    """
    text = _each(
        text, r"^    timeout client \S+$", lambda m: f"{m[0]}\n    timeout http-request {bounds.head}s", most=1
    )
    text = _each(text, r"^    maxconn \d+$", lambda m: f"{m[0]}\n    maxpipes {PIPES}", most=1)
    text = _each(text, r"^    bind :(\d+)$", lambda m: f"    bind 127.0.0.1:{m[1]}", most=1)
    text = _each(text, r"^  bind \*:(\d+)$", lambda m: f"  bind 127.0.0.1:{m[1]}", most=1)
    text = _each(text, r"^(    stats socket \S+) mode 666 ", lambda m: f"{m[1]} mode 600 ", most=1)
    listens = _each(
        text, r"^frontend http_frontend\n    bind (\S+):\d+$", lambda m: f"{m[0]}\n{_front(bounds)}", most=1
    )
    found = re.search(r"^frontend http_frontend\n    bind (\S+):\d+$", text, re.M)
    host = found[1] if found is not None else "127.0.0.1"
    backends = re.findall(r"^    use_backend (\S+) if is_\S+$", listens, re.M)
    if backends:
        text = _each(listens, r"^backend (http-\S+)$\n    log global$", lambda m: f"{m[0]}\n{_back(bounds)}")
        # Where no replica is left Ray sends requests to its own proxy, which waits, and whose port may be anybody's.
        text = re.sub(_BACKUP, "", text, flags=re.M)
        if re.search(r"\bbackup\b", text):
            raise _unknown("a backup server is left")
        text = _each(text, r"^    server \S+ \S+ check\b.*$", lambda m: f"{m[0]} maxconn {_EACH_REPLICA}")
        text, backends = _own_way(text, backends)
    else:
        text = _each(
            listens,
            r"^    http-request return status 404 content-type text/plain lf-string .*$",
            lambda _: f"    {_answer('http-request', _STOPPING)}",
            most=1,
        )
    return text + _health(bounds, host, backends)


def _front(bounds: Bounds) -> str:
    return "\n".join(
        (
            f"    maxconn {bounds.connections}",
            "    stick-table type ipv6 size 100k expire 60s store conn_cur",
            "    tcp-request connection track-sc0 src",
            f"    tcp-request connection reject if {{ sc0_conn_cur gt {bounds.each} }}",
            f"    http-request set-header {ASKED} {bounds.instance}",
            # A replica is asked when there is a body to read: one that dribbles holds nothing but its connection here.
            f"    http-request wait-for-body time {bounds.head}s",
        )
    )


def _own_way(text: str, backends: list[str]) -> tuple[str, list[str]]:
    """Let health reach the replicas of the application at / on connections that nothing else can use up.

    Returns:
        The text, and the backends of health.
    """
    root = next((name for name in backends if re.search(rf"^    acl is_{re.escape(name)} path /$", text, re.M)), None)
    if root is None:
        return text, backends
    block = re.search(rf"^backend {re.escape(root)}$\n(?:^ .*$\n?)+", text, re.M)
    if block is None:
        raise _unknown(f"backend {root} is not there")
    rules = [line for line in block[0].splitlines() if line.startswith("    http-response return")]
    servers = re.findall(r"^    server (\S+) (\S+) check\b", block[0], re.M)
    lines = [f"backend zoo-{root}", "    retries 1", *rules]
    lines += [f"    server {name} {at} track {root}/{name}" for name, at in servers]
    chosen = f"    use_backend zoo-{root} if {{ path {_HEALTH} }}"
    text = _each(text, rf"^    use_backend {re.escape(root)} if ", lambda m: f"{chosen}\n{m[0]}", most=1)
    return text + "\n".join(lines) + "\n", [f"zoo-{root}"]


def _back(bounds: Bounds) -> str:
    """Return the rule that what is not the endpoint's own answer is none."""
    own = f"{{ res.hdr({HEADER}) -m end /{bounds.instance} }}"
    return f"    {_answer('http-response', _STRANGER)} unless {own}"


def _health(bounds: Bounds, host: str, backends: list[str]) -> str:
    lines = [
        "frontend zoo_health",
        f"    bind {host}:{bounds.health}",
        "    maxconn 100",
        "    timeout client 5s",
        "    timeout http-request 2s",
        f"    http-request set-header {ASKED} {bounds.instance}",
        f"    acl health path {_HEALTH}",
        '    http-request return status 404 content-type text/plain string "only health is answered" unless health',
        f"    default_backend {backends[0] if backends else 'default_backend'}",
    ]
    return "\n".join(lines) + "\n"


def _answer(when: str, body: str) -> str:
    escaped = body.replace("\\", "\\\\").replace('"', '\\"')
    return f'{when} return status 503 content-type application/json hdr Retry-After 1 string "{escaped}"'


def _each(text: str, pattern: str, change: Any, *, most: int | None = None) -> str:
    """Change every place; there must be one, and at most ``most``."""
    changed, times = re.subn(pattern, change, text, flags=re.M)
    if times < 1 or (most is not None and times > most):
        raise _unknown(f"{pattern!r} is there {times} times")
    return changed


def _unknown(why: str) -> ClusterError:
    return ClusterError(
        f"Ray must write the HAProxy configuration that this version knows, but {why}",
        "use the Ray version that pyproject.toml names, or RAY_SERVE_ENABLE_HA_PROXY=0",
    )


def _api() -> Any:
    """Return Ray's HAProxy of one node, with our text."""
    from ray.serve._private.haproxy import HAProxyApi

    class Api(HAProxyApi):  # type: ignore[misc]  # Ray's is untyped here
        """One HAProxy."""

        stopping = False

        def _initialize_directories_and_error_files(self) -> None:
            super()._initialize_directories_and_error_files()
            Path(self.cfg.error_file_path).write_text(error_page(), encoding="ascii")

        def _generate_config_file_internal(self) -> None:
            super()._generate_config_file_internal()
            path = Path(self.config_file_path)
            write_file(path, guarded(path.read_text(encoding="utf-8"), Bounds.read(os.environ)), durable=False)

        async def _start_and_wait_for_haproxy(self, *extra: str, **options: Any) -> Any:
            # A manager that was killed leaves its HAProxy, which goes on: the next one takes over from it.
            left = None if extra else await self._get_running_pid()
            if left is not None:
                extra = ("-sf", str(left), "-x", self.cfg.socket_path)
            return await super()._start_and_wait_for_haproxy(*extra, **options)

        async def stop(self) -> None:
            self.stopping = True
            await super().stop()

        async def revive(self) -> None:
            """Start HAProxy again, with the newest configuration."""
            self._generate_config_file_internal()
            self._proc = await self._start_and_wait_for_haproxy()

        @property
        def gone(self) -> bool:
            """Whether it has ended though nobody asked it to."""
            return not self.stopping and self._proc is not None and self._proc.returncode is not None

    return Api


def manager() -> Any:
    """Return the actor class that takes the place of Ray's ``HAProxyManager``."""
    import ray
    from ray.serve._private import haproxy

    # Ray's wrapper around it knows the class that it was made of, and would start that one again.
    usual = haproxy.HAProxyManager.__ray_metadata__.modified_class.__ray_actor_class__

    class HAProxyManager(usual):  # type: ignore[misc, valid-type]  # Ray's is untyped here
        """Ray's own, which also looks after its HAProxy: Ray needs half a minute to see that it has gone."""

        def __init__(self, *args: Any, **options: Any) -> None:
            # What Ray's constructor makes. Its globals are a copy of the module's: an actor's class travels by value.
            usual.__init__.__globals__["HAProxyApi"] = _api()
            super().__init__(*args, **options)
            self._well = time.monotonic()
            self._watch = self.event_loop.create_task(self._watched())

        async def check_health(self) -> bool:
            # Ray asks often, so as to see soon that this process has gone. HAProxy itself is started again here.
            if await super().check_health():
                self._well = time.monotonic()
            return time.monotonic() - self._well < _PATIENCE

        async def _watched(self) -> None:
            await self._haproxy_start_task
            while not self._haproxy.stopping:
                await asyncio.sleep(_LOOK)
                if not self._haproxy.gone:
                    continue
                async with self._reload_lock:
                    if self._haproxy.gone:
                        _log.error("HAProxy has ended with %s: it is started again", self._haproxy._proc.returncode)
                        try:
                            await self._haproxy.revive()
                        except Exception:
                            _log.exception("HAProxy could not be started again")

    return ray.remote(num_cpus=0)(HAProxyManager)


def install() -> None:
    """Let Ray Serve's controller, in whose process this is called, start our manager.

    The controller's own globals are a copy, since an actor's class travels by value. What it makes of its proxies'
    class is not: it is changed there.

    Raises:
        ClusterError: This Ray starts its proxies in another way.
    """
    from ray.serve._private import haproxy, proxy_state

    usual = proxy_state.ProxyStateManager.__init__
    if "proxy_actor_class" not in inspect.signature(usual).parameters or not hasattr(haproxy, "HAProxyManager"):
        raise _unknown("it starts its proxies in another way")

    def started(self: Any, *args: Any, **options: Any) -> None:
        if options.get("running_native_proxies"):
            options["proxy_actor_class"] = manager()
        usual(self, *args, **options)

    proxy_state.ProxyStateManager.__init__ = started
