"""An open incident is pinned down to the one narrower place that explains it."""

from __future__ import annotations

import msgspec
import pytest

from alerts.lifecycle import Lifecycle
from alerts.model import EVERYWHERE, DataState, Place, Rooted
from tests.support.findings import PAIR, SLOT, opened, reasons, recovered, rooted

MINUTE = 6
DOUBTFUL = DataState(doubtful=frozenset({"orders"}))


BANNER = (Place("banner", "hero"),)
SOON, LATER = 2, 2 + 3 * MINUTE


def narrowed(lifecycle: Lifecycle, *findings: Rooted, since: int = SOON) -> list[str]:
    """Reasons of three minutes in which only these are found."""
    return [
        reason
        for number in range(since, since + 3 * MINUTE + 1)
        for reason in reasons(lifecycle, number, *findings)
    ]


def test_what_a_pair_explains_for_long_enough_is_about_the_pair() -> None:
    """The same incident with its id, at the end of three minutes; it is over when the pair is."""
    lifecycle = opened(BANNER)
    (before,) = lifecycle.incidents
    assert [reasons(lifecycle, number, rooted(scope=PAIR)) for number in range(SOON, LATER)] == [[]] * (
        LATER - SOON
    )
    assert reasons(lifecycle, LATER, rooted(scope=PAIR)) == ["renamed"]
    (incident,) = lifecycle.incidents
    assert (incident.id, incident.since_ms) == (before.id, before.since_ms)
    assert [part.key for part in incident.scope] == [place.key for place in PAIR]
    assert reasons(lifecycle, LATER + 1, over=[recovered(scope=PAIR)]) == ["resolved"]


@pytest.mark.parametrize(
    ("first", "found"),
    [
        (BANNER, [rooted(scope=PAIR), rooted(scope=BANNER)]),
        (BANNER, [rooted(scope=PAIR), rooted(scope=(BANNER[0], Place("slot", "search")))]),
        (EVERYWHERE, [rooted(scope=PAIR)]),
        (BANNER, [rooted(scope=PAIR, step=None)]),
        (BANNER, []),
    ],
)
def test_nothing_else_takes_its_name(first: tuple[Place, ...], found: list[Rooted]) -> None:
    """While it is found itself, two places explain it, it is about everything, or they are about another step."""
    lifecycle = opened(first)
    assert "renamed" not in narrowed(lifecycle, *found)
    assert first in {
        tuple(Place(part.dimension, part.key) for part in one.scope) for one in lifecycle.incidents
    }


def test_a_pause_begins_anew() -> None:
    """The banner itself is found once: three minutes from then on."""
    lifecycle = opened(BANNER)
    for number in range(SOON, LATER):
        reasons(lifecycle, number, rooted(scope=PAIR))
    assert reasons(lifecycle, LATER, rooted(scope=BANNER)) == []
    assert narrowed(lifecycle, rooted(scope=PAIR), since=LATER + 1) == ["renamed"]


def test_two_that_one_pair_explains_become_one() -> None:
    """Its slot's and its banner's: the older is renamed, the other is part of it."""
    lifecycle = opened(SLOT, BANNER)
    assert sorted(narrowed(lifecycle, rooted(scope=PAIR), since=3)) == ["merged", "renamed"]
    (incident,) = lifecycle.incidents
    assert lifecycle.closed[-1].merged_into == incident.id


def test_a_restart_in_between_changes_nothing() -> None:
    """The time that the pair has explained it goes with the snapshot."""
    lifecycle = opened(BANNER)
    for number in range(SOON, LATER):
        reasons(lifecycle, number, rooted(scope=PAIR))
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(lifecycle.snapshot()))
    assert reasons(Lifecycle.restore(state), LATER, rooted(scope=PAIR)) == ["renamed"]


def test_in_doubt_nothing_is_renamed() -> None:
    """What is found while the data may be bad waits; certain again, three minutes begin."""
    lifecycle = opened(BANNER)
    for number in range(SOON, LATER + MINUTE):
        assert reasons(lifecycle, number, rooted(scope=PAIR), data=DOUBTFUL) == []
    assert narrowed(lifecycle, rooted(scope=PAIR), since=LATER + MINUTE) == ["renamed"]
