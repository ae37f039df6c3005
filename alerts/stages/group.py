"""One message or several: what there is no budget for is told together, the worst alone.

Nothing waits for company unless its route collects: on an idle channel an incident is told at once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from alerts.message import MessageState
from alerts.stages.budget import rule_of
from alerts.stages.stage import Candidate, Decision, Dropped, Haste, Parcel, Why, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.stages.budget import ChannelRule
    from alerts.stages.knowledge import Knowledge
    from alerts.stages.route import Route


class Group:
    """See the module.

    Args:
        routes: of which some collect.
        rules: by channel.
    """

    def __init__(self, routes: tuple[Route, ...], rules: Mapping[str, ChannelRule]) -> None:
        self._collect = {route.name: route.collect_ms for route in routes if route.collect_ms}
        self._rules = rules

    def decide(self, batch: tuple[Candidate, ...], state: Knowledge, now_ms: int) -> Grouped:
        """Parcels, and candidates that wait for others."""
        by_channel: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in sorted(batch, key=lambda one: one.order):
            by_channel[candidate.channel].append(candidate)
        parcels: list[Parcel] = []
        dropped: list[Dropped[Candidate]] = []
        for channel, candidates in sorted(by_channel.items()):
            ready, early = self._collected(channel, candidates, now_ms)
            parcels += self._parcels(channel, ready, state, now_ms)
            dropped += [Dropped(one, Why.COLLECTING) for one in early]
        return Grouped(Decision(tuple(parcels)), tuple(dropped))

    def _collected(
        self, channel: str, candidates: Sequence[Candidate], now_ms: int
    ) -> tuple[list[Candidate], list[Candidate]]:
        """What may go now, and what its route still collects: all of it until the oldest is old enough."""
        if not rule_of(self._rules, channel).digests:
            return list(candidates), []
        collected: dict[str, list[Candidate]] = defaultdict(list)
        for one in candidates:
            if one.haste is Haste.USUAL and one.route in self._collect:
                collected[one.route].append(one)
        early = {
            one.address
            for route, ones in collected.items()
            if now_ms - min(one.owed_ms for one in ones) < self._collect[route]
            for one in ones
        }
        ready = [one for one in candidates if one.address not in early]
        return ready, [one for one in candidates if one.address in early]

    def _parcels(
        self, channel: str, candidates: list[Candidate], state: Knowledge, now_ms: int
    ) -> list[Parcel]:
        rule = rule_of(self._rules, channel)
        alone = [one for one in candidates if not self._together(one, rule)]
        rest = [one for one in candidates if self._together(one, rule)]
        free = int(rule.budget.tokens(state.buckets.get(channel), now_ms))
        singles = self._singles(alone, len(rest), free, rule)
        together = [*alone[singles:], *rest]
        parcels = [parcel_of(one, state) for one in alone[:singles]]
        if len(together) == 1:
            return [*parcels, parcel_of(together[0], state)]
        return [*parcels, digest_of(channel, together)] if together else parcels

    def _together(self, candidate: Candidate, rule: ChannelRule) -> bool:
        return rule.digests and candidate.haste is Haste.USUAL and candidate.route in self._collect

    @staticmethod
    def _singles(alone: Sequence[Candidate], others: int, free: int, rule: ChannelRule) -> int:
        """How many are told alone. A digest of the rest has to fit in; what is urgent goes alone if it can."""
        urgent = sum(one.haste is not Haste.USUAL for one in alone)
        open_to_all = max(free - rule.budget.reserve, 0)
        if not rule.digests or (not others and urgent <= free and len(alone) <= max(open_to_all, urgent)):
            return len(alone)
        beside_a_digest = min(len(alone), max(open_to_all - 1, 0))
        return max(urgent, beside_a_digest) if urgent <= free else beside_a_digest


class Grouped:
    """What :class:`Group` says: parcels, and what waits."""

    __slots__ = ("decision", "dropped")

    def __init__(self, decision: Decision[Parcel], dropped: tuple[Dropped[Candidate], ...]) -> None:
        self.decision = decision
        self.dropped = dropped


def parcel_of(candidate: Candidate, state: Knowledge) -> Parcel:
    """A message about one incident."""
    told = state.ledger.told(*candidate.address)
    return Parcel(
        key=candidate.key,
        channel=candidate.channel,
        state=candidate.state or MessageState.OPENED,
        told=(candidate,),
        receipt=told.receipt if told else "",
    )


def digest_of(channel: str, candidates: Sequence[Candidate]) -> Parcel:
    """A message about several, the most urgent first."""
    told = tuple(sorted(candidates, key=lambda one: one.order))
    key = key_of("digest", channel, *sorted(one.key for one in told))
    return Parcel(key=key, channel=channel, state=MessageState.DIGEST, told=told)
