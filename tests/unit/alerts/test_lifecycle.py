"""The life of an incident, rule by rule. Buckets are numbered; each fold is the end of one."""

from __future__ import annotations

import msgspec
import pytest

from alerts.control import Ack, Silence, Unsilence
from alerts.kept import MORE
from alerts.lifecycle import Lifecycle, LifecycleSettings
from alerts.model import EVERYWHERE, DataState, Diagnosis, Kind, Place, Reason, Severity, State
from tests.support.findings import PAIR, PAY, SLOT, at, opened, reasons, recovered, rooted

BAD = DataState(bad=frozenset({"orders"}))
DOUBTFUL = DataState(doubtful=frozenset({"orders"}))
BREAK = Kind.NODE_BREAK
MINUTE = 6


def test_a_finding_opens_an_incident_once() -> None:
    """Found again with the same numbers there is nothing to tell."""
    lifecycle = opened(SLOT)
    assert reasons(lifecycle, 2, rooted()) == []
    assert [incident.revision for incident in lifecycle.incidents] == [1]


def test_a_series_that_vanishes_changes_nothing() -> None:
    """S13: no finding and no recovery for an hour, and it still fires."""
    lifecycle = Lifecycle(LifecycleSettings(remind_every_ms=None))
    reasons(lifecycle, 1, rooted())
    assert [reasons(lifecycle, number) for number in range(2, 60 * MINUTE)] == [[]] * (60 * MINUTE - 2)
    assert [incident.state for incident in lifecycle.incidents] == [State.FIRING]


def test_the_mirror_test_resolves() -> None:
    """And the record says when."""
    lifecycle = opened(SLOT)
    assert reasons(lifecycle, 9, over=[recovered()]) == ["resolved"]
    assert lifecycle.incidents == ()
    assert lifecycle.closed[0].resolved_at_ms == at(9)


def test_what_is_found_is_not_over() -> None:
    """A finding weighs more than a recovery said at the same close."""
    lifecycle = opened(SLOT)
    assert reasons(lifecycle, 2, rooted(), over=[recovered()]) == []


def test_it_comes_back_as_the_same_within_the_time() -> None:
    """Under its id with the next revision, and nobody has taken it any more."""
    lifecycle = opened(SLOT)
    first = lifecycle.incidents[0]
    lifecycle.control(Ack(first.id, "li", at(1)))
    reasons(lifecycle, 2, over=[recovered()])
    assert reasons(lifecycle, 2 + 15 * MINUTE, rooted()) == ["reopened"]
    again = lifecycle.incidents[0]
    assert (again.id, again.revision, again.reopened) == (first.id, 4, 1)
    assert (again.state, again.acknowledged_by, again.resolved_at_ms) == (State.FIRING, None, None)


def test_what_is_acknowledged_fires_again_when_it_becomes_worse() -> None:
    """Whoever took it took less; what stays the same, or shrinks, stays theirs."""
    lifecycle = opened(SLOT)
    lifecycle.control(Ack(lifecycle.incidents[0].id, "li", at(1)))
    assert reasons(lifecycle, 2, rooted()) == []
    assert lifecycle.incidents[0].state is State.ACKNOWLEDGED
    assert reasons(lifecycle, 3, rooted(severity=Severity.CRITICAL)) == ["worse"]
    worse = lifecycle.incidents[0]
    assert (worse.state, worse.acknowledged_by, worse.acknowledged_at_ms) == (State.FIRING, None, None)


def test_later_it_is_another() -> None:
    """With another id, though the detector may say the same change point; and never since before the last ended."""
    lifecycle = opened(SLOT)
    reasons(lifecycle, 2, over=[recovered()])
    assert reasons(lifecycle, 3 + 15 * MINUTE, rooted()) == ["opened"]
    first, second = lifecycle.closed[0], lifecycle.incidents[0]
    assert first.id != second.id
    assert second.since_ms == first.resolved_at_ms


