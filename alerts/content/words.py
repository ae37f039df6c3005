"""The words of a language, all of them: what has no word in one of them does not type-check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alerts.message import LinkKind, MessageState
    from alerts.model import Kind, Severity


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of the fields."""

    where: str
    step: str
    since: str
    opened: str
    observed: str
    expected: str
    ratio: str
    certainty: str
    lost_orders: str
    lost_money: str
    gained_orders: str
    gained_money: str
    contributors: str
    promotion: str
    rates: str
    change: str
    ruled_out: str
    folded: str
    duration: str
    worst: str
    acknowledged: str
    reopened: str
    channel: str
    error: str
    given_up: str
    symptom: str
    method: str
    rule: str


@dataclass(frozen=True, slots=True)
class Words:
    """A language. Phrases take their parts as text, worded already.

    Attributes:
        kinds: what went wrong.
        states: what a message tells, before the rest of its title.
        dimensions: names of dimensions; others are shown as they are.
        symptoms: of data.
        ruled_out: what is not the cause.
        factors: of GMV.
        links: what is on their buttons; ``{0}`` is for how long is muted.
        units: year, day, hour, minute, second, as they stand behind a number.
    """

    everywhere: str
    nothing: str
    comma: str
    states: Mapping[MessageState, str]
    severities: Mapping[Severity, str]
    kinds: Mapping[Kind, str]
    dimensions: Mapping[str, str]
    symptoms: Mapping[str, str]
    ruled_out: Mapping[str, str]
    factors: Mapping[str, str]
    phases: Mapping[str, str]
    links: Mapping[LinkKind, str]
    units: tuple[str, str, str, str, str]
    labels: Labels
    at: Callable[[str, str], str]
    interval: Callable[[str, str, str], str]
    certainty: Callable[[str], str]
    sold_per_minute: Callable[[str], str]
    more: Callable[[int], str]
    folded: Callable[[int], str]
    by: Callable[[str, str], str]
    merged: str
    held: str
    rates: Callable[[str, str], str]
    lost: Callable[[str], str]
    gained: Callable[[str], str]
    digest_title: Callable[[int, int], str]
    meta_title: Callable[[str], str]
    meta_line: Callable[[str, str], str]
    reopened: Callable[[int], str]
    observed_of: Callable[[str, str], str]
    lasted: Callable[[str], str]
    worst: Callable[[str], str]
    since: Callable[[str], str]
