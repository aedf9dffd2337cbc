"""Ctrl-C as a wish."""

from __future__ import annotations

import signal
import threading

import pytest

from zoo.interrupt import Interrupt


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_a_wish_and_the_second_raises() -> None:
    with Interrupt().arm() as interrupt:
        press()
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_unarmed_it_changes_nothing() -> None:
    with Interrupt() as interrupt, pytest.raises(KeyboardInterrupt):
        press()
    assert not interrupt.requested


def test_where_it_is_allowed_the_first_raises_but_not_where_it_is_held_back() -> None:
    with Interrupt().arm() as interrupt:
        with pytest.raises(KeyboardInterrupt), interrupt.allowed():
            with interrupt.held():
                press()
                assert interrupt.requested
            with interrupt.allowed():
                pytest.fail("what was held back raises at the next allowed place")


def test_a_polite_one_leaves_the_handler_of_others_alone() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: told.append(number))
    try:
        with Interrupt().arm(polite=True) as interrupt:
            press()
        assert told and not interrupt.requested
        with Interrupt().arm() as interrupt:
            press()
        assert len(told) == 1 and interrupt.requested
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_of_the_main_thread_signals_belong_to_others() -> None:
    found = []

    def arm() -> None:
        with Interrupt().arm():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=arm)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