def test_hold_waits() -> None:
    """A kind that has to be found for a minute is told after a minute, and only if it is still found."""
    settings = LifecycleSettings(hold_ms={Kind.CONVERSION_DROP: 60_000})
    lifecycle = Lifecycle(settings)
    assert [reasons(lifecycle, number, rooted()) for number in range(1, 8)] == [[]] * 6 + [["opened"]]
    lifecycle = Lifecycle(settings)
    reasons(lifecycle, 1, rooted())
    assert [reasons(lifecycle, number) for number in range(2, 10)] == [[]] * 8
    # It was dropped: the minute begins anew.
    assert reasons(lifecycle, 10, rooted()) == []


def test_a_drop_that_breaks_is_the_same_incident() -> None:
    """It is renamed for the worse, and not named back."""
    lifecycle = opened(SLOT)
    name = lifecycle.incidents[0].id
    assert reasons(lifecycle, 2, rooted(BREAK, observed=2)) == ["worse"]
    assert reasons(lifecycle, 3, rooted(observed=50)) == []
    incident = lifecycle.incidents[0]
    assert (incident.id, incident.kind, incident.severity) == (name, BREAK, Severity.CRITICAL)
    assert incident.worst_ratio == pytest.approx(0.02)
    assert reasons(lifecycle, 4, over=[recovered()]) == ["resolved"]


def test_of_two_words_for_one_thing_the_worse_counts() -> None:
    """A break and a drop found at the same place at once are one incident with the break's numbers."""
    lifecycle = Lifecycle()
    assert reasons(lifecycle, 1, rooted(observed=50), rooted(BREAK, observed=2)) == ["opened"]
    assert [(incident.kind, incident.observed) for incident in lifecycle.incidents] == [(BREAK, 2)]


def test_the_loss_is_told_when_it_doubles_or_halves() -> None:
    """Per minute and against what was last told, so that it does not chatter."""
    lifecycle = Lifecycle()
    lost = [1_000, 1_900, 2_100, 4_000, 1_100, 1_000, 999]
    said = [
        reasons(lifecycle, number, rooted(lost_minor=money, currency="CNY"))
        for number, money in enumerate(lost, 1)
    ]
    assert said == [["opened"], [], ["worse"], [], [], ["better"], []]  # 4,000 is not twice 2,100


def test_severity_rises_at_once_and_falls_with_the_loss() -> None:
    """At a border it would go to and fro."""
    lifecycle = Lifecycle()
    say = [
        (Severity.WARNING, 1_000),
        (Severity.CRITICAL, 1_100),
        (Severity.WARNING, 1_000),
        (Severity.INFO, 400),
    ]
    said = [
        reasons(lifecycle, number, rooted(severity=severity, lost_minor=lost))
        for number, (severity, lost) in enumerate(say, 1)
    ]
    assert said == [["opened"], ["worse"], [], ["better"]]
    assert lifecycle.incidents[0].severity is Severity.INFO


def test_a_wider_scope_takes_over_the_oldest() -> None:
    """Two slots, then everywhere: the older becomes that, the younger is merged into it."""
    other = (Place("slot", "home.top.2"),)
    lifecycle = opened(SLOT, other)
    older, younger = lifecycle.incidents
    assert reasons(lifecycle, 3, rooted(scope=EVERYWHERE)) == ["wider", "merged"]
    assert [(i.id, i.scope[0].dimension) for i in lifecycle.incidents] == [(older.id, "all")]
    assert [(i.id, i.state, i.merged_into) for i in lifecycle.closed] == [
        (younger.id, State.RESOLVED, older.id)
    ]


def test_what_a_wider_one_explains_opens_nothing() -> None:
    """S11: the slot under a broken total is not one more message; the total's end is the end."""
    lifecycle = opened(EVERYWHERE)
    assert reasons(lifecycle, 2, rooted(), rooted(scope=PAIR)) == []
    assert reasons(lifecycle, 3, over=[recovered()]) == []
    assert reasons(lifecycle, 4, over=[recovered(scope=EVERYWHERE)]) == ["resolved"]


def test_a_condition_less_is_wider() -> None:
    """The slot covers the pair of slot and banner, the order of the places does not matter."""
    lifecycle = opened(PAIR)
    assert reasons(lifecycle, 2, rooted(scope=PAIR[::-1])) == []
    assert reasons(lifecycle, 3, rooted()) == ["wider"]


