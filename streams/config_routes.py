"""Entries of ``notify.routes``: which channels are told of what, and when.

What is left out of ``match`` matches everything; the words of one list are alternatives, the lists all have
to match, and so have all places of ``scope``. What a route does is told in :mod:`alerts.stages.route`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from streams.config_errors import wrong
from streams.config_section import Section
from streams.config_types import FromText, Name, PhaseName, SeverityName, Text, span, span_or_off, word
from streams.durations import HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from streams.config_source import KeyPath

KindWord = Literal[
    "node_break",
    "conversion_drop",
    "conversion_surge",
    "slower",
    "traffic_drop",
    "traffic_surge",
    "mix_shift",
    "revenue_drop",
    "data_outage",
    "bad_input",
    "out_of_stock",
    "promotion_behind_target",
    "rule",
]
DayName = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: Final[tuple[DayName, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# A route for what happens while no promotion runs; a scope with any key of a dimension.
OUTSIDE: Final = "(none)"
ANY_KEY: Final = "*"
# Places that incidents about data have beside the dimensions.
DATA_DIMENSIONS: Final = ("topic", "partition")
_DAY_MINUTES: Final = 24 * 60

ClockTime = Annotated[
    str, word(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00", "must be a time of day from 00:00 to 24:00")
]


class HoursEntry(Section):
    """From a time of day to another, of the next day if that is not later; ``days`` are those it begins on."""

    from_: ClockTime = "00:00"
    until: ClockTime = "24:00"
    days: Annotated[tuple[DayName, ...], FromText, Field(min_length=1, max_length=7)] = WEEK

    def plain(self) -> dict[str, Any]:
        """Minutes of the day, and days from Monday on as 0: the fields of :class:`alerts.stages.hours.Hours`."""
        return {
            "start_minute": _minute(self.from_),
            "end_minute": _minute(self.until),
            "days": frozenset(WEEK.index(day) for day in self.days),
        }


class QuietEntry(HoursEntry):
    """When nothing is told that is less severe than ``below``."""

    below: SeverityName = "critical"


class MatchEntry(Section):
    """Which incidents. A scope's key ``*`` stands for any; the promotion ``(none)`` for outside of any."""

    kinds: Annotated[tuple[KindWord, ...], FromText, Field(max_length=20)] = ()
    severities: Annotated[tuple[SeverityName, ...], FromText, Field(max_length=3)] = ()
    scope: Annotated[Mapping[Name, Text], FromText, Field(max_length=10)] = {}
    promotions: Annotated[tuple[Text, ...], FromText, Field(max_length=200)] = ()
    phases: Annotated[tuple[PhaseName, ...], FromText, Field(max_length=4)] = ()
    hours: HoursEntry | None = None


class RouteEntry(Section):
    """One route; the first that matches is taken, and further ones while it says ``and_on``."""

    name: Text
    channels: Annotated[tuple[Name, ...], FromText, Field(min_length=1, max_length=50)]
    match: MatchEntry = MatchEntry()
    and_on: bool = False
    remind_every_ms: Annotated[int | None, span_or_off("1m", "30d")] = HOUR
    escalate_to: Annotated[tuple[Name, ...], FromText, Field(max_length=50)] = ()
    escalate_after_ms: Annotated[int, span("1m", "1d")] = 15 * MINUTE
    quiet: QuietEntry | None = None
    collect_ms: Annotated[int, span("0s", "1h")] = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        again = [name for name in self.escalate_to if name in self.channels]
        if again:
            raise wrong(f"must not name {again[0]}, which is told at once", at=("escalate_to",))
        return self

    def plain(self) -> dict[str, Any]:
        """What it says, as plain data: the fields of :class:`alerts.stages.route.Route`, hours as plain data."""
        match = self.match
        return {
            "name": self.name,
            "channels": self.channels,
            "match": {
                "kinds": match.kinds,
                "severities": match.severities,
                "scope": [(name, "" if key == ANY_KEY else key) for name, key in match.scope.items()],
                "promotions": tuple("" if name == OUTSIDE else name for name in match.promotions),
                "phases": match.phases,
                "hours": match.hours.plain() if match.hours else None,
            },
            "and_on": self.and_on,
            "remind_every_ms": self.remind_every_ms,
            "escalate_to": self.escalate_to,
            "escalate_after_ms": self.escalate_after_ms,
            "quiet": self.quiet.plain() if self.quiet else None,
            "quiet_below": self.quiet.below if self.quiet else "critical",
            "collect_ms": self.collect_ms,
        }

    def unknown(
        self, dimensions: Collection[str], promotions: Collection[str]
    ) -> Iterator[tuple[KeyPath, str]]:
        """Places and promotions that are not there, below this entry."""
        known = (*dimensions, *DATA_DIMENSIONS)
        for name in self.match.scope:
            if name not in known:
                yield ("match", "scope", name), f"must be one of {', '.join(known)}"
        for index, name in enumerate(self.match.promotions):
            if name not in promotions and name != OUTSIDE:
                yield (
                    ("match", "promotions", index),
                    f"must be the name of one of the promotions, or {OUTSIDE}",
                )


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return (int(hours) * 60 + int(minutes)) % _DAY_MINUTES
