"""One message or several."""

from __future__ import annotations

import pytest

from alerts.message import MessageState
from alerts.stages.budget import Budget, ChannelRule
from alerts.stages.group import Group
from alerts.stages.knowledge import Bucket, Knowledge
from alerts.stages.route import Route
from alerts.stages.stage import Candidate, Why
from tests.support.deliveries import CRITICAL, candidate, incident
from tests.support.findings import T0

RULE = ChannelRule(Budget(messages=20, burst=5, reserve=1))
COLLECTING = Route("slow", ("ops",), collect_ms=1_000)


def batch(pages: int, usual: int, **fields: object) -> tuple[Candidate, ...]:
    """So many of both."""
    return tuple(
        candidate(
            incident(f"{number:03}", **(CRITICAL if number < pages else {})),
            state=MessageState.OPENED,
            owed_ms=T0,
            **fields,
        )
        for number in range(pages + usual)
    )


def sizes(
    candidates: tuple[Candidate, ...], tokens: float, now_ms: int = T0, *, digests: bool = True
) -> list[int]:
    """How many are told of in each message."""
    state = Knowledge(buckets={"ops": Bucket(tokens, now_ms)})
    rules = {"ops": ChannelRule(RULE.budget, digests=digests)}
    said = Group((COLLECTING,), rules).decide(candidates, state, now_ms)
    return [len(parcel.told) for parcel in said.decision.survivors]


@pytest.mark.parametrize(
    ("pages", "usual", "tokens", "expected"),
    [
        (0, 1, 5, [1]),
        (0, 4, 5, [1, 1, 1, 1]),
        (0, 5, 5, [1, 1, 1, 2]),
        (5, 0, 5, [1] * 5),
        (2, 3, 5, [1, 1, 1, 2]),
        (4, 3, 5, [1, 1, 1, 1, 3]),
        (100, 0, 5, [1, 1, 1, 97]),
        (0, 100, 5, [1, 1, 1, 97]),
        (100, 0, 1, [100]),
        (0, 3, 0, [3]),
        (1, 1, 1, [1, 1]),
    ],
)
def test_the_worst_alone(pages: int, usual: int, tokens: float, expected: list[int]) -> None:
    """As many as there are tokens for, with one left for the rest and one in reserve."""
    assert sizes(batch(pages, usual), tokens) == expected


def test_channels_that_know_no_digest() -> None:
    """Are told of each; the budget makes them wait."""
    assert sizes(batch(1, 9), 5, digests=False) == [1] * 10


def test_a_route_that_collects() -> None:
    """What is not urgent waits until the oldest is old enough, then goes together."""
    collected = batch(1, 3, route="slow")
    state = Knowledge()
    said = Group((COLLECTING,), {"ops": RULE}).decide(collected, state, T0 + 999)
    assert [len(parcel.told) for parcel in said.decision.survivors] == [1]
    assert [one.why for one in said.dropped] == [Why.COLLECTING] * 3
    assert sizes(collected, 5, T0 + 1_000) == [1, 3]
