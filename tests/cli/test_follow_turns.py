"""Following ends when somebody ends it, whatever it does at that moment."""

from __future__ import annotations

import signal
import sys

import pytest

from reconciler.cli.follow import turns

STEPS = 60
"""More than one turn has, and the wait in it."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_step_ends_it(number: signal.Signals) -> None:
    """The first one ends it, between whichever two calls it comes; what the signal meant before is in force again."""
    before = signal.getsignal(number)
    for step in range(1, STEPS):
        left = step

        def strike(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                signal.raise_signal(number)

        following = turns(every_s=0.001)
        next(following)
        sys.setprofile(strike)
        try:
            for _ in following:
                pass
        finally:
            sys.setprofile(None)
    assert signal.getsignal(number) is before
