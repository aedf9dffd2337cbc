"""The checks, run in a process of their own: a model that hangs, eats the memory or crashes takes nothing with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serve.admission.policy import AdmissionReport, CheckResult, Policy
from serve.runtime.torch_model import CODE
from zoo.errors import ArtifactError

__all__ = ["admit"]

_MB = 1024 * 1024
# What the process of a foreign model sees of the environment: no secrets.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", CODE)
_LOOK_EVERY = 0.02
# A busy machine is not the model's fault: its own work is timed, and the wall clock only ends what hangs.
_WALL = 4.0


def admit(
    target: str | Path, *, policy: Policy | None = None, golden: Mapping[str, Any] | None = None
) -> AdmissionReport:
    """Check a run directory, a saved pipeline, a foreign model's folder or an ONNX file.

    Args:
        target: What wants to go live.
        policy: What a model may cost and how closely it must repeat itself; the usual one if left out.
        golden: ``{"windows": [[...], ...], "forecasts": [[...], ...]}``: what an ONNX model must answer. A pipeline is
            compared with its own ``predict``.

    Returns:
        What each check found; ``report.check()`` raises if one failed.

    Raises:
        ArtifactError: There is nothing at the path.
    """
    path, limits = Path(target).absolute(), policy or Policy()
    if not path.exists():
        raise ArtifactError(f"a model must exist to be checked, but there is nothing at {target}", "check the path")
    size = _size(path)
    found = CheckResult("size", size <= limits.size_mb * _MB, f"{size / _MB:.1f} MB, at most {limits.size_mb:g}")
    if not found.passed:
        return AdmissionReport(str(target), (found,))
    spec = {"path": str(path), "policy": limits.to_dict(), "golden": None if golden is None else dict(golden)}
    return AdmissionReport(str(target), (found, *_run(spec, limits)))


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _run(spec: Mapping[str, Any], limits: Policy) -> tuple[CheckResult, ...]:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory(prefix="zoo-admission-") as folder, tempfile.TemporaryFile() as noise:
        child = subprocess.Popen(  # our own interpreter and module
            [sys.executable, "-m", "serve.admission.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            cwd=folder,
            env=environment | {"HOME": folder, "TMPDIR": folder, "PYTHONPATH": _paths(environment)},
            start_new_session=True,
        )
        guard = _Guard(child, limits)
        guard.start()
        try:
            out, _ = child.communicate(json.dumps(spec).encode())
        finally:
            guard.end()
        noise.seek(max(0, noise.seek(0, os.SEEK_END) - 2000))
        last = noise.read().decode(errors="replace").strip().rpartition("\n")[2]
    return _verdicts(out, guard.reason or f"its process ended with {child.returncode}: {last}", child.returncode)


def _paths(environment: Mapping[str, str]) -> str:
    """Let the child find this package, wherever it runs from."""
    own = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join([own, *filter(None, [environment.get("PYTHONPATH")])])


def _verdicts(out: bytes, reason: str, code: int) -> tuple[CheckResult, ...]:
    found: list[CheckResult] = []
    begun, ended = "process", False
    for line in out.splitlines():
        told = json.loads(line)
        if "begin" in told:
            begun = told["begin"]
        elif "end" in told:
            ended = True
        else:
            found.append(CheckResult(**told))
    if (code or not ended) and all(verdict.passed for verdict in found):
        found.append(CheckResult(begun, False, reason))
    return tuple(found)


class _Guard(threading.Thread):
    """Ends the process when it takes too much time or memory, and says so."""

    def __init__(self, child: subprocess.Popen[bytes], limits: Policy) -> None:
        super().__init__(daemon=True)
        self._child, self._limits, self._over = child, limits, threading.Event()
        self.reason = ""

    def run(self) -> None:
        import psutil

        until = time.monotonic() + _WALL * self._limits.seconds
        try:
            process = psutil.Process(self._child.pid)
        except psutil.NoSuchProcess:
            return
        while not self._over.wait(_LOOK_EVERY):
            try:
                used = process.memory_info().rss / _MB
                spent = sum(process.cpu_times()[:2])
            except psutil.Error:
                return
            if used > self._limits.memory_mb:
                self.reason = f"it took {used:.0f} MB of memory, at most {self._limits.memory_mb:g} are allowed"
            elif spent > self._limits.seconds or time.monotonic() > until:
                self.reason = f"the checks took more than {self._limits.seconds:g} s"
            if self.reason:
                self._child.kill()
                return

    def end(self) -> None:
        """Look no longer."""
        self._over.set()
        self.join()
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
