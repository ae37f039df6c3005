"""Whatever is found, said to be over, silenced or doubted: what holds of incidents.

Random days of a shop with two slots, a banner and two steps; some folds come twice, and at any point
the life cycle is taken down and up again.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts.control import Ack, Silence, Unsilence
from alerts.drafting import identity_of_incident
from alerts.identity import identity_of
from alerts.incident import decode_incident, encode_incident
from alerts.lifecycle import Lifecycle, LifecycleSettings
from alerts.model import EVERYWHERE, DataState, Kind, Place, Reason, Rooted, State, Step
from tests.support.findings import PAIR, PAY, SLOT, at, recovered, rooted

if TYPE_CHECKING:
    from alerts.identity import Identity
    from alerts.incident import Incident
    from alerts.lifecycle import Change
    from alerts.model import Recovered

SETTINGS = LifecycleSettings(
    hold_ms={Kind.SLOWER: 20_000},
    reopen_within_ms=40_000,
    remind_every_ms=60_000,
    keep_closed_ms=300_000,
    max_open=3,
    max_closed=4,
)
SCOPES = [EVERYWHERE, SLOT, PAIR, (Place("slot", "b"),), PAIR[:1]]
KINDS = [Kind.CONVERSION_DROP, Kind.NODE_BREAK, Kind.SLOWER, Kind.TRAFFIC_DROP, Kind.DATA_OUTAGE]
STEPS = [PAY, Step("click", "view")]
ALLOWED = {
    (None, State.FIRING),
    (State.FIRING, State.FIRING),
    (State.FIRING, State.ACKNOWLEDGED),
    (State.ACKNOWLEDGED, State.ACKNOWLEDGED),
    (State.FIRING, State.RESOLVED),
    (State.ACKNOWLEDGED, State.FIRING),
    (State.ACKNOWLEDGED, State.RESOLVED),
    (State.RESOLVED, State.FIRING),
}


class Close(NamedTuple):
    """One close: what was found and over, the state of data, and what people say after it."""

    later: int
    findings: list[Rooted]
    over: list[Recovered]
    data: DataState
    said: list[str]


TOPICS = st.frozensets(st.sampled_from(["clickstream", "orders"]))
DATA = st.one_of(st.just(DataState()), st.builds(DataState, TOPICS, TOPICS))
FINDINGS = [
    rooted(kind, scope, step=step, lost_minor=lost, currency="CNY")
    for kind in KINDS
    for scope in SCOPES
    for step in STEPS
    for lost in (100, 300, 1_000)
]
OVERS = [recovered(kind, scope, step) for kind in KINDS for scope in SCOPES for step in STEPS]
CLOSE = st.builds(
    Close,
    st.sampled_from([1, 1, 1, 2, 5]),
    st.lists(st.sampled_from(FINDINGS), max_size=4),
    st.lists(st.sampled_from(OVERS), max_size=3),
    DATA,
    st.lists(st.sampled_from(["ack", "silence", "unsilence"]), max_size=2),
)
DAYS = st.lists(CLOSE, min_size=1, max_size=18)


def live(lifecycle: Lifecycle, close: Close, number: int) -> tuple[Change, ...]:
    """Changes of a close and of what is said after it."""
    changes = lifecycle.fold(close.findings, close.over, at(number), close.data)
    for word in close.said:
        record: Any = {
            "ack": Ack(min((i.id for i in lifecycle.incidents), default=""), "li", at(number)),
            "silence": Silence(id="s", by="li", ends_ms=at(number + 3), kinds=(Kind.NODE_BREAK,)),
            "unsilence": Unsilence("s", "li", at(number)),
        }[word]
        changes += lifecycle.control(record)
    return changes


def numbered(days: list[Close]) -> list[tuple[int, Close]]:
    """With the number of the bucket at whose end each is."""
    number, out = 0, []
    for close in days:
        number += close.later
        out.append((number, close))
    return out


@given(DAYS)
def test_states_move_along_allowed_edges_and_revisions_count(days: list[Close]) -> None:
    """Every change of an id follows on its last in state and revision; an id opens once."""
    lifecycle, opened = Lifecycle(SETTINGS), Counter[str]()
    last: dict[str, Incident] = {}
    for number, close in numbered(days):
        for incident, reason in live(lifecycle, close, number):
            before = last.get(incident.id)
            assert (before and before.state, incident.state) in ALLOWED
            assert incident.revision == (before.revision if before else 0) + 1
            assert incident.reason is reason
            opened[incident.id] += reason is Reason.OPENED
            last[incident.id] = incident
            assert decode_incident(encode_incident(incident)) == incident
    assert set(opened.values()) <= {1}


@given(DAYS)
def test_one_identity_one_open_incident_and_nothing_under_a_wider(days: list[Close]) -> None:
    """And what is open is bounded: by the limit, and one more per family."""
    lifecycle = Lifecycle(SETTINGS)
    for number, close in numbered(days):
        live(lifecycle, close, number)
        identities = [identity_of_incident(incident) for incident in lifecycle.incidents]
        assert len(set(identities)) == len(identities)
        assert len({incident.id for incident in (*lifecycle.incidents, *lifecycle.closed)}) == len(
            lifecycle.incidents
        ) + len(lifecycle.closed)
        for one in identities:
            assert not any(
                (one.family, one.step, one.detail) == (other.family, other.step, other.detail)
                and one != other
                and (one.scope == EVERYWHERE or set(one.scope) < set(other.scope))
                for other in identities
            )
        assert len(lifecycle.incidents) <= SETTINGS.max_open + 3
        assert len(lifecycle.closed) <= SETTINGS.max_closed


@given(DAYS)
def test_only_the_mirror_test_resolves_and_nothing_that_is_held(days: list[Close]) -> None:
    """A resolved one was said to be over while it was open and believed, or stands for too many."""
    lifecycle = Lifecycle(SETTINGS)
    said: set[Identity] = set()
    for number, close in numbered(days):
        said |= {identity_of(over) for over in close.over}
        for incident, reason in live(lifecycle, close, number):
            if reason is Reason.RESOLVED:
                assert not incident.held
                assert identity_of_incident(incident) in said or incident.detail == "(more)"
            if reason is Reason.MERGED:
                assert any(other.id == incident.merged_into for other in lifecycle.incidents)


@given(DAYS)
def test_bad_data_opens_and_changes_nothing(days: list[Close]) -> None:
    """While both topics are bad, only incidents about the data change; the others are held at most."""
    lifecycle = Lifecycle(SETTINGS)
    for number, close in numbered(days):
        bad = close._replace(data=DataState(bad=frozenset({"clickstream", "orders"})), said=[])
        even = number % 2 == 0
        for incident, reason in live(lifecycle, bad if even else close, number):
            if even and incident.kind is not Kind.DATA_OUTAGE:
                assert incident.held
                assert reason in (Reason.HELD, Reason.SILENCED, Reason.UNSILENCED)


@given(DAYS, st.integers(0, 24))
def test_a_restart_anywhere_changes_nothing(days: list[Close], cut: int) -> None:
    """Taken down to bytes and up again, and the last close said twice: the same changes, the same state."""
    straight, broken = Lifecycle(SETTINGS), Lifecycle(SETTINGS)
    for place, (number, close) in enumerate(numbered(days)):
        if place == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(broken.snapshot()))
            broken = Lifecycle.restore(state, SETTINGS)
        assert live(straight, close, number) == live(broken, close, number)
        assert broken.fold(close.findings, close.over, at(number), close.data) == ()
    assert straight.snapshot() == broken.snapshot()


@given(DAYS)
def test_the_order_of_findings_does_not_matter(days: list[Close]) -> None:
    """Nor that of recoveries."""
    one, other = Lifecycle(SETTINGS), Lifecycle(SETTINGS)
    for number, close in numbered(days):
        turned = close._replace(findings=close.findings[::-1], over=close.over[::-1])
        said, told = live(one, close, number), live(other, turned, number)
        assert Counter((c.incident.id, c.reason) for c in said) == Counter(
            (c.incident.id, c.reason) for c in told
        )
