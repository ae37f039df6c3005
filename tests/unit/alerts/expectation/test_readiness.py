"""Which series can be judged."""

from __future__ import annotations

import numpy as np

from alerts.expectation.readiness import Code, codes, monitored
from alerts.model import Readiness


def test_enough_is_enough_until_it_is_half() -> None:
    """A series becomes monitored at what is needed, and remains so down to half of it."""
    seen = np.array([[19.0, 20.0, 11.0, 9.0]])
    before = np.array([[False, False, True, True]])
    found = monitored(seen, np.full((1, 4), 20.0), np.full((1, 4), 0.3), before)
    assert found.tolist() == [[False, True, True, False]]


def test_more_cannot_leave_than_enter() -> None:
    """Half as many again are borne of a series that is judged, a quarter of one that is not yet."""
    conversion, before = np.array([[1.3, 1.2, 1.4, 1.6]]), np.array([[False, False, True, True]])
    found = monitored(np.full((1, 4), 50.0), np.full((1, 4), 20.0), conversion, before)
    assert found.tolist() == [[False, True, True, False]]


def test_nothing_is_judged_while_learning() -> None:
    """Before that, even who has seen enough is learning."""
    ready = np.array([[True, False]])
    assert codes(ready, learning=True).tolist() == [[Code.LEARNING, Code.LEARNING]]
    assert codes(ready, learning=False).tolist() == [[Code.MONITORED, Code.NOT_MONITORABLE]]


def test_codes_have_words() -> None:
    """Each is one of the words people see."""
    assert [code.word for code in Code] == list(Readiness)
