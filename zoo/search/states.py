"""The states of a trial and the moves between them, as one table; what it does not have is refused in its words.

``running`` is a trial that somebody works on now; ``waiting`` is one that runs in the journal and that nobody works on:
the machine lost it, or its driver ended. To the outside (``TrialRecord.state``) both are "running".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

from zoo.errors import StudyError

__all__ = ["TRANSITIONS", "LedgerState", "Move", "after", "refusal"]

LedgerState: TypeAlias = Literal["absent", "queued", "running", "waiting", "paused", "complete", "stopped", "failed"]


class Move(StrEnum):
    """What may happen to a trial; the value is the participle that messages use."""

    ENQUEUE = "queued"
    BEGIN = "begun"
    REPORT = "reported"
    COMPLETE = "told"
    STOP = "stopped"
    FAIL = "failed"
    PAUSE = "paused"
    RETURN = "given back"
    HAND_OUT = "handed out again"
    RESUME = "resumed"


#: Where each move leads, by the state that it starts from. All other moves are refused.
TRANSITIONS: Mapping[Move, Mapping[LedgerState, LedgerState]] = {
    Move.ENQUEUE: {"absent": "queued"},
    Move.BEGIN: {"absent": "running", "queued": "running"},
    Move.REPORT: {"running": "running"},
    Move.COMPLETE: {"running": "complete"},
    Move.STOP: {"running": "stopped"},
    Move.FAIL: {"running": "failed"},
    Move.PAUSE: {"running": "paused"},
    # Lost by the machine, released by its driver, or to be tried again with more memory.
    Move.RETURN: {"running": "waiting"},
    Move.HAND_OUT: {"waiting": "running"},
    Move.RESUME: {"paused": "running"},
}
_WORDS: Mapping[LedgerState, str] = {"absent": "unknown", "waiting": "waiting to be asked again"}
_HINTS: Mapping[LedgerState, str] = {
    "absent": "numbers are those of the trials that study.ask and study.enqueue return",
    "queued": "study.ask hands it out when its turn comes",
    "running": "tell or fail it first",
    "waiting": "study.ask hands it out again, under its number",
    "paused": "study.ask hands it out again when it shall go on",
    "complete": "tell each trial that was asked exactly once",
    "stopped": "tell each trial that was asked exactly once",
    "failed": "tell each trial that was asked exactly once",
}


def after(state: LedgerState, move: Move, number: int) -> LedgerState:
    """Return where a move leads.

    Args:
        state: Where the trial stands.
        move: What shall happen to it.
        number: The trial's number, for the message.

    Raises:
        StudyError: The table does not have it.
    """
    found = TRANSITIONS[move].get(state)
    if found is None:
        raise refusal(state, move, number)
    return found


def refusal(state: LedgerState, move: Move, number: int) -> StudyError:
    """Return the error of a move that the table does not have."""
    allowed = " or ".join(_WORDS.get(origin, origin) for origin in TRANSITIONS[move])
    article = "an" if allowed.startswith(("a", "u")) else "a"
    return StudyError(
        f"only {article} {allowed} trial can be {move.value}, but trial {number} is {_WORDS.get(state, state)}",
        _HINTS[state],
    )
