"""What the page shows of a moment, ready to be written: every number as text, in one language. Pure.

Only the busiest and the most moved keys are in it, however many are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streams.closed import EXPONENTS
from streams.funnel import ALL
from streams.web import reading, shapes, telling
from streams.web.chart import HEIGHT, WIDTH, chart, drawing
from streams.web.places import places
from streams.web.problems import Problem
from streams.web.promotion_clocks import clocks
from streams.web.queries import FunnelQuery, KeysQuery
from streams.web.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from streams.web import answers as a
    from streams.web.board import Incident, Watcher
    from streams.web.moment import Moment
    from streams.web.picture import Picture, Window

_MOST_OPEN, _MOST_OVER = 20, 5
_MOVERS, _ROWS, _PLACED = 3, 10, 6
# Beyond so many standard errors a key has moved.
_MOVED: Final = 2.0
_STALE_MS: Final = 90_000
_SCORED_WINDOW: Final = "1h"
_QUADRANTS: Final = ("star", "hidden_gem", "wasted_traffic", "tail")
_KNOWN_FIRST: Final = ("slot", "banner", "sku")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser asked the page for; ``q`` is looked for among the keys."""

    window: str
    language: str
    q: str = ""


class View:
    """Parts of the page, one method each; the templates ask for them.

    Args:
        moment: that is shown.
        asked: which window, in which language.
        zone: whose clocks.
    """

    def __init__(self, moment: Moment, asked: Asked, zone: ZoneInfo) -> None:
        self.moment = moment
        self.words: Mapping[str, str] = WORDS[asked.language]
        self.zone = zone
        self.picture = moment.picture
        names = [] if self.picture is None else list(self.picture.windows)
        self.asked = asked
        self.window = asked.window if asked.window in names or not names else "15m"
        self.windows = names or [self.window]

    @staticmethod
    def words_of(language: str) -> Mapping[str, str]:
        """All words of a language."""
        return WORDS[language]

    def window_name(self, name: str) -> str:
        """A window's name as people say it."""
        kind, _, rest = name.partition(":")
        return f"{self.words['promotion']} {rest}" if rest else self.words.get(kind, kind)

    # ------------------------------------------------------------------ data
    @property
    def health(self) -> dict[str, Any]:
        """The strip: one word, whether it is good, and what stands beside it."""
        found = telling.health(self.moment)
        behind = None if found.behind_ms is None else shapes.duration(found.behind_ms, self.words)
        word = self._health_word(found)
        return {
            "word": self.words[word],
            "good": word == "health_good",
            "state": word.removeprefix("health_"),
            "behind": behind,
            "asof": None if found.end_ms is None else shapes.clock(found.end_ms, self.zone),
            "reasons": found.reasons,
        }

    @staticmethod
    def _health_word(found: a.Health) -> str:
        if found.data_incidents:
            return "health_data"
        if not found.ready or (found.watching and found.end_ms is None):
            return "health_waiting"
        if not found.watching:
            return "health_elsewhere"
        return "health_stale" if (found.behind_ms or 0) > _STALE_MS else "health_good"

    @property
    def missing(self) -> str:
        """Why nothing is shown of what is counted; empty if something is."""
        if self.picture is not None:
            return ""
        return self.words["not_yet" if self.moment.standing.watching else "elsewhere"]

    @property
    def watcher(self) -> Watcher | None:
        """Who shows what is missing here, if that is known."""
        return None if self.picture is not None else self.moment.watcher

    # ------------------------------------------------------------------ incidents
    @property
    def incidents(self) -> list[dict[str, Any]]:
        """Cards of open incidents that no other explains, the most severe first."""
        rising = self.moment.judgement.severities
        mine = [one for one in self.moment.incidents if one.open and one.merged_into is None]
        mine.sort(key=lambda one: (-_rank(rising, one.severity), -one.opened_at_ms, one.id))
        return [self._card(one) for one in mine[:_MOST_OPEN]]

    @property
    def over(self) -> list[dict[str, Any]]:
        """Cards of incidents that ended lately."""
        mine = [one for one in self.moment.incidents if not one.open and one.merged_into is None]
        mine.sort(key=lambda one: (-one.updated_at_ms, one.id))
        return [self._card(one) for one in mine[:_MOST_OVER]]

    def _card(self, incident: Incident) -> dict[str, Any]:
        card = self.moment.judgement.card(incident.record, self.asked.language)
        muted = [s for s in self.moment.silences if incident.id in s.incident_ids]
        return {
            "id": incident.id,
            "severity": incident.severity,
            "severity_word": self.words.get(f"severity_{incident.severity}", incident.severity),
            "state": incident.state,
            "open": incident.open,
            "acked": incident.state == "acknowledged",
            "muted": bool(muted or incident.silenced_by),
            "title": card.title,
            "summary": card.summary,
            "facts": card.facts,
        }

    @property
    def promotions(self) -> list[dict[str, Any]]:
        """Clocks of promotions that run or are near."""
        return clocks(self.moment, self.words, self.zone)

    # ------------------------------------------------------------------ counts
    @cached_property
    def funnel(self) -> a.Funnel | None:
        """The total's funnel."""
        if self.picture is None or ALL not in self.picture.names:
            return None
        return reading.funnel(self.picture, FunnelQuery(window=self.window), self.moment.judgement)

    @property
    def headline(self) -> list[dict[str, str]]:
        """The numbers on top: conversion against expected and earlier, revenue, orders, clicks."""
        funnel = self.funnel
        if funnel is None:
            return []
        rate, compared = funnel.conversion, {one.with_: one for one in funnel.compared}
        notes = [
            f"{self.words[f'against_{word}']}: {shapes.change(rate.ratio, one.conversion.ratio)}"
            for word, one in compared.items()
        ]
        expected = f"{self.words['expected']} {shapes.percent(rate.expected)}"
        span = shapes.between(shapes.percent(rate.lower), shapes.percent(rate.upper))
        tiles = [
            {
                "label": self.words["cvr"],
                "value": shapes.percent(rate.ratio),
                "note": expected,
                "more": " · ".join([f"{self.words['usual_range']} {span}", *notes]),
                "state": _against(rate),
            }
        ]
        tiles += [
            self._tile(
                self.words["revenue"],
                shapes.money(one.paid_minor, one.exponent, one.currency),
                f"{shapes.count(one.paid_orders)} {self.words['orders']}",
            )
            for one in funnel.money
            if one.paid_orders
        ][:3]
        tiles.append(
            self._tile(
                self.words["clicks"],
                shapes.count(rate.entered),
                f"{shapes.count(rate.reached)} {self.words['paid']}",
            )
        )
        return tiles

    @staticmethod
    def _tile(label: str, value: str, note: str) -> dict[str, str]:
        return {"label": label, "value": value, "note": note, "more": "", "state": ""}

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Nodes with bars, and the step that leads to each."""
        funnel = self.funnel
        if funnel is None:
            return []
        sizes = [node.visitors if node.visitors is not None else node.events for node in funnel.nodes]
        # Exposures dwarf the rest: bars are of what clicks are the whole of.
        whole = max(sizes[1:], default=0) or 1
        found = []
        for at, node in enumerate(funnel.nodes):
            step = funnel.steps[at - 1] if at else None
            found.append(
                {
                    "node": node.node,
                    "size": shapes.count(sizes[at]),
                    "share": round(100 * min(sizes[at] / whole, 1), 1) if at else 0,
                    "rate": "" if step is None else shapes.percent(step.rate.ratio),
                    "interval": ""
                    if step is None
                    else shapes.between(shapes.percent(step.rate.lower), shapes.percent(step.rate.upper)),
                    "expected": "" if step is None else shapes.percent(step.rate.expected),
                    "state": "" if step is None else _against(step.rate),
                }
            )
        return found

    @property
    def split(self) -> dict[str, Any] | None:
        """The change of revenue by factor, with bars around zero."""
        funnel = self.funnel
        found = None if funnel is None else funnel.split
        if found is None:
            return None
        parts = {
            "traffic": found.traffic_minor,
            "conversion": found.conversion_minor,
            "order_value": found.order_value_minor,
        }
        largest = max(*(abs(one) for one in parts.values()), 1)
        rows = [
            {
                "name": self.words[f"split_{name}"],
                "value": self._signed(minor, found),
                "share": round(50 * abs(minor) / largest, 1),
                "down": minor < 0,
            }
            for name, minor in parts.items()
        ]
        total = sum(parts.values())
        return {
            "with": self.words[f"against_{found.with_}"],
            "rows": rows,
            "total": self._signed(total, found),
            "change": shapes.change(found.now.revenue_minor, found.before.revenue_minor),
        }

    @staticmethod
    def _signed(minor: int, found: a.GmvSplit) -> str:
        return shapes.signed(shapes.money(minor, found.exponent, found.currency), minor)

    @cached_property
    def chart(self) -> dict[str, Any] | None:
        """Conversion over the last hour: data for the script, a drawing for those without."""
        data = None if self.picture is None else chart(self.picture)
        drawn = None if data is None else drawing(data)
        if data is None or drawn is None:
            return None
        now, expected = data.observed[-1], data.expected[-1]
        return {
            "columns": data.columns,
            "drawing": drawn,
            "width": WIDTH,
            "height": HEIGHT,
            "levels": [(y, shapes.percent(level)) for y, level in drawn.levels],
            "times": [(x, shapes.clock(at * 1000, self.zone)[:5]) for x, at in drawn.times],
            "say": self.words["chart_say"].format(now=shapes.percent(now), expected=shapes.percent(expected)),
        }

    # ------------------------------------------------------------------ keys
    @property
    def dimensions(self) -> list[str]:
        """Dimensions with keys, slot, banner and SKU first."""
        names = [] if self.picture is None else [name for name in self.picture.names if name != ALL]
        first = [name for name in _KNOWN_FIRST if name in names]
        return [*first, *(name for name in names if name not in first)]

    def movers(self, dimension: str) -> list[dict[str, str]]:
        """Keys that moved most, then those with most clicks."""
        if self.picture is None:
            return []
        window = self.picture.windows[self.window]
        numbers = _movers(self.picture, window, dimension)
        return [self._row(reading.key_row(self.picture, window, dimension, one)) for one in numbers]

    def _row(self, row: a.KeyRow) -> dict[str, str]:
        currency = "" if self.picture is None or self.picture.currency is None else self.picture.currency
        moved = row.moved if row.moved is not None and abs(row.moved) >= _MOVED else 0.0
        return {
            "key": row.key,
            "clicks": shapes.count(row.clicks),
            "paid": shapes.count(row.paid),
            "rate": shapes.percent(row.conversion.ratio),
            "expected": shapes.percent(row.conversion.expected),
            "state": _against(row.conversion),
            "revenue": shapes.money(row.revenue_minor, EXPONENTS.get(currency, 2), currency),
            "moved": "" if not moved else f"{shapes.count(row.paid_before)} → {shapes.count(row.paid)}",
            "way": "" if not moved else "up" if moved > 0 else "down",
        }

    @property
    def found(self) -> list[tuple[str, int, list[dict[str, str]]]]:
        """What was looked for, by dimension: how many there are, and the first of them."""
        if self.picture is None or not self.asked.q:
            return []
        pages = [
            (
                name,
                reading.keys(
                    self.picture, KeysQuery(window=self.window, dimension=name, q=self.asked.q, limit=20)
                ),
            )
            for name in self.dimensions
        ]
        return [(name, page.total, [self._row(row) for row in page.keys]) for name, page in pages]

    def scorecard(self, dimension: str) -> list[tuple[str, int, list[tuple[str, str]]]]:
        """Places: word, how many keys, and the most exposed of them with their conversion."""
        if self.picture is None:
            return []
        try:
            found = places(self.picture, _SCORED_WINDOW, dimension, self.moment.judgement)
        except Problem:
            return []
        ranks = found.ranks()
        return [
            (
                word,
                len(ranks.get(word, ())),
                [(found.key(at), shapes.percent(found.ratio(at))) for at in ranks.get(word, ())[:_PLACED]],
            )
            for word in _QUADRANTS
        ]


def _rank(rising: Sequence[str], word: str) -> int:
    return rising.index(word) if word in rising else 0


def _against(rate: a.Rate) -> str:
    """Whether what was expected lies outside of the interval: ``low`` or ``high``."""
    if rate.expected is None or rate.lower is None or rate.upper is None:
        return ""
    return "low" if rate.upper < rate.expected else "high" if rate.lower > rate.expected else ""


def _movers(picture: Picture, window: Window, dimension: str) -> list[int]:
    names, counts = picture.names[dimension], window.counts[dimension]
    moved = {
        number: change
        for number in window.before.get(dimension, {})
        if (change := reading.moved(window, dimension, number)) is not None and abs(change) >= _MOVED
    }
    falling = sorted((one for one in moved if moved[one] < 0), key=lambda one: (moved[one], one))[:_MOVERS]
    rising = sorted((one for one in moved if moved[one] > 0), key=lambda one: (-moved[one], one))[:_MOVERS]
    found = [one for one in (*falling, *rising) if not names[one].startswith("(")]
    clicks = counts[:, 0, 1]
    busiest = np.argsort(-clicks, kind="stable")[: 2 * _ROWS].tolist()
    more = [one for one in busiest if one not in found and clicks[one] > 0]
    return (found + more)[:_ROWS]
