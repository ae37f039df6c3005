"""Which series can be judged."""

from __future__ import annotations

import numpy as np

from alerts.expectation.readiness import Code, codes, monitored
from alerts.model import Readiness


def test_enough_is_enough_until_it_is_half() -> None:
    """A series becomes monitored at what is needed, and remains so down to half of it."""
    seen = np.array([[19.0, 20.0, 11.0, 9.0]])
    before = np.array([[False, False, True, True]])
    assert monitored(seen, np.full((1, 4), 20.0), before).tolist() == [[False, True, True, False]]


def test_nothing_is_judged_while_learning() -> None:
    """Before that, even who has seen enough is learning."""
    ready = np.array([[True, False]])
    assert codes(ready, learning=True).tolist() == [[Code.LEARNING, Code.LEARNING]]
    assert codes(ready, learning=False).tolist() == [[Code.MONITORED, Code.NOT_MONITORABLE]]


def test_codes_have_words() -> None:
    """Each is one of the words people see."""
    assert [code.word for code in Code] == list(Readiness)
