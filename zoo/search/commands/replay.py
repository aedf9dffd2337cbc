"""``zoo study replay``: whether a study can be recomputed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands import Outcome
from zoo.page.wording import params_text, plural
from zoo.search.insight.view import View

__all__ = ["replay_study"]

# Differences that are shown one by one.
_LISTED = 5


def replay_study(study: Annotated[Path, typer.Argument(help="The journal.")]) -> Outcome:
    """Recompute every suggestion."""
    from zoo.search.replay import replay

    View.read(study)  # says what is wrong with a file that is no study
    found = replay(study)
    data = {
        "study": str(study),
        "asked": found.asked,
        "agrees": found.agrees,
        "differences": [
            {"number": d.number, "recorded": dict(d.recorded), "recomputed": dict(d.recomputed)}
            for d in found.differences
        ],
        "versions": {name: list(pair) for name, pair in found.versions.items()},
    }
    if found.agrees:
        return Outcome(data, f"all {plural(found.asked, 'suggestion')} came out as they were")
    lines = [f"{len(found.differences)} of {plural(found.asked, 'suggestion')} came out otherwise"]
    for d in found.differences[:_LISTED]:
        lines.append(f"  trial {d.number}: was {params_text(d.recorded)}, is {params_text(d.recomputed) or 'nothing'}")
    lines += [f"  {name} was {then}, is {now}" for name, (then, now) in found.versions.items()]
    return Outcome(data, "\n".join(lines), 1)
