"""Bytes of a journal: whatever place a writer was killed at, whole transactions stay and nothing half is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ArtifactError
from zoo.journal import Codec, json_line, read
from zoo.journal.codec import damage_of, refusal
from zoo.journal.parsing import Parsed, hand_over, parse, read_lines


class Numbers(Codec[dict[str, Any]]):
    """Lines of a number each; ``more`` says that the next one belongs to it, ``by`` that another program wrote it."""

    what = "a test's journal"
    form = "lines of numbers"
    begins = b'{"n":'

    def decode(self, line: bytes) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(line)
        told["n"] + 0
        return told

    def check_first(self, entry: dict[str, Any]) -> None:
        if entry["n"] < 0:
            raise ValueError("a journal begins at nought or later")

    def goes_on(self, entry: dict[str, Any]) -> bool:
        return bool(entry.get("more"))

    def is_foreign(self, entry: dict[str, Any]) -> bool:
        return "by" in entry

    def split(self, raw: bytes) -> int:
        at = raw.find(b'{"n":', 1)
        return max(at, 0)


CODEC = Numbers()
#: Transactions: sizes of each.
SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=6)


def written(sizes: list[int]) -> tuple[bytes, list[int], list[int]]:
    """Return the bytes, where each transaction ends, and the entries up to there."""
    data, ends, counts, n = b"", [], [], 0
    for size in sizes:
        for place in range(size):
            data += json_line({"n": n} | ({"more": True} if place + 1 < size else {}))
            n += 1
        ends.append(len(data))
        counts.append(n)
    return data, ends, counts


def numbers(found: Parsed[dict[str, Any]]) -> list[int]:
    return [line.entry["n"] for line in found.whole if line.entry is not None]


@given(SIZES, st.data())
def test_a_journal_cut_anywhere_is_its_whole_transactions(sizes: list[int], data: st.DataObject) -> None:
    raw, ends, counts = written(sizes)
    cut = data.draw(st.integers(0, len(raw)))
    found = parse(raw[:cut], CODEC)
    whole = sum(end <= cut for end in ends)
    assert found.damage is None
    assert found.size == ([0, *ends])[whole]
    assert numbers(found) == list(range(([0, *counts])[whole]))
    assert found.blanks == [] and found.splits == []


@given(SIZES, st.data())
def test_a_journal_read_in_two_pieces_is_the_journal(sizes: list[int], data: st.DataObject) -> None:
    raw, ends, _ = written(sizes)
    at = data.draw(st.sampled_from([0, *ends]))
    first, second = parse(raw[:at], CODEC), parse(raw[at:], CODEC, start=at)
    whole = parse(raw, CODEC)
    assert numbers(first) + numbers(second) == numbers(whole)
    assert second.size == whole.size == len(raw)
    assert [(line.begin, line.end) for line in first.whole + second.whole] == [
        (line.begin, line.end) for line in whole.whole
    ]
    assert all(raw[line.begin : line.end] == line.raw for line in whole.whole)


@given(SIZES, st.data(), st.sampled_from([b"nonsense\n", b"{}\n", b'{"n":"x"}\n', b"[1]\n", b"\xff\n"]))
def test_the_first_line_that_cannot_be_read_ends_it_before_its_transaction(
    sizes: list[int], data: st.DataObject, bad: bytes
) -> None:
    raw, ends, _ = written(sizes)
    lines = raw.splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 1))
    begin = sum(map(len, lines[:place]))
    found = parse(b"".join([*lines[:place], bad, *lines[place + 1 :]]), CODEC)
    assert found.damage is not None
    assert (found.damage.begin, found.damage.raw, found.damage.entry) == (begin, bad, None)
    assert found.size == max([end for end in ends if end <= begin], default=0)
    assert found.damage.why


def test_another_programs_line_behind_a_torn_transaction_counts_and_the_torn_part_is_blanked() -> None:
    torn = json_line({"n": 0}) + json_line({"n": 1, "more": True})
    foreign = json_line({"n": 7, "by": "them"})
    found = parse(torn + foreign, CODEC)
    assert numbers(found) == [0, 7]
    assert found.blanks == [(len(json_line({"n": 0})), len(torn))]
    assert found.size == len(torn + foreign)


def test_a_line_glued_to_a_torn_one_counts_and_a_whole_one_glued_is_split() -> None:
    first, torn, other = json_line({"n": 0}), b'{"n":1,"mo', json_line({"n": 2})
    found = parse(first + torn + other, CODEC)
    assert numbers(found) == [0, 2]
    assert found.blanks == [(len(first), len(first) + len(torn))]
    assert found.splits == []
    whole = first + b'{"n":1}' + other
    found = parse(whole, CODEC)
    assert numbers(found) == [0, 1, 2]
    assert (found.blanks, found.splits) == ([], [len(whole) - len(other)])


def test_a_torn_tail_behind_which_nothing_came_is_nobodys_to_blank() -> None:
    first = json_line({"n": 0})
    found = parse(first + json_line({"n": 1, "more": True}) + b'{"n":2', CODEC)
    assert (numbers(found), found.size, found.blanks) == ([0], len(first), [])


@pytest.mark.parametrize("raw", [b"hello", b"hello\n", b'{"m":1}\n', b"\n"])
def test_a_file_of_another_kind_is_named_so(raw: bytes) -> None:
    found = parse(raw, CODEC)
    assert found.damage is not None
    assert found.damage.why == 'the file must begin with {"n":'
    assert found.size == 0


def test_the_first_entry_has_a_rule_of_its_own() -> None:
    found = parse(json_line({"n": -1}), CODEC)
    assert found.damage is not None and found.damage.why == "a journal begins at nought or later"
    behind = json_line({"n": 1})
    lines, tail = read_lines(json_line({"n": -1}), CODEC, start=len(behind))
    assert lines[0].entry == {"n": -1}
    assert (lines[0].begin, tail) == (len(behind), len(behind) + lines[0].end - lines[0].begin)


def test_reading_a_file_hands_over_what_is_whole_and_then_says_what_is_wrong(tmp_path: Path) -> None:
    path, told = tmp_path / "j", list[int]()
    read(path, CODEC, lambda entry: told.append(entry["n"]))
    assert told == []
    path.write_bytes(json_line({"n": 0}) + json_line({"n": 1}) + b"oh no\n" + json_line({"n": 2}))
    with pytest.raises(
        ArtifactError, match=r"a test's journal must be lines of numbers, but .* line 3 \(byte 16\)"
    ) as e:
        read(path, CODEC, lambda entry: told.append(entry["n"]))
    assert told == [0, 1]
    assert f"zoo journal mend {path}" in e.value.hint


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ArtifactError("it comes twice", ""), "it does not fit those before it: it comes twice"),
        (KeyError("n"), "it cannot be applied: KeyError('n')"),
    ],
)
def test_an_entry_that_cannot_be_applied_ends_it_and_the_line_was_taken(error: Exception, said: str) -> None:
    found, taken = parse(written([1, 1, 1])[0], CODEC), list[int]()

    def apply(entry: dict[str, Any]) -> None:
        if entry["n"] == 1:
            raise error

    failed = hand_over(found, ArtifactError, apply, lambda line: taken.append(line.begin))
    assert failed == (found.whole[1], said)
    assert taken == [line.begin for line in found.whole[:2]]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_what_is_whole_ends_at_a_line(raw: bytes) -> None:
    found = parse(raw, CODEC)
    assert 0 <= found.size <= len(raw)
    assert found.size == 0 or raw[found.size - 1 : found.size] == b"\n"
    if raw and not raw.startswith(CODEC.begins[: len(raw)]):
        assert found.damage is not None


def test_damage_says_line_byte_and_beginning_in_one_sentence() -> None:
    lines, _ = read_lines(json_line({"n": 0}) + b"x" * 100 + b"\n", CODEC)
    found = damage_of(Path("j"), json_line({"n": 0}), lines[1], "it is odd")
    assert (found.line, found.byte, found.begins) == (2, 8, b"x" * 40)
    assert str(found) == f"damaged in line 2 (byte 8): it is odd; it begins with {b'x' * 40!r}"
    assert "j.damaged" in refusal(CODEC, found).hint


def test_by_default_a_damaged_line_takes_those_of_its_transaction_with_it() -> None:
    good, more = json_line({"n": 0}), json_line({"n": 1, "more": True})
    lines, _ = read_lines(good + more + more + b"bad\n" + good, CODEC)
    chosen = CODEC.instead(lines)
    assert {place: why for place, (_, why) in chosen.items()} == {
        1: "its transaction is not whole", 2: "its transaction is not whole", 3: lines[3].why,
    }  # fmt: skip
    assert {instead for instead, _ in chosen.values()} == {b""}
