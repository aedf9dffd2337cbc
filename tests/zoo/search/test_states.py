"""The table of moves, exhaustively: what a study does with a trial in each state is what the table says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest

from zoo.errors import StudyError
from zoo.search import FailureKind, Float, Space, Study
from zoo.search.states import TRANSITIONS, LedgerState, Move, after, refusal
from zoo.search.stoppers import Curve, Decision, Stopper
from zoo.search.suggestion import Suggestion

STATES: tuple[LedgerState, ...] = get_args(LedgerState)
SPACE = Space(x=Float(0.0, 1.0))
ABSENT = 7


class Nobody(Stopper):
    """Lets everybody go on, and nobody who is paused."""

    def decide(self, curves: Any, number: int, step: int) -> Decision:
        return "continue"

    def promote(self, curves: list[Curve]) -> int | None:  # type: ignore[override]  # a list is a sequence
        return None

    def describe(self) -> dict[str, Any]:
        return {"name": "nobody"}


def study_with(state: LedgerState) -> tuple[Study, int]:
    """Return a study with a trial in a state, and the trial's number."""
    study = Study.open(None, SPACE, sampler="random", stopper=Nobody())
    if state == "absent":
        return study, ABSENT
    if state == "queued":
        return study, study.enqueue({"x": 0.5})
    trial = study.ask()
    assert trial is not None
    ends: dict[LedgerState, Callable[[], object]] = {
        "running": lambda: None,
        "waiting": lambda: study.release(0),
        "paused": lambda: study.pause(0),
        "complete": lambda: study.tell(0, 1.0),
        "stopped": lambda: study.stop(0, "enough"),
        "failed": lambda: study.fail(0, FailureKind.EXCEPTION, "broken"),
    }
    ends[state]()
    return study, 0


def begin(study: Study, number: int) -> None:
    draft = study._ledger.draft(study._sampler, may_begin=True, resumes=False)
    drawn = draft.draw()
    assert drawn is not None
    study._ledger.begin(Suggestion(drawn.frozen, drawn.params, drawn.seen, number))


#: How each move is made; ENQUEUE always makes a new trial, and BEGIN of an absent one too.
MOVES: dict[Move, list[Callable[[Study, int], object]]] = {
    Move.BEGIN: [begin],
    Move.REPORT: [lambda study, number: study.report(number, 1, 1.0), lambda study, number: study.worked(number)],
    Move.COMPLETE: [lambda study, number: study.tell(number, 1.0)],
    Move.STOP: [lambda study, number: study.stop(number, "enough")],
    Move.FAIL: [
        lambda study, number: study.fail(number, FailureKind.EXCEPTION, "broken"),
        lambda study, number: study.fail(number, FailureKind.LOST, "gone"),
    ],
    Move.PAUSE: [lambda study, number: study.pause(number)],
    Move.RETURN: [lambda study, number: study.release(number), lambda study, number: study.lose(number, "gone")],
    Move.HAND_OUT: [lambda study, number: study._ledger.hand_out(number)],
    Move.RESUME: [lambda study, number: study._ledger.resume(number)],
}


@pytest.mark.parametrize("move", [move for move in Move if move is not Move.ENQUEUE])
@pytest.mark.parametrize("state", STATES)
def test_a_study_moves_trials_as_the_table_says(state: LedgerState, move: Move) -> None:
    if (state, move) == ("absent", Move.BEGIN):
        return  # a suggestion that completes no queued trial makes one
    for act in MOVES[move]:
        study, number = study_with(state)
        assert study._ledger.state(number) == state
        before, expected = study.trials, TRANSITIONS[move].get(state)
        if expected is not None:
            act(study, number)
            assert study._ledger.state(number) == expected
            continue
        with pytest.raises(StudyError, match=r"^only an? ") as caught:
            act(study, number)
        assert str(caught.value) == str(refusal(state, move, number)) and caught.value.hint
        assert study.trials == before
        assert study._ledger.state(number) == state


def test_new_trials_come_from_asking_and_queueing() -> None:
    study, _ = study_with("absent")
    assert study._ledger.state(study.enqueue({"x": 0.1})) == TRANSITIONS[Move.ENQUEUE]["absent"]
    assert study.ask() is not None  # the queued one
    new = study.ask()
    assert new is not None and study._ledger.state(new.number) == TRANSITIONS[Move.BEGIN]["absent"]


def test_every_move_is_in_the_table_and_its_states_are_states() -> None:
    assert set(TRANSITIONS) == set(Move)
    for moves in TRANSITIONS.values():
        assert moves and set(moves) | set(moves.values()) <= set(STATES)
    reachable = {end for moves in TRANSITIONS.values() for end in moves.values()}
    assert reachable == set(STATES) - {"absent"}
    for state in ("complete", "stopped", "failed"):  # nothing leads out of an end
        assert not any(state in moves for moves in TRANSITIONS.values())


def test_a_refusal_says_the_rule_and_the_state() -> None:
    error = refusal("complete", Move.COMPLETE, 3)
    assert error.message == "only a running trial can be told, but trial 3 is complete"
    assert refusal("absent", Move.BEGIN, 9).message.startswith("only an unknown or queued trial can be begun")
    with pytest.raises(StudyError, match="only a paused trial"):
        after("running", Move.RESUME, 1)
