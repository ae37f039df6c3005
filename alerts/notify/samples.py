"""Messages that tell of nothing: one of each kind, to see whether a channel takes them, and how they look.

Pure. They say that they are a test where nobody can miss it; what they show is made up, but goes the way
of what is not: the same words, the same picture, the same limits.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.content.writing import write
from alerts.incident import ContributorPart, CoursePart, Incident, ScopePart, StepPart
from alerts.message import Language, MessageState
from alerts.model import Kind, Reason, Severity, State
from alerts.sparkline import sparkline
from alerts.stages.knowledge import MetaAlert
from alerts.stages.stage import Candidate, Parcel, key_of

if TYPE_CHECKING:
    from alerts.content.writing import WritingSettings
    from alerts.message import Message

_MINUTE_MS: Final = 60_000
_MARK: Final = {Language.EN: "[TEST]", Language.ZH: "【测试】"}
_NOTE: Final = {
    Language.EN: "This is a test of the channel by funnelwatch notify-test. Nothing is wrong.",
    Language.ZH: "这是 funnelwatch notify-test 发送的渠道测试消息，并无故障。",  # noqa: RUF001 - Chinese
}


class Sample(StrEnum):
    """What there are samples of."""

    OPENED = "opened"
    WORSE = "worse"
    RESOLVED = "resolved"
    DIGEST = "digest"
    META = "meta"


def sample_incident(now_ms: int, name: str = "notify-test") -> Incident:
    """A slot at which half of the payments are missing for six minutes; no real one has its id."""
    scope = (ScopePart("slot", "home.top.1"),)
    return Incident(
        id=f"{name}-{now_ms}",
        revision=1,
        kind=Kind.CONVERSION_DROP,
        severity=Severity.WARNING,
        state=State.FIRING,
        reason=Reason.OPENED,
        scope=scope,
        step=StepPart("order", "paid"),
        since_ms=now_ms - 6 * _MINUTE_MS,
        opened_at_ms=now_ms,
        updated_at_ms=now_ms,
        observed=151.0,
        expected=300.0,
        entries=412.0,
        evidence=33.4,
        one_in_ms=3.1e13,
        ratio=0.503,
        ratio_low=0.43,
        ratio_high=0.59,
        worst_ratio=0.47,
        lost_conversions=149.0,
        lost_conversions_per_minute=24.8,
        lost_minor=1_892_300,
        lost_minor_per_minute=315_383,
        currency="CNY",
        contributors=(
            ContributorPart((*scope, ScopePart("banner", "hero_v3")), 40.0, 160.0, 0.81),
            ContributorPart((*scope, ScopePart("banner", "hero_v2")), 111.0, 140.0, 0.19),
        ),
        ruled_out=("data", "traffic", "latency"),
        folded=12,
        promotion="D11",
        phase="open",
        course=_course(now_ms),
    )


def _course(now_ms: int) -> CoursePart:
    expected = tuple(44.0 + minute * 0.2 for minute in range(30))
    wobble = (3, -4, 1, 6, -2, 0, -5, 4, 2, -3, 5, -1, 0, -6, 2, 3, -2, 1, 4, -4, 0, 2, -3, 5)
    usual = tuple(mean + off for mean, off in zip(expected, wobble, strict=False))
    return CoursePart(
        end_ms=now_ms,
        span_ms=_MINUTE_MS,
        observed=(*usual, 31.0, 26.0, 24.0, 25.0, 22.0, 23.0),
        expected=expected,
        low=tuple(mean * 0.7 for mean in expected),
        high=tuple(mean * 1.3 for mean in expected),
    )


def sample(kind: Sample, channel: str, language: Language, settings: WritingSettings, now_ms: int) -> Message:
    """The message of a kind in the built-in words, with its picture and without links, marked as a test."""
    parcel = sample_parcel(kind, channel, now_ms)
    course = parcel.told[0].incident.course if len(parcel.told) == 1 else None
    return marked(write(parcel, language, settings, None, sparkline(course) if course else None))


def marked(message: Message) -> Message:
    """The message so that nobody takes it for real."""
    mark = _MARK[message.language]
    return msgspec.structs.replace(
        message,
        title=f"{mark} {message.title}",
        summary=f"{mark} {message.summary}",
        lines=(_NOTE[message.language], *message.lines),
    )


def sample_parcel(kind: Sample, channel: str, now_ms: int) -> Parcel:
    """What is told of a kind. The same moment gives the same incident, so that what is opened is resolved."""
    key = key_of("notify-test", kind.value, channel, str(now_ms))
    if kind is Sample.META:
        meta = MetaAlert("another_channel", now_ms - 6 * _MINUTE_MS, "timeout", 2, now_ms)
        return Parcel(key, channel, MessageState.META, meta=meta)
    incident = sample_incident(now_ms)
    told = [_candidate(_as(kind, incident, now_ms), channel, MessageState(kind.value))]
    if kind is Sample.DIGEST:
        other = msgspec.structs.replace(
            sample_incident(now_ms, "notify-test-2"),
            kind=Kind.TRAFFIC_DROP,
            step=None,
            severity=Severity.INFO,
        )
        told = [_candidate(one, channel, MessageState.OPENED) for one in (incident, other)]
    return Parcel(key, channel, MessageState(kind.value), tuple(told))


def _candidate(incident: Incident, channel: str, state: MessageState) -> Candidate:
    return Candidate(incident, channel, "notify-test", state=state)


def _as(kind: Sample, incident: Incident, now_ms: int) -> Incident:
    """The incident as it is when that is told."""
    if kind is Sample.WORSE:
        return msgspec.structs.replace(
            incident,
            revision=2,
            reason=Reason.WORSE,
            severity=Severity.CRITICAL,
            lost_minor_per_minute=700_000,
        )
    if kind is Sample.RESOLVED:
        return msgspec.structs.replace(
            incident, revision=3, reason=Reason.RESOLVED, state=State.RESOLVED, resolved_at_ms=now_ms
        )
    return incident
