"""The outbox: told once, also after an outage and a restart; tried, given up, escalated, complained of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alerts.ledger import decode_delivery, encode_delivery
from alerts.message import MessageState
from alerts.model import Severity, State
from alerts.outbox import Outbox
from alerts.rounds import Answer, Lost, OutboxSettings
from alerts.stages.route import Route
from alerts.stages.stage import Why
from streams.errors import ConfigError
from tests.support.deliveries import CRITICAL, OPS, Post, incident, later, over, taken
from tests.support.findings import T0

if TYPE_CHECKING:
    from alerts.stages.stage import Parcel

MINUTE = 60_000
HOUR = 60 * MINUTE
BOTH = Route("all", ("ops", "mail"))


def outage(post: Post, minutes: int) -> list[Parcel]:
    """So many minutes in which every attempt fails, asked every ten seconds."""
    tried = []
    for _ in range(minutes * 6):
        for parcel in post.due(10_000):
            tried.append(parcel)
            post.answer(parcel, Answer.RETRY, error="timeout")
    return tried


def test_an_incident_is_told_once() -> None:
    """At once, and not again however often it is asked."""
    post = Post()
    post.hear(incident())
    assert post.tell() == [("opened", "ops")]
    assert post.tell(10_000) == post.tell(10_000) == []


def test_what_is_being_sent_waits_for_its_report() -> None:
    """And is handed out under the same key again if it failed."""
    post = Post()
    post.hear(incident())
    (first,) = post.due()
    assert post.due(1_000) == ()
    post.answer(first, Answer.RETRY)
    (again,) = post.due(10_000)
    assert again.key == first.key
    post.answer(again)
    assert post.due(10_000) == ()


def test_after_an_hour_the_current_state_goes_out_once() -> None:
    """Of one that is over, one that became worse, and one that only opened: three messages."""
    post = Post(OPS)
    ended, worse, same = (incident(name) for name in ("a", "b", "c"))
    post.hear(ended, worse, same)
    tried = outage(post, 5)
    post.hear(over(ended, T0 + MINUTE), later(worse, severity=Severity.CRITICAL))
    tried += outage(post, 55)
    # Ever more rarely: not at each of 360 occasions.
    assert 30 < len(tried) < 90
    told: list[Parcel] = []
    for _ in range(30):
        parcels = post.due(10_000)
        told += parcels
        for parcel in parcels:
            post.answer(parcel)
    assert sorted((parcel.told[0].incident.id, parcel.state.value) for parcel in told) == [
        ("a", "resolved"),
        ("b", "opened"),
        ("c", "opened"),
    ]
    assert post.dead == []


def test_a_restart_repeats_nothing_that_was_delivered() -> None:
    """The ledger says what was; what was not is told under the key it had."""
    post = Post(BOTH)
    first = incident()
    post.hear(first)
    to_mail, to_ops = sorted(post.due(), key=lambda one: one.channel)
    post.answer(to_ops)
    post.restart()
    assert [one.key for one in post.due(1_000)] == [to_mail.key]
    post.restart()
    post.hear(over(first, post.now_ms))
    # The mail never knew that it was open: it is told that it was, and is over.
    assert sorted(post.tell(1_000)) == [("resolved", "mail"), ("resolved", "ops")]
    post.restart()
    assert post.tell(1_000) == []


def test_a_snapshot_goes_on() -> None:
    """With all that is owed, through plain data."""
    post = Post()
    post.hear(incident())
    (first,) = post.due()
    state = msgspec.json.decode(msgspec.json.encode(post.outbox.snapshot()))
    post.outbox = Outbox.restore(state, post.pipeline, post.settings)
    assert [one.key for one in post.due()] == [first.key]


def test_a_new_channel_is_told_what_is_open_only() -> None:
    """Not what was over before it was there."""
    post = Post()
    post.hear(incident("a"), over(incident("a")), incident("b"))
    post.tell()
    post.pipeline = Post(BOTH).pipeline
    post.now_ms += HOUR // 2
    post.restart()
    assert post.tell() == [("opened", "mail")]


def test_a_channel_is_tried_ever_more_rarely() -> None:
    """Doubled, half of it chance, never above the longest; and as the channel asks."""
    settings = OutboxSettings(first_wait_ms=1_000, longest_wait_ms=60_000)
    assert [settings.wait_ms(failures, 0.0) for failures in (1, 2, 3, 7, 10_000)] == [
        500,
        1_000,
        2_000,
        30_000,
        30_000,
    ]
    assert settings.wait_ms(1, 0.5) == 750
    post = Post()
    post.hear(incident())
    (parcel,) = post.due()
    post.answer(parcel, Answer.RETRY, retry_after_ms=30_000)
    assert post.due(29_999) == ()
    assert len(post.due(1)) == 1


def test_a_failing_channel_is_tried_with_one() -> None:
    """The most urgent; the others wait until it works."""
    post = Post()
    post.hear(*(incident(str(number)) for number in range(3)))
    for parcel in post.due():
        post.answer(parcel, Answer.RETRY)
    post.hear(incident("page", **CRITICAL))
    (parcel,) = post.due(MINUTE)
    assert parcel.told[0].incident.id == "page"
    assert post.due(MINUTE) == ()
    post.answer(parcel)
    assert len(post.tell(1_000)) == 3


def test_what_is_too_old_is_given_up_and_told_elsewhere() -> None:
    """A dead letter, and another channel hears of the failing one, once."""
    post = Post(
        OPS, Route("none", ("pager",)), settings=OutboxSettings(give_up_ms=HOUR, alarm_every_ms=2 * HOUR)
    )
    post.hear(incident())
    metas = [one for one in outage_of_ops(post, 70) if one.meta]
    assert [(one.channel, one.meta.channel, one.meta.error) for one in metas if one.meta] == [
        ("pager", "ops", "timeout")
    ]
    assert [(one.why, one.candidate.incident.id) for one in post.dead] == [(Lost.GIVEN_UP, "i")]
    post.restart()
    assert post.tell(1_000) == []


def outage_of_ops(post: Post, minutes: int) -> list[Parcel]:
    """Only ops fails."""
    handed = []
    for _ in range(minutes * 6):
        for parcel in post.due(10_000):
            handed.append(parcel)
            post.answer(
                parcel, Answer.RETRY if parcel.channel == "ops" else Answer.DELIVERED, error="timeout"
            )
    return handed


def test_what_is_refused_is_not_tried_again() -> None:
    """It is a dead letter, and said elsewhere; what comes next of it is told."""
    post = Post(OPS, Route("none", ("pager",)))
    first = incident()
    post.hear(first)
    (parcel,) = post.due()
    post.answer(parcel, Answer.REFUSED, error="too_large")
    assert [one.why for one in post.dead] == [Lost.REFUSED]
    assert post.tell(1_000) == [("meta", "pager")]
    post.hear(over(first, post.now_ms))
    assert post.tell(1_000) == [("resolved", "ops")]


def test_nobody_acknowledges() -> None:
    """A second channel is asked after a time, once, and told how it ends."""
    post = Post(Route("all", ("ops",), escalate_to=("pager",), escalate_after_ms=15 * MINUTE))
    first = incident()
    post.hear(first)
    assert post.tell() == [("opened", "ops")]
    assert post.tell(14 * MINUTE) == []
    assert post.tell(MINUTE) == [("escalated", "pager")]
    assert post.tell(MINUTE) == []
    post.hear(over(first, post.now_ms))
    assert sorted(post.tell(1_000)) == [("resolved", "ops"), ("resolved", "pager")]


def test_who_acknowledges_is_left_alone_until_it_worsens() -> None:
    """Then nobody has acknowledged it, and the time for that begins anew."""
    post = Post(Route("all", ("ops",), escalate_to=("pager",), escalate_after_ms=15 * MINUTE))
    first = incident()
    post.hear(first)
    post.tell()
    acknowledged = taken(first, T0 + MINUTE)
    post.hear(acknowledged)
    assert post.tell(MINUTE) == [("acknowledged", "ops")]
    assert post.tell(60 * MINUTE) == []
    again = later(
        acknowledged,
        state=State.FIRING,
        severity=Severity.CRITICAL,
        acknowledged_by=None,
        updated_at_ms=post.now_ms,
    )
    post.hear(again)
    assert post.tell() == [("worse", "ops")]
    assert post.tell(14 * MINUTE) == []
    assert post.tell(MINUTE) == [("escalated", "pager")]


def test_who_was_asked_is_asked_again_after_it_worsens() -> None:
    """Acknowledging ends the first asking."""
    post = Post(Route("all", ("ops",), escalate_to=("pager",), escalate_after_ms=15 * MINUTE))
    first = incident(updated_at_ms=T0)
    post.hear(first)
    assert post.tell() == [("opened", "ops")]
    assert post.tell(15 * MINUTE) == [("escalated", "pager")]
    acknowledged = taken(first, post.now_ms)
    post.hear(acknowledged)
    assert sorted(post.tell()) == [("acknowledged", "ops"), ("acknowledged", "pager")]
    post.hear(later(acknowledged, state=State.FIRING, updated_at_ms=post.now_ms))
    assert sorted(post.tell()) == [("worse", "ops"), ("worse", "pager")]
    assert post.tell(15 * MINUTE) == [("escalated", "pager")]


def test_a_record_that_comes_late_owes_nothing() -> None:
    """It was over before; nobody knew, and nobody is told."""
    post = Post()
    first = incident()
    post.hear(over(first), first)
    assert post.tell() == []
    assert post.tell(10_000) == []


def test_a_reminder_comes_in_time() -> None:
    """Each under a key of its own, while nobody takes it."""
    post = Post()
    first = incident()
    post.hear(first)
    keys = set()
    for state in ("opened", "reminder", "reminder"):
        (parcel,) = post.due()
        assert parcel.state.value == state
        keys.add(parcel.key)
        post.answer(parcel)
        assert post.due(59 * MINUTE) == ()
        post.now_ms += MINUTE
    assert len(keys) == 3
    post.hear(taken(first, post.now_ms))
    assert post.tell() == [("acknowledged", "ops")]
    assert post.tell(2 * HOUR) == []


def test_five_thousand_at_once() -> None:
    """As many messages as the budget has, the worst first and alone, the rest together."""
    post = Post()
    post.hear(*(incident(f"{number:04}") for number in range(5_000)), incident("worst", **CRITICAL))
    handed = list(post.due())
    assert handed[0].told[0].incident.id == "worst"
    assert len(handed) <= 5
    assert handed[-1].state is MessageState.DIGEST
    assert sum(len(parcel.told) for parcel in handed) == 5_001
    for parcel in handed:
        post.answer(parcel)
    assert post.due(10_000) == ()


def test_an_edit_knows_its_message() -> None:
    """The channel's own name of the first message comes back with the next."""
    post = Post()
    first = incident()
    post.hear(first)
    (parcel,) = post.due()
    post.answer(parcel, receipt="m1")
    post.hear(over(first, post.now_ms))
    assert [one.receipt for one in post.due(1_000)] == ["m1"]


def test_a_delivery_survives_its_topic() -> None:
    """To the byte."""
    post = Post()
    post.hear(incident())
    post.tell()
    assert [decode_delivery(encode_delivery(one)) for one in post.topic.values()] == [*post.topic.values()]


def test_an_end_from_before_the_ledger_is_not_told() -> None:
    """Read again a day later it is stale, and that is counted."""
    post = Post()
    first = incident(updated_at_ms=T0)
    post.hear(first, over(first, T0))
    said = post.outbox.due(T0 + 25 * HOUR)
    assert said.parcels == ()
    assert said.dropped[("ops", Why.STALE)] == 1


@pytest.mark.parametrize("wrong", [{"first_wait_ms": 0}, {"give_up_ms": 1}, {"longest_wait_ms": 1}])
def test_waits_make_sense(wrong: dict[str, Any]) -> None:
    """Or they are refused."""
    with pytest.raises(ConfigError):
        OutboxSettings(**wrong)
