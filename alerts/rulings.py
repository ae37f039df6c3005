"""An operator's rules over what is counted and expected: their findings, and when those are over. Pure.

No rule is judged on data that cannot be believed: not while a topic that it counts from is in doubt, and
not while its sliding window still has a time in which that topic was bad. Then nothing is told of it and
nothing taken back. A local day is not given up for an outage in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alerts.expected_amounts import ExpectedAmounts
from alerts.expected_shares import WINDOWS_MS, ExpectedShares
from alerts.identity import BOTH, CLICKSTREAM
from alerts.model import Kind, Recovered, Rooted
from alerts.rule_book import RuleBook
from alerts.rules import Comparison, Counts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.expectation.series import Expected
    from alerts.model import DataState, Finding
    from alerts.recent import RecentCounts
    from alerts.rule_book import Cleared
    from alerts.rules import Measures, Rule, Subject
    from alerts.series import SeriesTable, StepCounts
    from streams.promotions import ActivePromotion

    Numbers = NDArray[np.intp]


class Moment(NamedTuple):
    """A bucket as rules see it.

    Attributes:
        at_ms: its end.
        counts: by row and step.
        expected: of it.
        data: which topics cannot be believed.
        active: promotions that have a phase.
        value_minor: what an order is worth, in ``currency``; 0 where that is not known.
    """

    at_ms: int
    counts: StepCounts
    expected: Expected
    data: DataState
    active: tuple[ActivePromotion, ...]
    value_minor: float
    currency: str | None


class Rulings:
    """See the module.

    Args:
        rules: what an operator wrote.
        nodes: of the funnel.
        order_nodes: those that the orders topic tells of.
        table: the rows.
    """

    def __init__(
        self, rules: Sequence[Rule], nodes: Sequence[str], order_nodes: frozenset[str], table: SeriesTable
    ) -> None:
        self._book = RuleBook(rules)
        self._nodes = tuple(nodes)
        self._order_nodes = order_nodes
        self._table = table
        self._amounts = ExpectedAmounts(table, nodes, _amounts_of(rules))
        # Until when each topic was bad.
        self._bad_until: dict[str, int] = {}

    def judge(
        self, moment: Moment, recent: RecentCounts, measures: Measures | None
    ) -> tuple[list[Rooted], list[Recovered]]:
        """What the rules say at the end of a bucket.

        Args:
            moment: the bucket.
            recent: the hour before it.
            measures: the windows that end with it; without them nothing is said.
        """
        self._bad_until |= dict.fromkeys(moment.data.bad, moment.at_ms)
        self._amounts.add(moment.expected, moment.value_minor, moment.currency)
        if measures is None:
            return [], []
        shares = ExpectedShares(self._table, recent, moment.counts.entered, moment.expected)
        shown = _Believed(self, measures, shares, moment)
        active = [(one.name, one.phase.value) for one in moment.active]
        outcome = self._book.evaluate(moment.at_ms, shown, active)
        rooted = [self._rooted(finding, moment.active) for finding in outcome.findings]
        return rooted, [_recovered(cleared) for cleared in outcome.clear]

    def _rooted(self, finding: Finding, active: Sequence[ActivePromotion]) -> Rooted:
        rule = self._book.rule(finding.detail)
        within = [one for one in active if one.promotion.covers(*finding.scope[0])]
        if rule is not None and rule.promotion is not None:
            within = [one for one in active if one.name == rule.promotion]
        return Rooted(
            finding,
            severity=None if rule is None else rule.severity,
            promotion=within[0].name if within else None,
            phase=within[0].phase.value if within else None,
        )

    def believes(self, subject: Subject, window: str, moment: Moment) -> bool:
        """Whether what is counted in a window can be believed."""
        topics = self._topics(subject)
        if topics & (moment.data.bad | moment.data.doubtful):
            return False
        starts_ms = moment.at_ms - WINDOWS_MS.get(window, 0)
        return all(self._bad_until.get(topic, starts_ms) <= starts_ms for topic in topics)

    def _topics(self, subject: Subject) -> frozenset[str]:
        nodes = {subject.from_node, subject.to_node}
        of_orders = subject.currency is not None or nodes & self._order_nodes
        return BOTH if of_orders else frozenset({CLICKSTREAM})

    def expected(
        self, subject: Subject, dimension: str, window: str, value_minor: float, keys: int
    ) -> Counts | None:
        """What should have come in a window; of revenue, and how many orders."""
        amounts = self._amounts.of(dimension, subject, window)
        if amounts is None:
            return None
        reached = _padded(amounts, keys)
        return Counts(reached if subject.currency is None else reached / max(value_minor, 1.0), reached)

    def steps(self, subject: Subject) -> range:
        """Steps of a conversion."""
        return range(self._nodes.index(subject.from_node or ""), self._nodes.index(subject.to_node or ""))

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "book": self._book.snapshot(),
            "amounts": self._amounts.snapshot(),
            "bad_until": dict(self._bad_until),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot, perhaps with other rules."""
        self._book.restore(state["book"])
        self._amounts.restore(state["amounts"])
        self._bad_until = dict(state["bad_until"])


class _Believed:
    """The windows, but for what cannot be believed; and what was expected of them."""

    def __init__(self, rulings: Rulings, measures: Measures, shares: ExpectedShares, moment: Moment) -> None:
        self._rulings = rulings
        self._measures = measures
        self._shares = shares
        self._moment = moment

    def names(self, dimension: str) -> Sequence[str]:
        """The keys of a dimension by number."""
        return self._measures.names(dimension)

    def counts(self, subject: Subject, dimension: str, window: str) -> Counts | None:
        """Counts in the window that ends now; None if they cannot be believed."""
        if not self._rulings.believes(subject, window, self._moment):
            return None
        return self._measures.counts(subject, dimension, window)

    def compared(
        self, subject: Subject, dimension: str, window: str, with_: Comparison, numbers: Numbers
    ) -> Counts | None:
        """Counts of what the window is compared with."""
        if with_ is not Comparison.EXPECTED:
            return self._measures.compared(subject, dimension, window, with_, numbers)
        now = self._measures.counts(subject, dimension, window)
        if now is None or window not in WINDOWS_MS:
            return None
        keys = len(now.entries)
        if not subject.is_conversion:
            return self._rulings.expected(subject, dimension, window, self._moment.value_minor, keys)
        shares = self._shares.of(dimension, self._rulings.steps(subject), window)
        return Counts(now.entries, now.entries * _padded(shares, keys))


def _amounts_of(rules: Collection[Rule]) -> list[tuple[str, Subject]]:
    """Amounts that some rule compares with what was expected."""
    return [
        (rule.dimension, rule.subject)
        for rule in rules
        if rule.relative_to is Comparison.EXPECTED and not rule.subject.is_conversion
    ]


def _padded(values: NDArray[np.float64], keys: int) -> NDArray[np.float64]:
    found = np.full(keys, np.nan)
    found[: values.size] = values[:keys]
    return found


def _recovered(cleared: Cleared) -> Recovered:
    return Recovered(Kind.RULE, (cleared.place,), cleared.step, cleared.rule)
