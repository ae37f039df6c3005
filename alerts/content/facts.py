"""What is known of an incident, as labelled values: the most important first, what is not known left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.content import numbers
from alerts.content.clean import harmless
from alerts.content.places import step_of, where
from alerts.identity import ABOUT_DATA
from alerts.kept import MORE
from alerts.message import Field
from alerts.model import Kind, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from alerts.content.words import Words
    from alerts.incident import ContributorPart, Incident

_SHARE_SHOWN: Final = 0.005


def facts(incident: Incident, words: Words, zone: ZoneInfo, contributors: int) -> tuple[Field, ...]:
    """All fields of a message about one incident."""
    groups = (
        _place(incident, words),
        _time(incident, words, zone),
        _numbers(incident, words),
        _loss(incident, words),
        _why(incident, words, contributors),
        _people(incident, words, zone),
    )
    return tuple(field for group in groups for field in group if field.value)


def amount(incident: Incident, value: float) -> str | None:
    """Observed or expected: money where that is what is counted, else a count."""
    is_money = incident.currency is not None and incident.step is None
    if is_money and incident.kind in (Kind.REVENUE_DROP, Kind.RULE, Kind.PROMOTION_BEHIND_TARGET):
        return numbers.money(value, harmless(incident.currency or ""))
    return numbers.count(value)


def observed(incident: Incident, words: Words) -> str | None:
    """``50 of 100 expected (50 %)``."""
    seen, expected = amount(incident, incident.observed), amount(incident, incident.expected)
    if seen is None or expected is None or incident.kind in (Kind.DATA_OUTAGE, Kind.BAD_INPUT):
        return None
    share = numbers.percent(incident.ratio)
    return words.observed_of(seen, expected) + (f" ({share})" if share else "")


def loss(incident: Incident, words: Words) -> str | None:
    """Money that is lost or gained so far, else conversions."""
    minor, conversions = incident.lost_minor, incident.lost_conversions
    lost = minor if minor is not None else conversions
    if not lost:
        return None
    text = numbers.money(abs(minor), _currency(incident)) if minor is not None else None
    if text is None and conversions is not None and incident.step is not None:
        lost, text = conversions, numbers.count(abs(conversions))
    return None if text is None else words.lost(text) if lost > 0 else words.gained(text)


def _place(incident: Incident, words: Words) -> Iterator[Field]:
    labels = words.labels
    yield Field(labels.where, where(incident.scope, words))
    yield Field(labels.step, step_of(incident.step) or "")
    detail = harmless(incident.detail) if incident.detail and incident.detail != MORE else ""
    if incident.kind in ABOUT_DATA:
        yield Field(labels.symptom, words.symptoms.get(incident.detail, detail))
    else:
        yield Field(labels.rule if incident.kind is Kind.RULE else labels.method, detail)


def _time(incident: Incident, words: Words, zone: ZoneInfo) -> Iterator[Field]:
    labels, end_ms = words.labels, incident.resolved_at_ms
    if end_ms is not None:
        yield Field(labels.duration, numbers.duration(end_ms - incident.since_ms, words) or "")
    yield Field(labels.since, numbers.clock(incident.since_ms, zone) or "")
    yield Field(labels.opened, numbers.clock(incident.opened_at_ms, zone) or "")


def _numbers(incident: Incident, words: Words) -> Iterator[Field]:
    labels = words.labels
    if incident.kind not in ABOUT_DATA:
        yield Field(labels.observed, amount(incident, incident.observed) or "")
        yield Field(labels.expected, amount(incident, incident.expected) or "")
    yield Field(labels.ratio, _ratio(incident, words) or "")
    if incident.state is State.RESOLVED:
        yield Field(labels.worst, numbers.percent(incident.worst_ratio) or "")
    yield Field(labels.certainty, _certainty(incident, words) or "")


def _ratio(incident: Incident, words: Words) -> str | None:
    value = numbers.percent(incident.ratio)
    low, high = numbers.percent(incident.ratio_low), numbers.percent(incident.ratio_high)
    counted = incident.kind is not Kind.REVENUE_DROP
    return words.interval(value, low, high) if value and low and high and counted else value


def _certainty(incident: Incident, words: Words) -> str | None:
    odds = numbers.duration(incident.one_in_ms or None, words)
    return words.certainty(odds) if odds else None


def _loss(incident: Incident, words: Words) -> Iterator[Field]:
    labels = words.labels
    conversions = incident.lost_conversions if incident.step else None
    if conversions:
        per_minute = numbers.count(abs(incident.lost_conversions_per_minute or 0.0))
        label = labels.lost_orders if conversions > 0 else labels.gained_orders
        yield Field(label, _so_far(numbers.count(abs(conversions)), per_minute, words))
    if incident.lost_minor:
        currency = _currency(incident)
        per_minute = numbers.money(abs(incident.lost_minor_per_minute or 0.0), currency)
        label = labels.lost_money if incident.lost_minor > 0 else labels.gained_money
        yield Field(label, _so_far(numbers.money(abs(incident.lost_minor), currency), per_minute, words))


def _so_far(total: str | None, per_minute: str | None, words: Words) -> str:
    if not total or not per_minute:
        return total or ""
    return f"{total}{words.comma}{words.sold_per_minute(per_minute)}"


def _why(incident: Incident, words: Words, contributors: int) -> Iterator[Field]:
    labels = words.labels
    shown = incident.contributors[:contributors]
    named = [text for one in shown if (text := _contributor(one, words))]
    left = len(incident.contributors) - len(shown)
    named += [words.more(left)] if left and named else []
    yield Field(labels.contributors, "; ".join(named), short=False)
    yield Field(labels.rates, _rates(incident, words) or "", short=False)
    change = [_factor(*item, incident, words) for item in list(incident.decomposition.items())[:6]]
    yield Field(labels.change, words.comma.join(text for text in change if text), short=False)
    ruled_out = [words.ruled_out.get(word) or harmless(word) for word in incident.ruled_out[:8]]
    yield Field(labels.ruled_out, words.comma.join(ruled_out), short=False)
    yield Field(labels.folded, words.folded(incident.folded) if incident.folded > 0 else "")
    yield Field(labels.promotion, _promotion(incident, words))


def _contributor(one: ContributorPart, words: Words) -> str | None:
    share = numbers.percent(one.share)
    small = share is None or abs(one.share) < _SHARE_SHOWN
    return None if small else f"{where(one.scope, words)} {share}"


def _rates(incident: Incident, words: Words) -> str | None:
    share = incident.rate_share
    rates = numbers.percent(share)
    mix = None if share is None else numbers.percent(1 - share)
    return words.rates(rates, mix) if rates and mix else None


def _factor(name: str, minor: int, incident: Incident, words: Words) -> str | None:
    value = numbers.money(minor, _currency(incident))
    return f"{words.factors.get(name) or harmless(name)} {value}" if value else None


def _promotion(incident: Incident, words: Words) -> str:
    if not incident.promotion:
        return ""
    phase = words.phases.get(incident.phase or "") or (harmless(incident.phase) if incident.phase else "")
    return f"{harmless(incident.promotion)}{words.comma}{phase}" if phase else harmless(incident.promotion)


def _people(incident: Incident, words: Words, zone: ZoneInfo) -> Iterator[Field]:
    labels = words.labels
    if incident.acknowledged_by is not None:
        when = numbers.clock(incident.acknowledged_at_ms, zone) or words.nothing
        yield Field(labels.acknowledged, words.by(harmless(incident.acknowledged_by), when))
    if incident.reopened > 0:
        yield Field(labels.reopened, words.reopened(incident.reopened))


def _currency(incident: Incident) -> str | None:
    return harmless(incident.currency) if incident.currency else None
