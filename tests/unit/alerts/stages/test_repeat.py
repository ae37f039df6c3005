"""What lasts is sent again to who would take silence for an end; nothing of it is written down."""

from __future__ import annotations

from alerts.rounds import Answer
from alerts.stages.budget import Budget, ChannelRule
from alerts.stages.repeat import Repeat
from alerts.stages.stage import Haste
from tests.support.deliveries import OPS, Post, incident, later, over

MINUTE = 60_000
EVERY_MINUTE = {"ops": ChannelRule(digests=False, resend_ms=MINUTE)}


def told() -> Post:
    """One incident, told to a channel that has to hear of it every minute."""
    post = Post(OPS, channels=EVERY_MINUTE)
    post.hear(incident())
    assert len(post.tell()) == 1
    return post


def test_it_is_sent_again_each_minute_while_it_is_open() -> None:
    """Six looks a minute, one message; none when it is over but the one that says so."""
    post = told()
    looks = [len(post.tell(10_000)) for _ in range(12)]
    assert looks == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    post.hear(over(incident()))
    assert [state for state, _ in post.tell(10_000)] == ["resolved"]
    assert [post.tell(10_000) for _ in range(8)] == [[]] * 8


def test_it_shows_what_is_so_now_and_writes_nothing() -> None:
    """The newest record; the ledger still holds what was told."""
    post = told()
    before = dict(post.topic)
    post.hear(later(incident(), observed=1.0))
    (parcel,) = post.due(MINUTE)
    assert (parcel.again, parcel.told[0].incident.revision) == (True, 2)
    post.answer(parcel)
    assert post.topic == before


def test_it_goes_after_everything_else() -> None:
    """A page never waits behind it."""
    post = told()
    post.hear(incident("new"))
    first, second = post.due(MINUTE)
    assert (first.again, second.again) == (False, True)
    assert first.order < second.order
    assert first.haste is Haste.USUAL


def test_a_channel_that_fails_is_tried_with_one() -> None:
    """And backs off; when it answers again, all is well again."""
    post = Post(OPS, channels=EVERY_MINUTE)
    post.hear(*(incident(name) for name in "abcd"))
    assert len(post.tell()) == 4
    for parcel in post.due(MINUTE):
        post.answer(parcel, Answer.RETRY, error="timeout")
    assert len(post.due(2 * MINUTE)) == 1
    assert post.due(10_000) == ()


def test_after_a_restart_it_is_due_at_once() -> None:
    """Nobody knows how long ago it was sent last, but that it was told."""
    post = told()
    post.now_ms += 5 * MINUTE
    post.restart()
    assert [parcel.again for parcel in post.due()] == [True]


def test_so_many_at_once() -> None:
    """Those that waited longest first, the rest at the next look."""
    wide = Budget(messages=1_000, burst=500)
    post = Post(OPS, channels={"ops": ChannelRule(wide, digests=False, resend_ms=MINUTE)})
    post.hear(*(incident(f"i{number}") for number in range(250)))
    assert len(post.tell()) == 250
    assert [len(post.tell(after_ms)) for after_ms in (MINUTE, 10_000)] == [200, 50]


def test_without_such_channels_nothing_is_looked_for() -> None:
    """The usual case costs nothing."""
    post = told()
    assert Repeat({"ops": ChannelRule()}).due(post.outbox.known, post.now_ms + 10 * MINUTE) == ()
