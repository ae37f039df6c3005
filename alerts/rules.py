"""An operator's own fixed lines: a threshold, a window, a least volume, and how long it must hold.

Pure. A rule draws a line under or over a conversion, a node's traffic or the revenue, absolute or
relative to a comparison (what was expected, the window before, yesterday, last week). It is judged at
the end of each bucket on whole columns of keys. It says nothing where a numerator, a denominator or
the comparison is missing, or where they stand on less than the least volume. It claims no
statistics: the findings carry no evidence, and how often they are wrong is the operator's affair.

How long it holds is the business of :mod:`alerts.rule_book`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from alerts.model import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Bools = NDArray[np.bool_]


class Comparison(StrEnum):
    """What a relative line is drawn at a multiple of."""

    EXPECTED = "expected"
    PREVIOUS = "previous"
    YESTERDAY = "yesterday"
    LAST_WEEK = "last_week"


class Subject(NamedTuple):
    """What is counted.

    Conversion has both nodes; traffic has only ``to_node``; revenue has neither, but a currency.
    """

    from_node: str | None
    to_node: str | None
    currency: str | None = None

    @property
    def is_conversion(self) -> bool:
        """Whether a share of the entries is what counts, not an amount."""
        return self.from_node is not None


class Counts(NamedTuple):
    """Counts of every key of a dimension in one window, by key number, each of shape (n,).

    ``entries``: upstream count of a conversion; the node's own count of traffic; paid orders of
    revenue. ``reached``: downstream count, the node's own count, or minor units. NaN where it is
    not known.
    """

    entries: F64
    reached: F64


class Measures(Protocol):
    """The windows as they stand at the end of a bucket."""

    def names(self, dimension: str) -> Sequence[str]:
        """The keys of a dimension by number; not longer than the counts of it."""
        ...

    def counts(
        self, subject: Subject, dimension: str, window: str, compared: Comparison | None
    ) -> Counts | None:
        """Counts of the window that ends now, or of what it is compared with; None if there are none.

        Against ``EXPECTED``, ``reached`` is what should have been reached in the window; entries are
        those of now for a conversion, the expected count or orders for an amount.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as ``streams.config_rules.RuleEntry.plain`` writes it.

    Attributes:
        name: unique.
        subject: what is counted.
        dimension: under which it is counted.
        keys: only these; empty is every key of the dimension.
        line: a share, a count or minor units; a factor on the comparison where there is one.
        above: the line may not be exceeded, rather than not be fallen short of.
        relative_to: the comparison; None for an absolute line.
        window: 1m, 5m, 15m, 1h or day.
        minimum: least volume.
        hold_ms: how long it must be so; 0 is at once.
        severity: of the incident.
        promotion: only while this promotion has a phase; None is always.
        phases: only in these phases (of that promotion, else of any); empty is in all.
    """

    name: str
    subject: Subject
    line: float
    dimension: str = "all"
    keys: frozenset[str] = frozenset()
    above: bool = False
    relative_to: Comparison | None = None
    window: str = "5m"
    minimum: float = 100.0
    hold_ms: int = 0
    severity: Severity = Severity.WARNING
    promotion: str | None = None
    phases: frozenset[str] = frozenset()

    def applies(self, active: Collection[tuple[str, str]]) -> bool:
        """Whether it is looked at while these (promotion, phase) are active."""
        if self.promotion is None and not self.phases:
            return True
        return any(
            (self.promotion in (None, promotion)) and (not self.phases or phase in self.phases)
            for promotion, phase in active
        )


def rule_from(plain: Mapping[str, Any]) -> Rule:
    """The rule that a configuration's plain data describe."""
    words = dict(plain)
    subject = Subject(words.pop("from_node"), words.pop("to_node"), words.pop("currency"))
    compared = words.pop("relative_to")
    return Rule(
        subject=subject,
        keys=frozenset(words.pop("keys")),
        relative_to=None if compared is None else Comparison(compared),
        severity=Severity(words.pop("severity")),
        phases=frozenset(words.pop("phases")),
        **words,
    )


class Verdicts(NamedTuple):
    """What a rule says of each key of its dimension, by key number, each of shape (n,).

    ``judged``: stands on enough to be judged; ``beyond``: judged, and beyond the line; ``expected``: what
    would be reached on the comparison, or on an absolute line.
    """

    judged: Bools
    beyond: Bools
    counts: Counts
    expected: F64


def judge(rule: Rule, measures: Measures) -> Verdicts | None:
    """A rule at the end of one bucket, without its hold; None where nothing is counted."""
    now = measures.counts(rule.subject, rule.dimension, rule.window, None)
    if now is None:
        return None
    if rule.relative_to is None:
        return _beyond(rule, now, _on_the_line(rule, now), 1.0, now.entries)
    then = measures.counts(rule.subject, rule.dimension, rule.window, rule.relative_to)
    if then is None:
        return None
    return _beyond(rule, now, _as_compared(rule, now, then), rule.line, then.entries)


def _on_the_line(rule: Rule, now: Counts) -> F64:
    return rule.line * (now.entries if rule.subject.is_conversion else np.ones_like(now.reached))


def _as_compared(rule: Rule, now: Counts, then: Counts) -> F64:
    """What would be reached now were it as it was then; NaN where then there was nothing."""
    if not rule.subject.is_conversion:
        return np.where(then.reached > 0, then.reached, np.nan)
    unknown = np.full(len(then.reached), np.nan)
    share = np.divide(then.reached, then.entries, out=unknown, where=then.entries > 0)
    return now.entries * np.where(share > 0, share, np.nan)


def _beyond(rule: Rule, now: Counts, expected: F64, factor: float, stood_on: F64) -> Verdicts:
    judged = np.isfinite(expected) & np.isfinite(now.reached) & _enough(rule, now, stood_on)
    line = expected * factor
    beyond = now.reached > line if rule.above else now.reached < line
    return Verdicts(judged, judged & beyond, now, expected)


def _enough(rule: Rule, now: Counts, then_entries: F64) -> Bools:
    """Where there is volume enough: for a share in both windows, for an amount where it was, or is."""
    if rule.subject.is_conversion:
        return (now.entries >= max(rule.minimum, 1)) & (then_entries >= max(rule.minimum, 1))
    if rule.relative_to is None:
        return np.ones(len(now.reached), dtype=np.bool_)
    return (now.entries if rule.above else then_entries) >= rule.minimum
