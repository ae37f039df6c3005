"""What a predecessor told goes on as it was told, rule by rule. Buckets are numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerts.control import Ack
from alerts.drafting import draft
from alerts.lifecycle import Lifecycle, LifecycleSettings
from alerts.model import EVERYWHERE, DataState, Kind, Reason, Rooted, State
from tests.support.findings import PAIR, at, recovered, rooted

if TYPE_CHECKING:
    from alerts.incident import Incident

SETTINGS = LifecycleSettings(reopen_within_ms=60_000)
FUTURE = at(1_000_000)


def told(name: str, number: int, found: Rooted | None = None, **fields: object) -> Incident:
    """An open incident as a predecessor told it at the end of a bucket."""
    incident = draft(found or rooted(), at(number), 0)
    known: dict[str, object] = {"id": name, "revision": 1, "state": State.FIRING, "updated_at_ms": at(number)}
    return msgspec.structs.replace(incident, **known | fields)


def heir(*log: Incident) -> Lifecycle:
    """Who has lost the snapshot, and has the log."""
    made = Lifecycle(SETTINGS)
    made.recall(log, FUTURE)
    return made


def said(lifecycle: Lifecycle, number: int, *found: Rooted, **more: object) -> list[tuple[str, int, str]]:
    """Id, revision and reason of what is told at a bucket."""
    changes = lifecycle.fold(found, more.get("over", ()), at(number), more.get("data", DataState()))  # type: ignore[arg-type]  # short calls
    return [(one.incident.id, one.incident.revision, one.reason.value) for one in changes]


def test_what_is_found_again_goes_on_under_its_id() -> None:
    """Though our own replay opened it later and by another name: nothing is told, and it began when it was told."""
    lifecycle = heir(told("x", 5, revision=3))
    assert said(lifecycle, 4, rooted(Kind.NODE_BREAK)) == []
    assert said(lifecycle, 6, rooted()) == []
    (incident,) = lifecycle.incidents
    assert (incident.id, incident.revision, incident.opened_at_ms) == ("x", 3, at(5))


def test_what_is_worse_than_was_told_is_told() -> None:
    """Under the id that people know, with the next revision."""
    lifecycle = heir(told("x", 5, revision=3))
    assert said(lifecycle, 6, rooted(Kind.NODE_BREAK)) == [("x", 4, "worse")]


def test_what_nobody_finds_is_over_after_a_while() -> None:
    """No sooner than it might have come back, and the time in which its data was bad does not count."""
    bad = DataState(bad=frozenset({"orders"}))
    lifecycle = heir(told("x", 5))
    assert [said(lifecycle, number) for number in range(6, 11)] == [[]] * 5
    assert said(lifecycle, 11, data=bad) == [("x", 2, "held")]
    assert said(lifecycle, 20) == [("x", 3, "released")]
    assert [said(lifecycle, number) for number in range(21, 27)] == [[]] * 6
    assert said(lifecycle, 27) == [("x", 4, "resolved")]


def test_what_is_found_is_left_to_the_mirror_test() -> None:
    """Once found it is ours: it does not end because it is not spoken of."""
    lifecycle = heir(told("x", 5))
    said(lifecycle, 6, rooted())
    assert [said(lifecycle, number) for number in range(7, 40)] == [[]] * 33
    assert said(lifecycle, 40, over=[recovered()]) == [("x", 2, "resolved")]


def test_what_was_over_comes_back_as_the_same() -> None:
    """Resolved by the predecessor, found by us: re-opened, not another one."""
    lifecycle = heir(told("x", 5, state=State.RESOLVED, resolved_at_ms=at(5), revision=2))
    assert said(lifecycle, 5, rooted()) == []
    assert said(lifecycle, 6, rooted()) == [("x", 3, "reopened")]


def test_nothing_is_told_until_replay_is_past_what_was_told() -> None:
    """What only we have found until then is told when it is found again."""
    other = rooted(Kind.TRAFFIC_DROP, PAIR, step=None)
    lifecycle = heir(told("x", 5))
    assert said(lifecycle, 3, other) == []
    assert said(lifecycle, 5, other) == []
    ((name, revision, reason),) = said(lifecycle, 6, other)
    assert (name != "x", revision, reason) == (True, 1, "opened")


def test_what_is_over_by_our_own_test_is_told() -> None:
    """Found and over in the buckets that were told of last."""
    lifecycle = heir(told("x", 5), told("y", 7, rooted(scope=PAIR)))
    said(lifecycle, 5, rooted())
    said(lifecycle, 7, over=[recovered()])
    assert said(lifecycle, 8) == [("x", 2, "resolved")]
    assert [one.resolved_at_ms for one in lifecycle.closed] == [at(7)]


def test_of_two_of_one_identity_the_older_stays() -> None:
    """Two watchers at a time told them; the younger is merged."""
    lifecycle = heir(told("young", 6), told("old", 5))
    assert said(lifecycle, 7) == [("young", 2, "merged")]
    assert [one.id for one in lifecycle.incidents] == ["old"]
    assert lifecycle.closed[0].merged_into == "old"


def test_nothing_stays_under_a_wider_one() -> None:
    """It is merged: findings of it would be the wider one's, and nobody would close it."""
    lifecycle = heir(told("narrow", 5), told("wide", 6, rooted(scope=EVERYWHERE)))
    assert said(lifecycle, 7) == [("narrow", 2, "merged")]
    assert lifecycle.closed[0].merged_into == "wide"


def test_who_takes_on_what_we_do_not_know_yet() -> None:
    """An acknowledgement that comes before replay is past it is not lost, and one that was told is not told again."""
    ack = Ack("x", "li", at(9))
    lifecycle = heir(told("x", 5))
    assert lifecycle.control(ack) == ()
    assert said(lifecycle, 6) == [("x", 2, "acknowledged")]
    known = told("x", 5, state=State.ACKNOWLEDGED, acknowledged_at_ms=ack.at_ms, acknowledged_by="li")
    lifecycle = heir(
        known, msgspec.structs.replace(known, revision=2, state=State.FIRING, reason=Reason.WORSE)
    )
    lifecycle.control(ack)
    assert said(lifecycle, 6) == []


def test_a_record_of_the_future_silences_nobody() -> None:
    """Told by a clock that was wrong: it is believed, but not waited for."""
    lifecycle = Lifecycle(SETTINGS)
    lifecycle.recall([told("x", 900)], at(5))
    assert said(lifecycle, 6, rooted(scope=PAIR, step=None)) != []
    assert "x" in {one.id for one in lifecycle.incidents}


def test_a_snapshot_in_the_midst_of_it() -> None:
    """What was told is state, until it is taken up."""
    lifecycle = heir(told("x", 5))
    lifecycle.control(Ack("x", "li", at(9)))
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(lifecycle.snapshot()))
    assert said(Lifecycle.restore(state, SETTINGS), 6) == [("x", 2, "acknowledged")]


def test_an_older_snapshot_knows_nothing_of_it() -> None:
    """One of a build without it is taken up."""
    state = Lifecycle(SETTINGS).snapshot()
    del state["inheritance"]
    assert Lifecycle.restore(state, SETTINGS).incidents == ()