def test_another_step_is_another_thing() -> None:
    """Nothing is merged over steps."""
    lifecycle = opened(SLOT)
    wide = rooted(scope=EVERYWHERE, step=PAY._replace(from_node="checkout", to_node="order"))
    assert reasons(lifecycle, 2, wide) == ["opened"]
    assert len(lifecycle.incidents) == 2


def test_a_widened_one_leaves_its_id_to_nobody() -> None:
    """The slot is found again with the old change point after the total's end: another incident."""
    lifecycle = opened(SLOT)
    reasons(lifecycle, 2, rooted(scope=EVERYWHERE))
    reasons(lifecycle, 3, over=[recovered(scope=EVERYWHERE)])
    assert reasons(lifecycle, 4, rooted()) == ["opened"]
    assert lifecycle.closed[0].id != lifecycle.incidents[0].id


def test_bad_data_holds() -> None:
    """Nothing opens, changes or ends while it lasts; then it goes on, and says both."""
    lifecycle = opened(SLOT)
    assert reasons(lifecycle, 2, rooted(BREAK), rooted(scope=PAIR), over=[recovered()], data=BAD) == ["held"]
    assert reasons(lifecycle, 3, over=[recovered()], data=BAD) == []
    assert lifecycle.incidents[0].held
    assert reasons(lifecycle, 4) == ["released"]
    assert reasons(lifecycle, 5, over=[recovered()]) == ["resolved"]


def test_bad_orders_do_not_hold_what_clicks_tell() -> None:
    """Traffic and the steps before the order are of the clickstream; data's own incidents are never held."""
    lifecycle = Lifecycle()
    views = rooted(step=PAY._replace(from_node="click", to_node="view"))
    outage = rooted(Kind.DATA_OUTAGE, (Place("topic", "orders"),), step=None)
    assert reasons(lifecycle, 1, views, outage, rooted(Kind.REVENUE_DROP), data=BAD) == ["opened", "opened"]


def test_doubt_waits() -> None:
    """What is found in doubt opens once that is gone, and never if the data turns out to be bad."""
    lifecycle = Lifecycle()
    assert reasons(lifecycle, 1, rooted(), data=DOUBTFUL) == []
    assert lifecycle.incidents == ()
    assert reasons(lifecycle, 2, rooted()) == ["opened"]
    lifecycle = Lifecycle()
    reasons(lifecycle, 1, rooted(), data=DOUBTFUL)
    assert reasons(lifecycle, 2, rooted(), data=BAD) == []
    assert reasons(lifecycle, 3) == []


def test_an_end_in_doubt_waits_too() -> None:
    """It counts once the doubt is gone; found again, it does not."""
    lifecycle = opened(SLOT)
    assert reasons(lifecycle, 2, over=[recovered()], data=DOUBTFUL) == []
    assert reasons(lifecycle, 3) == ["resolved"]
    lifecycle = opened(SLOT)
    reasons(lifecycle, 2, over=[recovered()], data=DOUBTFUL)
    assert reasons(lifecycle, 3, rooted()) == []


def test_in_doubt_it_comes_back_as_the_same() -> None:
    """Waiting as pending does not make a returning incident a new one."""
    lifecycle = opened(SLOT)
    reasons(lifecycle, 2, over=[recovered()])
    reasons(lifecycle, 3, rooted(), data=DOUBTFUL)
    assert reasons(lifecycle, 4, rooted()) == ["reopened"]


def test_acknowledging() -> None:
    """Once, and only what fires; it stays until the end."""
    lifecycle = opened(SLOT)
    ack = Ack(lifecycle.incidents[0].id, "li", at(1) + 3_000)
    assert [change.reason for change in lifecycle.control(ack)] == [Reason.ACKNOWLEDGED]
    assert lifecycle.control(ack) == ()
    assert lifecycle.control(Ack("nobody", "li", at(1))) == ()
    assert reasons(lifecycle, 400, rooted()) == []
    incident = lifecycle.incidents[0]
    assert (incident.state, incident.acknowledged_by) == (State.ACKNOWLEDGED, "li")
    assert incident.acknowledged_at_ms == at(1) + 3_000


