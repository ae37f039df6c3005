"""Where it is, in words."""

from __future__ import annotations

from alerts.content.chinese import CHINESE
from alerts.content.english import ENGLISH
from alerts.content.places import step_of, where
from alerts.incident import ScopePart, StepPart


def test_scopes() -> None:
    """With the dimension's name; the whole shop without conditions; own dimensions as they are called."""
    parts = (ScopePart("slot", "a\nb"), ScopePart("channel", "app"))
    assert where(parts, ENGLISH) == "slot a b & channel app"
    assert where(parts, CHINESE) == "资源位 a b & channel app"
    assert where((ScopePart("all", "all"),), CHINESE) == "全店"
    assert where((), ENGLISH) == "whole shop"


def test_steps() -> None:
    """Both nodes, if there is one."""
    assert step_of(StepPart("order", "paid\u202e")) == "order > paid"
    assert step_of(None) is None
