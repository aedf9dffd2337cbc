"""Gates whose figure is not yet where it should be: ``ratchet.toml`` holds today's, which may only get better.

A gate counts its offenders by some key (a package, a file, a name). More than is listed fails; fewer fail, too, so that
the list stays true: ``TIGHTEN=1 pytest tests/architecture`` lowers it to what was counted, and never raises it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["hold"]

FILE = Path(__file__).with_name("ratchet.toml")
HEAD = """\
# Today's figures of the gates that are not yet where they should be; see ratchet.py. Raise none by hand:
# `TIGHTEN=1 pytest tests/architecture` lowers what has got better.
"""


def hold(gate: str, counted: Mapping[str, int], offenders: Iterable[str] = ()) -> None:
    """Fail where more is counted than is listed, and where less is.

    Args:
        gate: The table of ``ratchet.toml``.
        counted: Key -> how bad it is today; zero is good.
        offenders: Where each was found, for the message.
    """
    listed = read().get(gate, {})
    counted = {key: count for key, count in counted.items() if count}
    worse = {key: f"{count} > {listed.get(key, 0)}" for key, count in counted.items() if count > listed.get(key, 0)}
    assert not worse, "\n".join([f"{gate} got worse: {worse}", *sorted(offenders)])
    better = {key: f"{counted.get(key, 0)} < {count}" for key, count in listed.items() if counted.get(key, 0) < count}
    if better and os.environ.get("TIGHTEN"):
        write(read() | {gate: counted})
    else:
        assert not better, f"{gate} got better: run `TIGHTEN=1 pytest tests/architecture`; {better}"


def read() -> dict[str, dict[str, int]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def write(tables: Mapping[str, Mapping[str, int]]) -> None:
    parts = [
        f"[{gate}]\n" + "".join(f'"{key}" = {count}\n' for key, count in sorted(counts.items()))
        for gate, counts in sorted(tables.items())
        if counts
    ]
    FILE.write_text(HEAD + "\n" + "\n".join(parts), encoding="utf-8")
