"""Whether promotions that run will miss their targets: asked every minute of event time. Pure.

Of a scope over several dimensions the one that sold most speaks, for they overlap. Nothing is said of a
promotion whose beginning was not seen, nor while data cannot be believed. A finding stands until the
target looks met, and ends with the promotion at the latest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from alerts.model import EVERYWHERE, Kind, Place, Recovered, Rooted
from alerts.roots import finding_of
from alerts.rules import Subject
from alerts.target_pace import Pace, pace_of
from alerts.targets import behind_target, on_target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from alerts.measures import Measured
    from alerts.model import Finding
    from streams.promotions import Calendar, Promotion

    F64 = NDArray[np.float64]

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
# Clicks have so many minutes to be paid.
_LAG_MINUTES: Final = 30
# Of a promotion's time may have passed unseen.
_UNSEEN: Final = 0.01
_TOTAL: Final = EVERYWHERE[0]


class Worth(NamedTuple):
    """How much sums vary: variance over mean of orders, and the variation of an order's value."""

    dispersion: float
    variation: float


class _Asked(NamedTuple):
    """One target: its word, what there is of it, what it shall be, and variance over mean of the sum."""

    word: str
    so_far: float
    target: float
    per_unit: float
    currency: str | None = None


class _Watched:
    """One promotion: since when it is known, when it sells, and its clicks of the last half hour."""

    def __init__(
        self, known_ms: int, end_ms: int, pace: Pace | None = None, clicks: Sequence[float] = ()
    ) -> None:
        self.known_ms = known_ms
        self.end_ms = end_ms
        self.pace = pace
        self.clicks = deque(clicks, _LAG_MINUTES + 1)


