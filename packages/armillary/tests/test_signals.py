"""SIGINT and SIGTERM in order."""

import signal

import pytest

from armillary.signals import Signals


def test_the_first_is_recorded_and_the_handlers_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        assert signals.received == 0
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_interrupt_ends_at_once_and_a_second_sigterm_does_not():
    with Signals() as signals:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGTERM


def test_an_action_is_told_the_first_from_the_others():
    calls: list[bool] = []
    with Signals(calls.append):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            signal.raise_signal(number)
    assert calls == [True, False, False]