def test_reminders() -> None:
    """A firing one that nobody took is told again each hour."""
    lifecycle = opened(SLOT)
    said = [number for number in range(2, 800) if reasons(lifecycle, number)]
    assert said == [1 + 60 * MINUTE, 1 + 120 * MINUTE]


def test_silences() -> None:
    """A silenced incident lives on and carries the silence's id, from start to end."""
    lifecycle = opened(SLOT)
    silence = Silence(id="s1", by="li", ends_ms=at(9), kinds=(Kind.CONVERSION_DROP,))
    assert [change.reason for change in lifecycle.control(silence)] == [Reason.SILENCED]
    assert lifecycle.incidents[0].silenced_by == ("s1",)
    assert reasons(lifecycle, 8, rooted(scope=(Place("slot", "b"),))) == ["opened"]
    assert all(incident.silenced_by for incident in lifecycle.incidents)
    assert reasons(lifecycle, 9) == ["unsilenced", "unsilenced"]
    lifecycle.control(Silence(id="s2", by="li", ends_ms=at(99)))
    assert {change.reason for change in lifecycle.control(Unsilence("s2", "li", at(9)))} == {
        Reason.UNSILENCED
    }


def test_a_fold_said_again_changes_nothing() -> None:
    """The same bucket twice, or an older one."""
    lifecycle = opened(SLOT)
    assert reasons(lifecycle, 1, rooted(scope=EVERYWHERE)) == []
    assert reasons(lifecycle, 0, over=[recovered()]) == []


def test_beyond_the_limit_they_are_summed() -> None:
    """In one incident that counts them; it ends by itself when there has been room for long."""
    lifecycle = Lifecycle(LifecycleSettings(max_open=3))
    slots = [rooted(scope=(Place("slot", str(number)),), evidence=20.0 - number) for number in range(5)]
    assert reasons(lifecycle, 1, *slots) == ["opened"] * 4
    more = lifecycle.incidents[-1]
    assert (more.detail, more.folded, more.scope[0].key) == (MORE, 2, "all")
    assert [incident.scope[0].key for incident in lifecycle.incidents[:3]] == ["0", "1", "2"]
    assert reasons(lifecycle, 2 + 15 * MINUTE) == ["resolved"]


def test_closed_ones_are_kept_for_a_day() -> None:
    """And at most so many."""
    lifecycle = Lifecycle(LifecycleSettings(max_closed=2))
    for number in range(1, 9, 2):
        scope = (Place("slot", str(number)),)
        reasons(lifecycle, number, rooted(scope=scope))
        reasons(lifecycle, number + 1, over=[recovered(scope=scope)])
    assert [incident.scope[0].key for incident in lifecycle.closed] == ["5", "7"]
    reasons(lifecycle, 8 + 24 * 60 * MINUTE + 1)
    assert lifecycle.closed == ()


def test_what_stands_beside_goes_into_the_record() -> None:
    """Diagnosis, promotion and phase; a stale diagnosis is replaced."""
    lifecycle = Lifecycle()
    reasons(lifecycle, 1, rooted(diagnosis=Diagnosis(folded=7), promotion="D11", phase="open"))
    assert [(i.folded, i.promotion, i.phase) for i in lifecycle.incidents] == [(7, "D11", "open")]
    reasons(lifecycle, 2, rooted(diagnosis=Diagnosis(folded=9), promotion="D11", phase="steady"))
    assert [(i.folded, i.phase) for i in lifecycle.incidents] == [(9, "steady")]


def test_a_snapshot_is_plain_data() -> None:
    """It survives being written as MessagePack, and one that is damaged is refused."""
    lifecycle = opened(SLOT, PAIR[:1])
    lifecycle.control(Silence(id="s1", by="li", ends_ms=at(9)))
    reasons(lifecycle, 3, over=[recovered()])
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(lifecycle.snapshot()))
    assert Lifecycle.restore(state).snapshot() == lifecycle.snapshot()
    with pytest.raises(msgspec.ValidationError):
        Lifecycle.restore({**state, "open": [{"incident": 1}]})