class PromotionTargets:
    """See the module.

    Args:
        nodes: of the funnel: the second is the click, the last the payment.
    """

    def __init__(self, nodes: Sequence[str]) -> None:
        self._conversion = Subject(nodes[1], nodes[-1])
        self._began_ms: int | None = None
        self._watched: dict[str, _Watched] = {}
        self._told: dict[str, Finding] = {}

    def judge(
        self, calendar: Calendar, span: tuple[int, int], measures: Measured | None, worth: Worth | None
    ) -> tuple[list[Rooted], list[Recovered]]:
        """What is to be said at the end of a bucket.

        Args:
            calendar: of promotions.
            span: start and end of the bucket.
            measures: the windows, with those of the promotions; nobody is asked without them.
            worth: how much sums vary; None while data cannot be believed.
        """
        start_ms, at_ms = span
        self._began_ms = start_ms if self._began_ms is None else self._began_ms
        running = {_name(p): p for p in _with_targets(calendar, start_ms)}
        over = self._leave(running)
        for name, promotion in running.items():
            watched = self._watched.setdefault(name, _Watched(start_ms, promotion.end_ms))
            if watched.end_ms != promotion.end_ms:
                # It was made longer, or shorter: it sells at another pace.
                watched.end_ms, watched.pace = promotion.end_ms, None
        if measures is None or worth is None:
            return [], over
        # A minute has one end: the bucket that crosses it, or ends with it.
        if start_ms // _MINUTE_MS < at_ms // _MINUTE_MS:
            for name, promotion in running.items():
                over += self._ask(name, promotion, calendar, at_ms, measures, worth)
        phases = {active.name: active.phase.value for active in calendar.active(start_ms)}
        return [_rooted(replace(finding, at_ms=at_ms), phases) for finding in self._told.values()], over

    def paces(self) -> dict[str, Pace]:
        """When each promotion that runs and has targets sells, by name; not before that is known."""
        known = ((name.partition("\x1f")[0], one.pace) for name, one in self._watched.items())
        return {name: pace for name, pace in known if pace is not None}

    def _leave(self, running: Mapping[str, Promotion]) -> list[Recovered]:
        """Let go of promotions that are over, moved or gone, and of targets; what was told of them."""
        self._watched = {name: one for name, one in self._watched.items() if name in running}
        wanted = {f"{name}\x1f{word}" for name, one in running.items() for word in _words(one)}
        return [_recovered(self._told.pop(word)) for word in [*self._told] if word not in wanted]

    def _ask(
        self,
        name: str,
        promotion: Promotion,
        calendar: Calendar,
        at_ms: int,
        measures: Measured,
        worth: Worth,
    ) -> list[Recovered]:
        """Ask for every target of one promotion; what is over."""
        watched = self._watched[name]
        length_ms = promotion.end_ms - promotion.start_ms
        if not self._was_seen(promotion, watched.known_ms):
            return []
        dimension, keys = _sellers(promotion, measures)
        if watched.pace is None:
            watched.pace = pace_of(promotion, calendar.before(promotion), measures, dimension, keys)
        of_time = min((at_ms - promotion.start_ms) / length_ms, 1.0)
        over = []
        for asked in self._asked(promotion, watched, dimension, keys, measures, worth, of_time):
            word = f"{name}\x1f{asked.word}"
            found = _behind(promotion, asked, watched.pace.at_least(of_time), at_ms)
            if found is not None:
                self._told[word] = found
            elif word in self._told and on_target(
                asked.so_far, watched.pace.share(of_time), asked.target, asked.per_unit
            ):
                over.append(_recovered(self._told.pop(word)))
        return over

    def _was_seen(self, promotion: Promotion, known_ms: int) -> bool:
        """Whether what it sold is known from its start, nearly: buckets are kept for an hour."""
        unseen_ms = _UNSEEN * (promotion.end_ms - promotion.start_ms)
        began_ms = self._began_ms or 0
        return began_ms - promotion.start_ms <= unseen_ms and known_ms - promotion.start_ms <= max(
            unseen_ms, _HOUR_MS
        )

    def _asked(
        self,
        promotion: Promotion,
        watched: _Watched,
        dimension: str,
        keys: Collection[str],
        measures: Measured,
        worth: Worth,
        of_time: float,
    ) -> Iterator[_Asked]:
        targets, window = promotion.targets, _window(promotion)
        if targets.orders is not None:
            sold = measures.ordered(dimension, window)
            # The windows keep those of the last promotions only.
            if sold is not None:
                yield _Asked("orders", _of(keys, dimension, measures, sold), targets.orders, worth.dispersion)
        if targets.revenue_minor is not None:
            subject = Subject(None, None, targets.currency)
            money = measures.counts(subject, dimension, window)
            if money is not None:
                orders, amount = (_of(keys, dimension, measures, column) for column in money)
                one = amount / orders if orders else targets.revenue_minor
                per_unit = worth.dispersion * one * (1 + worth.variation**2)
                yield _Asked("revenue", amount, targets.revenue_minor, per_unit, targets.currency)
        if targets.conversion is not None:
            now = measures.counts(self._conversion, dimension, window)
            if now is not None:
                clicks, paid = (_of(keys, dimension, measures, column) for column in now)
                watched.clicks.append(clicks)
                share = watched.pace.share(of_time) if watched.pace else 1.0
                # As many clicks as will have been in the end, at this pace, have to be paid at that rate.
                wanted = targets.conversion * watched.clicks[0] / max(share, 1e-9)
                if len(watched.clicks) > _LAG_MINUTES and wanted > 0:
                    yield _Asked("conversion", paid, wanted, worth.dispersion)

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "began_ms": self._began_ms,
            "watched": [
                [name, one.known_ms, one.end_ms, one.pace, [*one.clicks]]
                for name, one in self._watched.items()
            ],
            "told": [[word, finding] for word, finding in self._told.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot."""
        self._began_ms = state["began_ms"]
        self._watched = {
            name: _Watched(known_ms, end_ms, None if pace is None else Pace(tuple(pace[0]), pace[1]), clicks)
            for name, known_ms, end_ms, pace, clicks in state["watched"]
        }
        self._told = {word: finding_of(finding) for word, finding in state["told"]}


def _with_targets(calendar: Calendar, at_ms: int) -> Iterator[Promotion]:
    for active in calendar.active(at_ms):
        if active.running and _words(active.promotion):
            yield active.promotion


def _words(promotion: Promotion) -> list[str]:
    """Words of its targets."""
    targets = promotion.targets
    given = {"orders": targets.orders, "revenue": targets.revenue_minor, "conversion": targets.conversion}
    return [word for word, target in given.items() if target is not None]


def _behind(promotion: Promotion, asked: _Asked, share: float, at_ms: int) -> Finding | None:
    found = behind_target(
        f"{promotion.name} ({asked.word})",
        so_far=asked.so_far,
        share=share,
        target=asked.target,
        started_ms=promotion.start_ms,
        at_ms=at_ms,
        per_unit=asked.per_unit,
        scope=_scope(promotion),
    )
    if found is None or asked.currency is None:
        return found
    return replace(found, lost_minor=round(found.expected - found.observed), currency=asked.currency)


def _scope(promotion: Promotion) -> tuple[Place, ...]:
    """Its one key; several places in a scope would mean all of them at once."""
    places = [Place(dimension, key) for dimension, keys in promotion.scope.items() for key in keys]
    return tuple(places) if len(places) == 1 else EVERYWHERE


def _sellers(promotion: Promotion, measures: Measured) -> tuple[str, Collection[str]]:
    """The dimension that speaks for the promotion, and its keys."""
    if not promotion.scope:
        return _TOTAL.dimension, frozenset({_TOTAL.key})
    window = _window(promotion)
    sold = [
        (_of(keys, dimension, measures, measures.ordered(dimension, window)), dimension)
        for dimension, keys in promotion.scope.items()
    ]
    dimension = max(sold)[1]
    return dimension, promotion.scope[dimension]


def _of(keys: Collection[str], dimension: str, measures: Measured, column: F64 | None) -> float:
    """Sum over some keys."""
    if column is None:
        return 0.0
    names = measures.names(dimension)
    return float(sum(column[number] for number, name in enumerate(names) if name in keys))


def _window(promotion: Promotion) -> str:
    return f"promotion:{promotion.name}"


def _name(promotion: Promotion) -> str:
    """One that begins at another time is another one."""
    return f"{promotion.name}\x1f{promotion.start_ms}"


def _rooted(finding: Finding, phases: Mapping[str, str]) -> Rooted:
    name = finding.detail.rpartition(" (")[0]
    return Rooted(finding, promotion=name, phase=phases.get(name))


def _recovered(finding: Finding) -> Recovered:
    return Recovered(Kind.PROMOTION_BEHIND_TARGET, finding.scope, None, finding.detail)
