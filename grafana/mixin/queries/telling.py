"""Telling people: what became of messages, what is still owed, how long it takes."""

from __future__ import annotations

from typing import Final

from alerts.link_pages import LINK_USES
from alerts.notify_metrics import ATTEMPTS, DELAY, NOTIFICATIONS, OLDEST, PENDING
from grafana.mixin.promql import aggregate, increase, of

DELIVERED: Final = "delivered"


def outcomes() -> str:
    """Messages, and incidents that are not told, in all that is shown, by what became of them."""
    return f"sort_desc({aggregate('sum', increase(NOTIFICATIONS, '$__range'), 'outcome')})"


def delivered() -> str:
    """Messages that channels took, in all that is shown."""
    return aggregate("sum", increase(NOTIFICATIONS, "$__range", outcome=DELIVERED), "channel")


def attempts() -> str:
    """Attempts in all that is shown, by how they ended."""
    return aggregate("sum", increase(ATTEMPTS, "$__range"), "channel", "reason")


def pending() -> str:
    """Incidents of which a channel is still to be told."""
    return aggregate("max", of(PENDING), "channel")


def oldest() -> str:
    """For how long a channel has been owed what it is owed longest."""
    return aggregate("max", of(OLDEST), "channel")


def delay(share: float) -> str:
    """From an incident's record to a channel's acceptance, of all since the worker began.

    Not a rate: messages are few, and a histogram's first sample is no growth.
    """
    return f"histogram_quantile({share}, sum by (le) ({of(DELAY, suffix='_bucket')}))"


def links() -> str:
    """Uses of links in messages, in all that is shown."""
    return aggregate("sum", increase(LINK_USES, "$__range"), "outcome")
