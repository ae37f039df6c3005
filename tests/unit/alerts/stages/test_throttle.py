"""What there is budget for."""

from __future__ import annotations

from alerts.message import MessageState
from alerts.stages.budget import Budget, ChannelRule
from alerts.stages.group import digest_of
from alerts.stages.knowledge import Bucket, Knowledge
from alerts.stages.stage import Parcel, Why
from alerts.stages.throttle import Throttle
from tests.support.deliveries import CRITICAL, candidate, incident, over
from tests.support.findings import T0

THROTTLE = Throttle({"ops": ChannelRule(Budget(messages=20, burst=5, reserve=1))})


def parcel(about: object, state: MessageState = MessageState.OPENED, channel: str = "ops") -> Parcel:
    """Of one incident."""
    return Parcel(f"{about}", channel, state, (candidate(about, state=state),))


PAGE, USUAL = parcel(incident("p", **CRITICAL)), parcel(incident("u"))
END = parcel(over(incident("e")), MessageState.RESOLVED)
DIGEST = digest_of("ops", [*USUAL.told, *USUAL.told])


def passed(*parcels: Parcel, tokens: float) -> list[Parcel]:
    """Which are sent with so many tokens."""
    state = Knowledge(buckets={"ops": Bucket(tokens, T0)})
    decision = THROTTLE.decide(parcels, state, T0)
    assert {one.why for one in decision.dropped} <= {Why.BUDGET}
    return list(decision.survivors)


def test_a_page_or_an_end_never_waits_behind_a_digest() -> None:
    """They go first, and the reserve is theirs."""
    assert passed(DIGEST, USUAL, END, PAGE, tokens=2.0) == [PAGE, END]
    assert passed(DIGEST, USUAL, tokens=1.9) == []
    assert passed(DIGEST, USUAL, tokens=2.0) == [USUAL]
    assert passed(DIGEST, tokens=2.0) == [DIGEST]
    assert passed(PAGE, tokens=1.0) == [PAGE]
    assert passed(PAGE, tokens=0.9) == []


def test_channels_have_budgets_of_their_own() -> None:
    """One that has spent its own stops nobody else."""
    other = parcel(incident("o"), channel="mail")
    assert passed(USUAL, other, tokens=0.0) == [other]


def test_taking() -> None:
    """What is sent is gone from the bucket."""
    state = Knowledge()
    THROTTLE.take((PAGE, END), state, T0)
    assert state.buckets["ops"].tokens == 3
