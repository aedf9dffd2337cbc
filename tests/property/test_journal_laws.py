"""A journal against a model in memory: whatever writers, readers, kills and damage do, nothing is lost in silence."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from zoo.errors import ArtifactError
from zoo.journal import Codec, Journal, json_line, read
from zoo.journal.mending import mend


class _Codec(Codec[dict[str, Any]]):
    what = "a test"
    form = "lines of numbers"
    begins = b'{"n":'
    begins_anew = True

    def decode(self, line: bytes) -> dict[str, Any]:
        told = json.loads(line)
        if set(told) - {"n", "text", "more", "all"} or not isinstance(told["n"], int):
            raise ValueError("no line of a test")
        return dict(told)

    def goes_on(self, entry: dict[str, Any]) -> bool:
        return bool(entry.get("more", False))


class _Reader:
    """One of several processes: what it has read, and its own place in the file."""

    def __init__(self, path: Path) -> None:
        self.seen: list[int] = []
        self.journal = Journal(path, _Codec())

    def apply(self, told: dict[str, Any]) -> None:
        if "all" in told:
            self.seen = list(told["all"])
        else:
            self.seen.append(told["n"])

    def take(self) -> None:
        self.journal.take(self.apply)


class JournalMachine(RuleBasedStateMachine):
    """Three open journals of one file; the model is the list of numbers that were written whole."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "j"
        self.readers = [_Reader(self.path) for _ in range(3)]
        self.model: list[int] = []
        self.aside: list[bytes] = []
        self.next = 0
        self.damaged = False

    def teardown(self) -> None:
        for reader in self.readers:
            reader.journal.close()
        self.folder.cleanup()

    def _numbers(self, count: int) -> list[int]:
        self.next += count
        return list(range(self.next - count, self.next))

    def _lines(self, numbers: list[int], text: str = "") -> list[bytes]:
        last = numbers[-1]
        return [json_line({"n": n, "text": text} | ({"more": True} if n != last else {})) for n in numbers]

    @precondition(lambda self: not self.damaged)
    @rule(who=st.integers(0, 2), count=st.integers(1, 4), text=st.text(max_size=5))
    def write(self, who: int, count: int, text: str) -> None:
        reader, numbers = self.readers[who], self._numbers(count)
        with reader.journal.held():
            reader.take()
            reader.journal.write(*self._lines(numbers, text))
        reader.seen += numbers
        self.model += numbers

    @precondition(lambda self: not self.damaged)
    @rule(who=st.integers(0, 2), count=st.integers(1, 4), share=st.floats(0, 1, exclude_max=True))
    def die_in_the_middle_of_a_write(self, who: int, count: int, share: float) -> None:
        numbers = self._numbers(count)
        data = b"".join(self._lines(numbers))
        reader = self.readers[who]
        with reader.journal.held():
            reader.take()
            with open(self.path, "ab") as file:
                file.write(data[: int(share * len(data))])
        reader.journal.close()
        self.readers[who] = _Reader(self.path)  # the process that comes after it

    @rule(who=st.integers(0, 2))
    def look(self, who: int) -> None:
        reader = self.readers[who]
        try:
            if reader.journal.behind():
                reader.take()
            assert self.damaged or reader.seen == self.model
        except ArtifactError:
            assert self.damaged and not reader.journal.behind(), "it reads the damaged file at each look"

    @precondition(lambda self: not self.damaged)
    @rule(who=st.integers(0, 2))
    def begin_anew(self, who: int) -> None:
        reader = self.readers[who]
        with reader.journal.held():
            reader.take()
            reader.journal.replace(json_line({"n": 0, "all": reader.seen}))

    @rule(who=st.integers(0, 2))
    def restart(self, who: int) -> None:
        self.readers[who].journal.close()
        self.readers[who] = _Reader(self.path)

    @precondition(lambda self: not self.damaged and len(self.model) > 0)
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        """Something changes a byte of a whole line, so that it is no JSON any more."""
        with self.readers[0].journal.held():
            self.readers[0].take()
        lines = self.path.read_bytes().splitlines(keepends=True)
        place = data.draw(st.integers(0, len(lines) - 1))
        entry = json.loads(lines[place])
        if "all" in entry:
            return
        bad = b"#" + lines[place].lstrip()[1:]
        self.bad = b" " * (len(lines[place]) - len(bad)) + bad
        self.path.write_bytes(b"".join([*lines[:place], self.bad, *lines[place + 1 :]]))
        first = place
        while first and json.loads(lines[first - 1]).get("more"):
            first -= 1  # all or none: what stands before it of its transaction goes with it
        self.lost, self.damaged = [json.loads(line)["n"] for line in lines[first:place]] + [entry["n"]], True
        self.taken = [line[:-1] for line in lines[first:place]] + [self.bad[:-1]]
        self.begin = len(b"".join(lines[:first]))

    @precondition(lambda self: self.damaged)
    @rule()
    def an_open_one_refuses_and_says_where(self) -> None:
        found = _Reader(self.path)
        try:
            found.take()
        except ArtifactError as error:
            number = self.path.read_bytes().split(b"\n").index(self.bad[:-1]) + 1
            assert f"damaged in line {number} (byte " in error.message and "zoo journal mend" in error.hint
            assert found.seen == [n for n in found.seen if n in self.model], "a line before it was misread"
        else:
            raise AssertionError("damage was passed over in silence")
        finally:
            found.journal.close()

    @precondition(lambda self: self.damaged)
    @rule()
    def set_aside(self) -> None:
        done = mend(self.path, _Codec())
        assert len(done.lines) == len(self.lost)
        self.aside += self.taken
        self.model = [n for n in self.model if n not in self.lost]
        self.damaged = False
        for who, reader in enumerate(self.readers):
            if reader.journal.position > self.begin:
                # Who had read the line before it was damaged, keeps it until he starts again.
                reader.journal.close()
                self.readers[who] = _Reader(self.path)
            self.readers[who].take()  # the others go on by themselves
            assert self.readers[who].seen == self.model

    @invariant()
    def nothing_disappears(self) -> None:
        if self.damaged:
            return
        found: list[int] = []

        def apply(told: dict[str, Any]) -> None:
            found[:] = told["all"] if "all" in told else [*found, told["n"]]

        read(self.path, _Codec(), apply)
        assert found == self.model
        kept = self.path.with_name("j.damaged")
        said = (
            [json.loads(line)["text"].encode("utf-8", "surrogateescape") for line in kept.open()] if self.aside else []
        )
        assert sorted(said) == sorted(self.aside)


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
