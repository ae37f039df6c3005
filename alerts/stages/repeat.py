"""What has to be sent again while it lasts: an alert that Alertmanager hears nothing more of ends by itself.

It tells nobody anything new, so nothing of it is owed, budgeted or written down. After a restart everything is
due at once; so many go in one round that what is new is not kept waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.stages.stage import Candidate, Parcel, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerts.incident import Incident
    from alerts.ledger import Delivery
    from alerts.stages.budget import ChannelRule
    from alerts.stages.knowledge import Knowledge

_AT_ONCE: Final = 200


class Repeat:
    """See the module.

    Args:
        rules: by channel; those with ``resend_ms`` are meant.
    """

    def __init__(self, rules: Mapping[str, ChannelRule]) -> None:
        self._every = {name: rule.resend_ms for name, rule in rules.items() if rule.resend_ms is not None}
        self._last: dict[str, dict[str, int]] = {}

    def due(self, state: Knowledge, now_ms: int) -> tuple[Parcel, ...]:
        """Parcels of what is open and was told so long ago; of a channel that fails one, when its time has come."""
        if not self._every:
            return ()
        parcels = []
        for channel, every_ms in self._every.items():
            trouble = state.troubles.get(channel)
            if trouble is not None and trouble.again_ms > now_ms:
                continue
            busy = any(address.channel == channel for address in state.in_flight)
            room = _AT_ONCE if trouble is None else 1 - busy
            waiting = sorted(self._waiting(channel, every_ms, state, now_ms), key=lambda one: one[0])
            parcels += [_parcel(incident, told, now_ms) for _, incident, told in waiting[:room]]
        return tuple(parcels)

    def _waiting(
        self, channel: str, every_ms: int, state: Knowledge, now_ms: int
    ) -> Iterator[tuple[int, Incident, Delivery]]:
        for incident in state.incidents.values():
            told = state.ledger.told(channel, incident.id)
            if not incident.open or told is None or told.over or told.given_up:
                continue
            last_ms = max(told.at_ms, self._last.get(incident.id, {}).get(channel, 0))
            if now_ms - last_ms >= every_ms and told.address not in state.in_flight:
                yield last_ms, incident, told

    def sent(self, parcel: Parcel, at_ms: int) -> None:
        """It was, whatever was said to it."""
        for one in parcel.told:
            self._last.setdefault(one.incident.id, {})[one.channel] = at_ms

    def forget(self, incident_id: str) -> None:
        """Of an incident that is over."""
        self._last.pop(incident_id, None)


def _parcel(incident: Incident, told: Delivery, now_ms: int) -> Parcel:
    candidate = Candidate(incident, told.channel, state=told.state, owed_ms=now_ms)
    key = key_of("again", told.key, str(now_ms))
    return Parcel(key, told.channel, told.state, (candidate,), receipt=told.receipt, again=True)
