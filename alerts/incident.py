"""The incident and its record on ``funnelwatch.incidents``: JSON, version 1, ``schema/incident-v1.json``.

Promises: the whole of an incident stands in its newest record, so whoever missed the others has lost
nothing; records of one incident share their id and count up ``revision``; every time stands there
twice, in ms since the epoch (``..._ms``) and as RFC 3339 in UTC. The ms are what is read back.
Fields may be added within a version, and readers skip those they do not know; another version is
refused. Numbers that are not finite are null.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from alerts.model import Kind, Reason, Severity, State
from streams.errors import CodecError

VERSION: Final = 1
# 95 % of a normal distribution lie within.
_Z: Final = 1.96
_TIMES: Final = ("since", "opened_at", "updated_at", "acknowledged_at", "resolved_at")


class ScopePart(msgspec.Struct, frozen=True):
    """One condition of a scope."""

    dimension: str
    key: str


class StepPart(msgspec.Struct, frozen=True):
    """A step of the funnel."""

    from_node: str
    to_node: str


class ContributorPart(msgspec.Struct, frozen=True):
    """A key under the scope and its share of the loss."""

    scope: tuple[ScopePart, ...]
    observed: float
    expected: float
    share: float


class CoursePart(msgspec.Struct, frozen=True):
    """How counts went lately, beside what was expected of them. All lists are equally long, oldest first.

    Attributes:
        end_ms: when the newest span ended.
        span_ms: of each.
        observed: what was counted.
        expected: what was to be expected.
        low: with ``high``, where counts lie in 95 % of spans if all is well.
    """

    end_ms: int
    span_ms: int
    observed: tuple[float, ...]
    expected: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. Counts are since the change point, money in minor units.

    Attributes:
        id: stable over restarts and replays.
        revision: counts the records of the incident, from 1.
        reason: why this record was written.
        since_ms: estimated change point.
        opened_at_ms: when it was decided: the end of a bucket.
        ratio: observed over expected, with its 95 % interval for the count that was seen.
        worst_ratio: farthest from 1 that the ratio was.
        evidence: log likelihood ratio, nats.
        one_in_ms: nothing being wrong, evidence like this comes once in so long.
        lost_conversions: expected less observed; None where no conversions are counted.
        lost_minor: money lost; negative is gained.
        rate_share: share of the change that comes from rates; the rest is mix.
        decomposition: change of GMV by factor.
        ruled_out: what was looked at and is not the cause.
        folded: findings below the scope that it explains.
        held: its data cannot be believed at present, so it neither changes nor ends.
        silenced_by: ids of the silences that match.
        merged_into: id of the incident that explains it.
        reopened: how often it came back within the time for that.
        links: by name; whoever tells people fills them in.
        course: the last half hour, of a step of one key or of everything; None where it is not kept.
    """

    id: str
    revision: int
    kind: Kind
    severity: Severity
    state: State
    reason: Reason
    scope: tuple[ScopePart, ...]
    since_ms: int
    opened_at_ms: int
    updated_at_ms: int
    observed: float
    expected: float
    entries: float
    evidence: float
    version: int = VERSION
    step: StepPart | None = None
    detail: str = ""
    acknowledged_at_ms: int | None = None
    acknowledged_by: str | None = None
    resolved_at_ms: int | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    worst_ratio: float | None = None
    one_in_ms: float | None = None
    lost_conversions: float | None = None
    lost_conversions_per_minute: float | None = None
    lost_minor: int | None = None
    lost_minor_per_minute: float | None = None
    currency: str | None = None
    contributors: tuple[ContributorPart, ...] = ()
    rate_share: float | None = None
    decomposition: dict[str, int] = {}
    ruled_out: tuple[str, ...] = ()
    folded: int = 0
    promotion: str | None = None
    phase: str | None = None
    held: bool = False
    silenced_by: tuple[str, ...] = ()
    merged_into: str | None = None
    reopened: int = 0
    links: dict[str, str] = {}
    course: CoursePart | None = None

    @property
    def open(self) -> bool:
        """Whether people know of it and it is not over."""
        return self.state in (State.FIRING, State.ACKNOWLEDGED)


_encoder = msgspec.json.Encoder()


def encode_incident(incident: Incident) -> bytes:
    """The record of an incident."""
    return _encoder.encode(record_of(incident))


def record_of(incident: Incident) -> dict[str, Any]:
    """The same as plain data, with every time as text beside its ms."""
    record: dict[str, Any] = msgspec.to_builtins(incident)
    for name in _TIMES:
        record[name] = rfc3339(record[f"{name}_ms"])
    return record


def decode_incident(data: bytes | None) -> Incident:
    """An incident from its record.

    Raises:
        CodecError: not a record of an incident, another version, or damaged.
    """
    try:
        record = msgspec.json.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CodecError("incident is not JSON") from error
    version = record.get("version") if isinstance(record, dict) else None
    if version != VERSION or isinstance(version, bool):
        raise CodecError(f"incident version {_shown(version)}, this build reads version {VERSION}")
    try:
        return msgspec.convert(record, Incident, strict=True)
    except msgspec.ValidationError as error:
        raise CodecError("damaged incident") from error


def _shown(version: object) -> str:
    return str(version) if isinstance(version, int) else "unknown"


def rfc3339(time_ms: int | None) -> str | None:
    """A time as text, to the millisecond, in UTC."""
    if time_ms is None:
        return None
    seconds, ms = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def finite(number: float) -> float | None:
    """The number, or None if it is not finite."""
    return number if math.isfinite(number) else None


def ratio_interval(observed: float, expected: float) -> tuple[float, float] | None:
    """Lower and upper end of observed over expected, 95 %, for a Poisson count; None without expectation.

    Wilson and Hilferty's approximation of the chi-square quantiles; within 1 % from 2 counts on.
    """
    if expected <= 0:
        return None
    return _bound(observed, -_Z) / expected, _bound(observed + 1, _Z) / expected


def _bound(count: float, z: float) -> float:
    if count <= 0:
        return 0.0
    root = 1 - 1 / (9 * count) + z / (3 * math.sqrt(count))
    return count * max(0.0, root) ** 3
