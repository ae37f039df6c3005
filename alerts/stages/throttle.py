"""How much a channel may be sent: a page, or what ends, goes first and has a reserve that nothing else takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.stages.budget import rule_of
from alerts.stages.stage import Decision, Dropped, Parcel, Why

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.stages.budget import ChannelRule
    from alerts.stages.knowledge import Knowledge


class Throttle:
    """See the module.

    Args:
        rules: by channel.
    """

    def __init__(self, rules: Mapping[str, ChannelRule]) -> None:
        self._rules = rules

    def decide(self, batch: tuple[Parcel, ...], state: Knowledge, now_ms: int) -> Decision[Parcel]:
        """What there is budget for, the most urgent first; takes nothing yet."""
        survivors: list[Parcel] = []
        dropped: list[Dropped[Parcel]] = []
        free: dict[str, float] = {}
        for parcel in sorted(batch, key=lambda one: one.order):
            budget = rule_of(self._rules, parcel.channel).budget
            bucket = state.buckets.get(parcel.channel)
            tokens = free.setdefault(parcel.channel, budget.tokens(bucket, now_ms))
            if tokens >= (1 if parcel.urgent else 1 + budget.reserve):
                free[parcel.channel] -= 1
                survivors.append(parcel)
            else:
                dropped.append(Dropped(parcel, Why.BUDGET))
        return Decision(tuple(survivors), tuple(dropped))

    def take(self, parcels: tuple[Parcel, ...], state: Knowledge, now_ms: int) -> None:
        """Write down that they are sent."""
        for parcel in parcels:
            budget = rule_of(self._rules, parcel.channel).budget
            state.buckets[parcel.channel] = budget.take(state.buckets.get(parcel.channel), now_ms)
