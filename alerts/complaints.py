"""Channels that fail, told on other channels: what is to be said of them, to whom, and what was. Pure.

Promises: one meta-alert about a channel at a time, never to that channel nor to one that fails as well, and
not more often than ``alarm_every_ms``; what is given up meanwhile is told the next time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from alerts.ledger import Delivery
from alerts.message import MessageState
from alerts.stages.knowledge import MetaAlert
from alerts.stages.stage import Parcel, key_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from alerts.rounds import OutboxSettings, Report
    from alerts.stages.knowledge import Knowledge

_META: Final = "(meta) "


class Complaints:
    """See the module.

    Args:
        known: where it stands; shared with the outbox.
        settings: how often, and to whom.
        names: of all channels, in order.
    """

    def __init__(self, known: Knowledge, settings: OutboxSettings, names: tuple[str, ...]) -> None:
        self._known = known
        self._settings = settings
        self._names = names

    def learn(self, delivery: Delivery) -> None:
        """Take in a record of ``funnelwatch.deliveries``; one that is about no channel is passed over."""
        if delivery.incident_id.startswith(_META):
            self.told(delivery.incident_id.removeprefix(_META), delivery.at_ms)

    def told(self, channel: str, at_ms: int) -> None:
        """Somebody was told of a channel, or refused to be: the next time is later."""
        self._known.complained_ms[channel] = at_ms

    def look(self, now_ms: int) -> None:
        """Complain of those that have failed for long."""
        for channel, trouble in self._known.troubles.items():
            if not trouble.told and now_ms - trouble.since_ms >= self._settings.alarm_after_ms:
                trouble.told = True
                self.add(channel, trouble.since_ms, now_ms, trouble.error, given_up=0)

    def add(self, channel: str, since_ms: int, now_ms: int, error: str, *, given_up: int) -> None:
        """Add to what is to be told of a channel."""
        before = self._known.complaints.get(channel)
        if before is not None:
            since_ms, given_up = min(since_ms, before.since_ms), given_up + before.given_up
        self._known.complaints[channel] = MetaAlert(channel, since_ms, error, given_up, now_ms)

    def due(self, now_ms: int, flying: Collection[str]) -> tuple[Parcel, ...]:
        """Meta-alerts that are due, each to a channel that works; not of those of whom is being told."""
        parcels = []
        for failed, meta in self._known.complaints.items():
            last_ms = self._known.complained_ms.get(failed)
            early = last_ms is not None and now_ms - last_ms < self._settings.alarm_every_ms
            channel = self._other(failed)
            if channel is not None and not early and failed not in flying:
                key = key_of(_META, failed, channel, str(meta.since_ms), str(meta.at_ms))
                parcels.append(Parcel(key, channel, MessageState.META, meta=meta))
        return tuple(parcels)

    def _other(self, failed: str) -> str | None:
        names = self._settings.alarm_to or self._names
        return next((name for name in names if name != failed and name not in self._known.troubles), None)

    def delivered(self, parcel: Parcel, meta: MetaAlert, report: Report) -> Delivery:
        """Somebody was told; the record of it."""
        self.told(meta.channel, report.at_ms)
        newer = self._known.complaints.get(meta.channel)
        if newer is not None and newer.given_up > meta.given_up:
            left = newer.given_up - meta.given_up
            self._known.complaints[meta.channel] = msgspec.structs.replace(newer, given_up=left)
        else:
            self._known.complaints.pop(meta.channel, None)
        delivery = Delivery(
            channel=parcel.channel,
            incident_id=_META + meta.channel,
            key=parcel.key,
            revision=0,
            state=MessageState.META,
            at_ms=report.at_ms,
            receipt=report.receipt,
        )
        self._known.ledger.write(delivery)
        return delivery
