"""Parcels in words: what :mod:`alerts.outbox` hands out becomes the message that a channel renders.

Promises: every kind, state and language gives a title and a summary; the same parcel the same words. What
is not known is left out: a message never says "None". Links that are not http or https are left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alerts.content import numbers
from alerts.content.chinese import CHINESE
from alerts.content.clean import harmless
from alerts.content.english import ENGLISH
from alerts.content.facts import facts, loss, observed
from alerts.content.places import step_of, where
from alerts.message import Colour, Field, Language, Link, LinkKind, Message, MessageState
from alerts.model import Kind, Reason, Severity, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from alerts.content.words import Words
    from alerts.incident import Incident
    from alerts.stages.knowledge import MetaAlert
    from alerts.stages.stage import Parcel

LANGUAGES: Final = {Language.EN: ENGLISH, Language.ZH: CHINESE}
_TITLE: Final = 240
_COLOURS: Final = {
    Severity.INFO: Colour.BLUE,
    Severity.WARNING: Colour.ORANGE,
    Severity.CRITICAL: Colour.RED,
}
_FOR_OPEN: Final = frozenset({LinkKind.ACKNOWLEDGE, LinkKind.MUTE})


@dataclass(frozen=True, slots=True)
class WritingSettings:
    """How to word.

    Attributes:
        zone: whose clocks.
        contributors: so many are named.
        digest_lines: so many incidents of a digest are named, the most urgent.
        mute_ms: for how long a mute link mutes, as its button says.
    """

    zone: ZoneInfo
    contributors: int = 3
    digest_lines: int = 10
    mute_ms: int = 30 * 60_000


def write(
    parcel: Parcel,
    language: Language,
    settings: WritingSettings,
    links: Mapping[LinkKind, str] | None = None,
    sparkline: bytes | None = None,
) -> Message:
    """The message of a parcel.

    Args:
        parcel: one incident, a digest or a meta-alert.
        language: of the channel.
        settings: how.
        links: urls by kind, signed where that is needed; those of the incident itself fill the gaps.
        sparkline: PNG.

    Raises:
        ValueError: an empty parcel.
    """
    words = LANGUAGES[language]
    if parcel.meta is not None:
        return _meta(parcel, parcel.meta, words, language, settings)
    if not parcel.told:
        raise ValueError("a parcel tells of something")
    if parcel.state is MessageState.DIGEST:
        return _digest(parcel, words, language, settings, links or {})
    return _about(parcel, words, language, settings, links or {}, sparkline)


def headline(incident: Incident, words: Words) -> str:
    """``Conversion has dropped: slot home.top.1, order > paid``."""
    place = where(incident.scope, words)
    step = step_of(incident.step)
    return words.at(words.kinds[incident.kind], place + (f"{words.comma}{step}" if step else ""))


def summary(incident: Incident, words: Words, zone: ZoneInfo) -> str:
    """One line of numbers."""
    since = numbers.clock(incident.since_ms, zone)
    if incident.state is State.RESOLVED and incident.resolved_at_ms is not None:
        lasted = numbers.duration(incident.resolved_at_ms - incident.since_ms, words)
        worst = numbers.percent(incident.worst_ratio)
        parts = (
            words.lasted(lasted) if lasted else None,
            words.worst(worst) if worst else None,
            loss(incident, words),
        )
    else:
        parts = (
            _symptom(incident, words) or observed(incident, words),
            loss(incident, words),
            words.since(since) if since else None,
        )
    return words.comma.join(part for part in parts if part) or words.kinds[incident.kind]


def _symptom(incident: Incident, words: Words) -> str | None:
    return words.symptoms.get(incident.detail) if incident.kind is Kind.DATA_OUTAGE else None


def _about(
    parcel: Parcel,
    words: Words,
    language: Language,
    settings: WritingSettings,
    links: Mapping[LinkKind, str],
    sparkline: bytes | None,
) -> Message:
    incident = parcel.told[0].incident
    said = f"[{words.severities[incident.severity]}] {words.states[parcel.state]}"
    return Message(
        key=parcel.key,
        channel=parcel.channel,
        state=parcel.state,
        severity=incident.severity,
        colour=_colour(incident),
        language=language,
        title=harmless(f"{said} · {headline(incident, words)}", _TITLE),
        summary=summary(incident, words, settings.zone),
        at_ms=incident.updated_at_ms,
        lines=tuple(_lines(incident, words)),
        fields=facts(incident, words, settings.zone, settings.contributors),
        links=tuple(_links(incident, links, words, settings.mute_ms)),
        incident_id=incident.id,
        revision=incident.revision,
        started_at_ms=incident.since_ms,
        resolved_at_ms=incident.resolved_at_ms,
        incidents=(incident,),
        sparkline=sparkline,
    )


def _lines(incident: Incident, words: Words) -> Iterable[str]:
    if incident.merged_into is not None or incident.reason is Reason.MERGED:
        yield words.merged
    if incident.held:
        yield words.held


def _colour(incident: Incident) -> Colour:
    if incident.state is State.RESOLVED:
        return Colour.GREEN
    return Colour.GREY if incident.state is State.ACKNOWLEDGED else _COLOURS[incident.severity]


def _links(
    incident: Incident | None, links: Mapping[LinkKind, str], words: Words, mute_ms: int
) -> Iterable[Link]:
    own = incident.links if incident else {}
    firing = incident is not None and incident.state is State.FIRING
    for kind in LinkKind:
        url = links.get(kind) or own.get(kind.value, "")
        acknowledged = kind is LinkKind.ACKNOWLEDGE and not firing
        over = kind in _FOR_OPEN and (incident is None or not incident.open)
        if url.startswith(("https://", "http://")) and not acknowledged and not over:
            yield Link(kind, words.links[kind].format(numbers.duration(mute_ms, words)), url)


def _digest(
    parcel: Parcel,
    words: Words,
    language: Language,
    settings: WritingSettings,
    links: Mapping[LinkKind, str],
) -> Message:
    incidents = tuple(one.incident for one in parcel.told)
    worst = max((one.severity for one in incidents), key=tuple(Severity).index)
    critical = sum(one.severity is Severity.CRITICAL and one.open for one in incidents)
    states = Counter(one.state for one in parcel.told if one.state)
    return Message(
        key=parcel.key,
        channel=parcel.channel,
        state=parcel.state,
        severity=worst,
        colour=_COLOURS[worst] if any(one.open for one in incidents) else Colour.GREEN,
        language=language,
        title=f"[{words.states[parcel.state]}] {words.digest_title(len(incidents), critical)}",
        summary=words.comma.join(
            f"{words.states[state]} {states[state]}" for state in MessageState if states[state]
        )
        or words.digest_title(len(incidents), critical),
        at_ms=max(one.updated_at_ms for one in incidents),
        lines=tuple(_digest_lines(parcel, words, settings)),
        links=tuple(_links(None, links, words, settings.mute_ms)),
        started_at_ms=min(one.since_ms for one in incidents),
        incidents=incidents,
    )


def _digest_lines(parcel: Parcel, words: Words, settings: WritingSettings) -> Iterable[str]:
    for one in parcel.told[: settings.digest_lines]:
        state = words.states[one.state] if one.state else ""
        said = f"[{words.severities[one.incident.severity]}] {state} · {headline(one.incident, words)}"
        yield f"{harmless(said, _TITLE)} ({summary(one.incident, words, settings.zone)})"
    left = len(parcel.told) - settings.digest_lines
    if left > 0:
        yield words.more(left)


def _meta(
    parcel: Parcel, meta: MetaAlert, words: Words, language: Language, settings: WritingSettings
) -> Message:
    channel, labels = harmless(meta.channel), words.labels
    since = numbers.clock(meta.since_ms, settings.zone) or words.nothing
    given_up = numbers.count(meta.given_up) if meta.given_up else None
    fields = (
        Field(labels.channel, channel),
        Field(labels.since, since),
        Field(labels.error, harmless(meta.error) if meta.error else ""),
        Field(labels.given_up, given_up or ""),
    )
    return Message(
        key=parcel.key,
        channel=parcel.channel,
        state=MessageState.META,
        severity=Severity.CRITICAL,
        colour=Colour.RED,
        language=language,
        title=f"[{words.severities[Severity.CRITICAL]}] {words.meta_title(channel)}",
        summary=words.meta_line(channel, since),
        at_ms=meta.at_ms,
        lines=(words.meta_line(channel, since),),
        fields=tuple(field for field in fields if field.value),
        started_at_ms=meta.since_ms,
    )
