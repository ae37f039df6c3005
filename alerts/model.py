"""What alerts are about: findings of detectors, the incidents they become, and their words.

Plain data. Times are ms since the epoch, evidence is in nats, money in minor units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What went wrong."""

    NODE_BREAK = "node_break"
    CONVERSION_DROP = "conversion_drop"
    CONVERSION_SURGE = "conversion_surge"
    SLOWER = "slower"
    TRAFFIC_DROP = "traffic_drop"
    TRAFFIC_SURGE = "traffic_surge"
    MIX_SHIFT = "mix_shift"
    REVENUE_DROP = "revenue_drop"
    DATA_OUTAGE = "data_outage"
    BAD_INPUT = "bad_input"
    OUT_OF_STOCK = "out_of_stock"
    PROMOTION_BEHIND_TARGET = "promotion_behind_target"
    RULE = "rule"


class Severity(StrEnum):
    """How bad it is, in rising order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class State(StrEnum):
    """Where an incident stands in its life."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Readiness(StrEnum):
    """Whether a series can be judged."""

    LEARNING = "learning"
    NOT_MONITORABLE = "not_monitorable"
    MONITORED = "monitored"


class Reason(StrEnum):
    """Why an incident's record was written anew."""

    OPENED = "opened"
    WORSE = "worse"
    BETTER = "better"
    WIDER = "wider"
    RENAMED = "renamed"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    MERGED = "merged"
    REOPENED = "reopened"
    HELD = "held"
    RELEASED = "released"
    SILENCED = "silenced"
    UNSILENCED = "unsilenced"
    REMINDER = "reminder"


class Place(NamedTuple):
    """One condition of a scope: a dimension and a key."""

    dimension: str
    key: str


EVERYWHERE = (Place("all", "all"),)


class Step(NamedTuple):
    """A step of the funnel."""

    from_node: str
    to_node: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says of one series at the close of one bucket.

    Attributes:
        kind: what it would be.
        scope: where; several places mean all of them at once.
        step: which step; None where it is about no step (traffic, data).
        since_ms: estimated change point.
        at_ms: end of the bucket.
        observed: downstream count since the change point.
        expected: what it should have been.
        entries: upstream count since the change point.
        evidence: log likelihood ratio, nats.
        threshold: what it is held against, nats.
        one_in_ms: nothing being wrong, evidence like this comes once in so long on this series.
        lost_minor: money lost since the change point; negative is gained. None without money.
        currency: of that money.
        detail: a word for what tells two findings of a kind on one scope apart: a topic and
            partition, a rule's name, a payment method.
    """

    kind: Kind
    scope: tuple[Place, ...]
    step: Step | None
    since_ms: int
    at_ms: int
    observed: float
    expected: float
    entries: float
    evidence: float
    threshold: float
    one_in_ms: float
    lost_minor: int | None = None
    currency: str | None = None
    detail: str = ""

    @property
    def ratio(self) -> float:
        """Observed over expected."""
        return self.observed / self.expected if self.expected else float("inf")


@dataclass(frozen=True, slots=True)
class Contributor:
    """A key under a scope, and its share of the loss."""

    place: tuple[Place, ...]
    observed: float
    expected: float
    share: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why and where: what stands beside an incident.

    Attributes:
        contributors: the largest, first.
        rate_share: share of the change that comes from rates; the rest is mix.
        decomposition: change of GMV in minor units by factor: traffic, conversion, order_value.
        ruled_out: what was looked at and is not the cause, in words of a closed set.
        folded: how many findings below this scope it explains.
    """

    contributors: tuple[Contributor, ...] = ()
    rate_share: float | None = None
    decomposition: dict[str, int] = field(default_factory=dict)
    ruled_out: tuple[str, ...] = ()
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Rooted:
    """A finding that is left once those it explains are folded into it, and what is known beside it.

    Said anew at each close for as long as the evidence stands.

    Attributes:
        severity: None leaves it to the kind.
        promotion: name of the promotion it falls into, and the phase of that.
    """

    finding: Finding
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    severity: Severity | None = None
    promotion: str | None = None
    phase: str | None = None


class Recovered(NamedTuple):
    """The mirror test says that what was found is over; said once or many times."""

    kind: Kind
    scope: tuple[Place, ...]
    step: Step | None
    detail: str = ""


class DataState(NamedTuple):
    """Which source topics cannot be believed.

    Attributes:
        bad: an outage or bad input is named there, or what stood still is being read after.
        doubtful: perhaps; what is found now waits until that is known.
    """

    bad: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()


WELL = DataState()
