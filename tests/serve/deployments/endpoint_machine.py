"""What must hold of two endpoints of one machine, as a state machine over any world in which they run."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from serve.identity import HEADER
from serve.runtime.version import version_of
from serve.safety import issue, write_tokens
from serve.testing.pipelines import fitted, hourly

FAMILIES = ("naive", "seasonal_naive", "zero", "mean")
NAMES = ("ep-law-a", "ep-law-b")
WHICH = st.sampled_from(NAMES)


@dataclass
class Told:
    """What one request was answered."""

    status: int
    name: str = ""
    version: str = ""
    retry_after: str | None = None


class World(Protocol):
    """Where endpoints run."""

    grace: float
    always: bool

    def serve(self, name: str, folder: Path) -> str | None:
        """Serve what lies in ``folder/model`` with ``folder/tokens.json``; the printed version, None if refused."""

    def ask(self, name: str, token: str) -> Told | None:
        """Ask an address; None if nobody answers."""

    def kill(self, name: str) -> None:
        """End a replica at once; another one takes its place."""

    def stop(self, name: str) -> None:
        """End an endpoint."""


@dataclass
class Known:
    """What must hold of an endpoint."""

    folder: Path
    runs: bool = False
    #: Versions that may answer: one, but while another one is asked for.
    may: set[str] = field(default_factory=set)
    good: str = ""
    #: Token -> since when it must not be answered.
    gone: dict[str, float] = field(default_factory=dict)
    broken: bool = False


class Machine(RuleBasedStateMachine):
    """Serve, kill, fit again, rotate, break, mend, stop, in any order."""

    world: ClassVar[Any]
    fits: ClassVar[dict[str, Path]]

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="laws-"))
        self.of = {name: Known(self.root / name) for name in NAMES}
        self.where: World = self.world(self.root)

    @initialize()
    def begin(self) -> None:
        for i, known in enumerate(self.of.values()):
            known.folder.mkdir()
            shutil.copytree(self.fits[FAMILIES[i]], known.folder / "model")
            known.good, token = issue("first")
            write_tokens(known.folder / "tokens.json", [token])
        for name in NAMES:
            self.serve(name)

    @rule(name=WHICH)
    def serve(self, name: str) -> None:
        known = self.of[name]
        meant = version_of(known.folder / "model")
        before = set(known.may)
        known.may.add(meant)
        printed = self.where.serve(name, known.folder)
        if known.broken:
            assert printed is None, "a broken file of tokens is refused"
            known.may = before
            return
        assert printed == meant
        known.runs, known.may = True, {meant}
        told = self.where.ask(name, known.good)
        assert told is not None and (told.status, told.version) == (200, meant), f"it is served, but {told}"

    @rule(name=WHICH, family=st.sampled_from(FAMILIES), in_place=st.booleans())
    def fit_again(self, name: str, family: str, in_place: bool) -> None:
        path = self.of[name].folder / "model"
        if in_place:
            for file in self.fits[family].iterdir():
                shutil.copyfile(file, path / file.name)
            return
        path.rename(self.root / f"old-{time.monotonic_ns()}")
        shutil.copytree(self.fits[family], path)

    @rule(name=WHICH)
    def kill(self, name: str) -> None:
        if self.of[name].runs:
            self.where.kill(name)

    @rule(name=WHICH)
    def rotate(self, name: str) -> None:
        known = self.of[name]
        old = known.good
        known.good, token = issue("next")
        write_tokens(known.folder / "tokens.json", [token])
        known.broken = False
        known.gone[old] = time.monotonic() + self.where.grace
        time.sleep(self.where.grace)

    @rule(name=WHICH, text=st.sampled_from(['{"broken', "[]]", "[1]", "{}", ""]))
    def break_tokens(self, name: str, text: str) -> None:
        path = self.of[name].folder / "tokens.json"
        path.write_text(text)
        path.chmod(0o600)
        self.of[name].broken = True

    @rule(name=WHICH)
    def stop(self, name: str) -> None:
        known = self.of[name]
        if known.runs:
            self.where.stop(name)
        known.runs, known.may = False, set()

    @invariant()
    def each_is_itself(self) -> None:
        for name, known in self.of.items():
            other = next(one for key, one in self.of.items() if key != name)
            for token in {known.good, "", other.good, *list(known.gone)[-3:]}:
                now = time.monotonic()
                self.judge(name, token, self.where.ask(name, token), now)

    def judge(self, name: str, token: str, told: Told | None, asked: float) -> None:
        """Raise if an answer breaks a law."""
        known = self.of[name]
        if self.where.always and known.runs and token == known.good:
            assert told is not None and told.status == 200, f"{name} must answer, but {told}"
        if told is None:
            return
        assert known.runs or told.status != 200, f"{name} does not run, but answers"
        if told.status == 503:
            assert told.retry_after, "503 says when to ask again"
            return
        assert told.name == name, f"{name}'s address is answered by {told.name!r}"
        if told.status == 200:
            assert token == known.good or asked < known.gone.get(token, 0.0), f"{name} answers a token that is not its"
            assert told.version in known.may, f"{name} answers with {told.version}, but {known.may} was printed"
        else:
            assert (told.status, token == known.good) == (401, False), told

    def teardown(self) -> None:
        for name, known in self.of.items():
            if known.runs:
                self.where.stop(name)
        close = getattr(self.where, "close", None)
        if close is not None:
            close()
        shutil.rmtree(self.root, ignore_errors=True)


def document(name: str, folder: Path) -> dict[str, Any]:
    model = {"name": name, "path": str(folder / "model")}
    return {"models": [model], "tokens": str(folder / "tokens.json"), "state": str(folder / "state")}


def told_of(response: httpx.Response) -> Told:
    name = response.headers.get(HEADER, "").partition("/")[0]
    version = ""
    if response.status_code == 200:
        version = next(one["version"] for one in response.json()["models"] if one["default"])
    return Told(response.status_code, name, version, response.headers.get("retry-after"))


def fits_in(folder: Path) -> dict[str, Path]:
    """Save a pipeline of each family, and say where."""
    table = hourly(1, 100)
    return {family: fitted(table, families=(family,)).save(folder / family) for family in FAMILIES}
