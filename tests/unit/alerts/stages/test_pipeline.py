"""The deciders together: what falls out where, and what is owed after it."""

from __future__ import annotations

import pytest

from alerts.model import EVERYWHERE
from alerts.stages.pipeline import Pipeline, PipelineSettings
from alerts.stages.route import Route
from alerts.stages.stage import Why
from streams.errors import ConfigError
from tests.support.deliveries import OPS, Post, incident, later, over
from tests.support.findings import T0


def test_everything_that_is_not_told_has_its_reason() -> None:
    """Counted by channel."""
    post = Post(OPS)
    total, child = incident("total", EVERYWHERE), incident("child")
    post.hear(total, child, incident("hushed", silenced_by=("s",)))
    said = post.outbox.due(T0)
    assert [one.told[0].incident.id for one in said.parcels] == ["total"]
    assert said.dropped == {("", Why.INHIBITED): 1, ("", Why.SILENCED): 1}


def test_a_child_is_told_when_nothing_explains_it_any_more() -> None:
    """A while after its parent ended, by time alone."""
    post = Post(OPS)
    total, child = incident("total", EVERYWHERE), incident("child")
    post.hear(total, child)
    assert post.tell() == [("opened", "ops")]
    post.hear(over(total, T0))
    assert post.tell() == [("resolved", "ops")]
    assert post.tell(59_999) == []
    assert post.tell(1) == [("opened", "ops")]


def test_who_never_knew_is_not_told_of_the_end() -> None:
    """Of what was silenced or explained all its life; who was told is, even then."""
    post = Post(OPS)
    hushed = incident("hushed", silenced_by=("s",))
    post.hear(hushed, over(hushed))
    late = incident("late")
    # It opened while its channel could not be told, and was silenced before it could.
    post.hear(late, later(late, silenced_by=("s",)), over(later(late)))
    assert post.tell() == []
    known = incident("known")
    post.hear(known)
    post.tell()
    post.hear(over(later(known, silenced_by=("s",))))
    assert post.tell() == [("resolved", "ops")]


def test_a_silence_ends() -> None:
    """What is still so is told then."""
    post = Post(OPS)
    hushed = incident("hushed", silenced_by=("s",))
    post.hear(hushed)
    assert post.tell() == []
    post.hear(later(hushed, silenced_by=()))
    assert post.tell() == [("opened", "ops")]


def test_names() -> None:
    """Channels of all routes once; routes are told apart by name."""
    settings = PipelineSettings((OPS, Route("b", ("mail",), escalate_to=("ops", "pager"))))
    assert Pipeline(settings).settings.names == ("ops", "mail", "pager")
    with pytest.raises(ConfigError):
        PipelineSettings((OPS, OPS))
