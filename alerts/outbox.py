"""What is to be sent now, and what follows from how it went. Pure: time, chance and answers are given.

There is no queue of messages: what a channel is owed follows from what is so now and from what it was
told last, so after a dead hour it is told what is so, once. Promises:

- at least once: what was handed out and not reported as delivered is handed out again, under the same
  key (one per incident, state and channel);
- what the ledger says was delivered is not told again, by whoever reads the topics after;
- one message of a channel that fails is tried at a time, ever more rarely; what is older than
  ``give_up_ms`` then, or refused for good, becomes a dead letter, and another channel is told.

Life: :meth:`Outbox.learn` all of ``funnelwatch.deliveries``, :meth:`Outbox.begin`, :meth:`Outbox.hear` all of
``funnelwatch.incidents``; from then on ``hear`` what comes, ask :meth:`Outbox.due`, send, and
:meth:`Outbox.report`. Everything that comes back in ``records`` is to be written to the topic.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from alerts.ledger import BEGINNING, Address, Delivery, delivered
from alerts.message import MessageState
from alerts.model import State
from alerts.stages.knowledge import Knowledge, MetaAlert, Owed, Trouble
from alerts.stages.stage import Candidate, Dropped, Parcel, Why, key_of
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.incident import Incident
    from alerts.stages.pipeline import Pipeline

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_MAX_DOUBLINGS: Final = 30
_META: Final = "(meta) "


class Answer(StrEnum):
    """What a channel answered. Also the label ``outcome`` of ``funnelwatch_notifications_total``."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"


class Lost(StrEnum):
    """Why something became a dead letter."""

    GIVEN_UP = "given_up"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """How long to try.

    Attributes:
        first_wait_ms: before the second attempt; doubled each time.
        longest_wait_ms: at most.
        give_up_ms: what a channel is owed for longer, while it fails, is given up.
        alarm_after_ms: another channel is told of one that has failed for so long.
        alarm_every_ms: and not more often.
        alarm_to: channels that are told of others that fail, in order; empty for any.
        look_every_ms: how often those that need nothing are looked at, for reminders.
        keep_known_ms: what is over and told is forgotten after so long; longer than it may come back.
        keep_told_ms: that it was told is kept; longer than ``funnelwatch.incidents`` is.

    Raises:
        ConfigError: the waits make no sense.
    """

    first_wait_ms: int = 1_000
    longest_wait_ms: int = 2 * _MINUTE_MS
    give_up_ms: int = _DAY_MS
    alarm_after_ms: int = 5 * _MINUTE_MS
    alarm_every_ms: int = _HOUR_MS
    alarm_to: tuple[str, ...] = ()
    look_every_ms: int = 10_000
    keep_known_ms: int = _HOUR_MS
    keep_told_ms: int = 8 * _DAY_MS

    def __post_init__(self) -> None:
        if not 0 < self.first_wait_ms <= self.longest_wait_ms:
            raise ConfigError("first_wait_ms", "more than 0, at most longest_wait_ms")
        if self.give_up_ms <= self.longest_wait_ms:
            raise ConfigError("give_up_ms", "more than longest_wait_ms")

    def wait_ms(self, failures: int, jitter: float) -> int:
        """Before the next attempt after so many failures: half of it is left to chance, 0 <= jitter < 1."""
        doubled = self.first_wait_ms << min(max(failures - 1, 0), _MAX_DOUBLINGS)
        return round(min(doubled, self.longest_wait_ms) * (0.5 + jitter / 2))


@dataclass(frozen=True, slots=True)
class Report:
    """How sending went.

    Attributes:
        key: of the parcel.
        answer: ``RETRY`` is about the channel, ``REFUSED`` about this message.
        at_ms: when.
        receipt: the channel's own name of the message.
        retry_after_ms: as the channel asked.
        error: what it was, by a word of a closed set; no secret.
    """

    key: str
    answer: Answer
    at_ms: int
    receipt: str = ""
    retry_after_ms: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What nobody was told."""

    candidate: Candidate
    why: Lost
    at_ms: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """What follows.

    Attributes:
        parcels: to be sent, the most urgent first.
        records: to be written to ``funnelwatch.deliveries``.
        gone: keys of records to be deleted there.
        dead: to be written to the dead letters.
        dropped: how many candidates were not told now, by channel (empty before routing) and reason.
    """

    parcels: tuple[Parcel, ...] = ()
    records: tuple[Delivery, ...] = ()
    gone: tuple[Address, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    dropped: Mapping[tuple[str, Why], int] = field(default_factory=dict)


class Outbox:
    """See the module."""

    def __init__(
        self, pipeline: Pipeline, settings: OutboxSettings | None = None, known: Knowledge | None = None
    ) -> None:
        self._pipeline = pipeline
        self._settings = settings or OutboxSettings()
        self.known = known or Knowledge()
        self._unsettled = set(self.known.incidents)
        self._flying: dict[str, Parcel] = {}
        self._looked_ms = 0

    # ------------------------------------------------------------------ taking in
    def learn(self, delivery: Delivery) -> None:
        """Take in a record of ``funnelwatch.deliveries``."""
        self.known.ledger.write(delivery)
        if delivery.incident_id.startswith(_META):
            failed = delivery.incident_id.removeprefix(_META)
            self.known.complained_ms[failed] = delivery.at_ms

    def begin(self, now_ms: int) -> tuple[Delivery, ...]:
        """Channels that are new begin now: of what ended before they are not told. The records to write."""
        new = [
            Delivery(
                channel=name,
                incident_id=BEGINNING,
                key=key_of(BEGINNING, name),
                revision=0,
                state=MessageState.META,
                at_ms=now_ms,
            )
            for name in self._pipeline.settings.names
            if self.known.ledger.told(name, BEGINNING) is None
        ]
        for delivery in new:
            self.known.ledger.write(delivery)
        return tuple(new)

    def hear(self, incident: Incident) -> None:
        """Take in a record of ``funnelwatch.incidents``."""
        if self.known.hear(incident):
            self._unsettled.add(incident.id)
            self._pipeline.note(incident, self.known, incident.updated_at_ms)

    # ------------------------------------------------------------------ giving out
    def due(self, now_ms: int) -> Round:
        """What is to be sent now. Each parcel has to be reported, whatever becomes of it."""
        dead, stale, gone = self._look_again(now_ms)
        given_up = tuple(self._given_up(letter) for letter in dead)
        batch = [self.known.incidents[name] for name in sorted(self._unsettled)]
        outcome = self._pipeline.decide(batch, self.known, now_ms, self._complaints(now_ms))
        self._flying |= {parcel.key: parcel for parcel in outcome.parcels}
        self._settle(outcome.dropped)
        return Round(
            parcels=outcome.parcels,
            records=given_up,
            gone=gone,
            dead=dead,
            dropped=Counter((one.what.channel, one.why) for one in outcome.dropped)
            + Counter((address.channel, Why.STALE) for address in stale),
        )

    def _look_again(
        self, now_ms: int
    ) -> tuple[tuple[DeadLetter, ...], tuple[Address, ...], tuple[Address, ...]]:
        """Now and then: what time alone brings. What is given up, what is stale, what the ledger forgets."""
        if now_ms - self._looked_ms < self._settings.look_every_ms:
            return (), (), ()
        self._looked_ms = now_ms
        self._unsettled |= self.known.waiting_since.keys()
        self._complain_of_the_dead(now_ms)
        self._forget(now_ms)
        gone = self.known.ledger.forget_before(now_ms - self._settings.keep_told_ms)
        old = self._old(now_ms)
        return self._give_up(old, now_ms), self._stale(old), gone

    def _settle(self, dropped: Iterable[Dropped[Candidate]]) -> None:
        """Only what waits, or is being sent, is looked at again."""
        waiting = {one.what.incident.id for one in dropped if one.why.waits}
        self._unsettled = waiting | {address.incident_id for address in self.known.in_flight}

    def _forget(self, now_ms: int) -> None:
        before_ms = now_ms - self._settings.keep_known_ms
        over = [
            one
            for one in self.known.incidents.values()
            if one.state is State.RESOLVED and one.id not in self._unsettled
        ]
        over.sort(key=lambda one: one.updated_at_ms)
        surplus = len(self.known.incidents) - self.known.max_incidents
        for number, one in enumerate(over):
            if one.updated_at_ms < before_ms or number < surplus:
                self.known.forget(one.id)

    # ------------------------------------------------------------------ how it went
    def report(self, report: Report, jitter: float = 0.0) -> Round:
        """What follows from how sending went; one that was not handed out is passed over.

        Args:
            report: what the channel answered.
            jitter: chance for the back-off, 0 <= jitter < 1.
        """
        parcel = self._flying.pop(report.key, None)
        if parcel is None:
            return Round()
        self.known.in_flight -= {one.address for one in parcel.told}
        if report.answer is Answer.RETRY:
            self._fail(parcel.channel, report, jitter)
            return Round()
        if report.answer is Answer.REFUSED:
            return self._refused(parcel, report)
        self.known.troubles.pop(parcel.channel, None)
        return Round(records=self._delivered(parcel, report))

    def _delivered(self, parcel: Parcel, report: Report) -> tuple[Delivery, ...]:
        if parcel.meta:
            return (self._complained(parcel, parcel.meta, report),)
        alone = len(parcel.told) == 1
        return tuple(
            self._write(
                one, parcel.key, report.at_ms, receipt=(report.receipt or parcel.receipt) if alone else ""
            )
            for one in parcel.told
        )

    def _write(
        self, one: Candidate, key: str, at_ms: int, *, receipt: str = "", given_up: bool = False
    ) -> Delivery:
        """Into the ledger; and nothing of it is owed any more."""
        before = self.known.ledger.told(*one.address)
        asked = one.escalated or (before is not None and before.escalated and not before.over)
        asked = asked and one.incident.state is State.FIRING
        delivery = delivered(
            one.incident,
            one.channel,
            key=key,
            state=one.state or MessageState.OPENED,
            at_ms=at_ms,
            receipt=receipt,
            escalated=asked,
            given_up=given_up,
        )
        self.known.ledger.write(delivery)
        self.known.owe(one.address, None)
        return delivery

    def _fail(self, channel: str, report: Report, jitter: float) -> None:
        before = self.known.troubles.get(channel)
        failures = (before.failures if before else 0) + 1
        wait_ms = max(self._settings.wait_ms(failures, jitter), report.retry_after_ms)
        since_ms = before.since_ms if before else report.at_ms
        told = before.told if before else False
        self.known.troubles[channel] = Trouble(
            failures, since_ms, report.at_ms + wait_ms, report.error, told=told
        )

    def _refused(self, parcel: Parcel, report: Report) -> Round:
        if parcel.meta:
            # Tried again, perhaps elsewhere, when it is due the next time.
            self.known.complained_ms[parcel.meta.channel] = report.at_ms
            return Round()
        dead = tuple(DeadLetter(one, Lost.REFUSED, report.at_ms, report.error) for one in parcel.told)
        for _ in dead:
            self._complain(parcel.channel, report.at_ms, report.at_ms, report.error, given_up=1)
        records = tuple(self._write(one, parcel.key, report.at_ms, given_up=True) for one in parcel.told)
        return Round(records=records, dead=dead)

    # ------------------------------------------------------------------ giving up
    def _old(self, now_ms: int) -> tuple[tuple[Address, Owed], ...]:
        """What is owed for too long, and not just being told."""
        return tuple(
            (address, owed)
            for name, channels in self.known.owed.items()
            for channel, owed in channels.items()
            if now_ms - owed.since_ms >= self._settings.give_up_ms
            and (address := Address(channel, name)) not in self.known.in_flight
        )

    def _give_up(self, old: Iterable[tuple[Address, Owed]], now_ms: int) -> tuple[DeadLetter, ...]:
        """Of channels that fail."""
        return tuple(
            DeadLetter(self._candidate(address, owed), Lost.GIVEN_UP, now_ms, trouble.error)
            for address, owed in old
            if (trouble := self.known.troubles.get(address.channel)) is not None
            and address.incident_id in self.known.incidents
        )

    def _stale(self, old: Iterable[tuple[Address, Owed]]) -> tuple[Address, ...]:
        """Of channels that work: an end so old, read again after the ledger forgot it, is of no interest."""
        stale = tuple(
            address
            for address, owed in old
            if address.channel not in self.known.troubles and owed.state is MessageState.RESOLVED
        )
        for address in stale:
            self.known.owe(address, None)
        return stale

    def _candidate(self, address: Address, owed: Owed) -> Candidate:
        return Candidate(
            self.known.incidents[address.incident_id],
            address.channel,
            state=owed.state,
            owed_ms=owed.since_ms,
            owed_revision=owed.revision,
            turn=owed.turn,
        )

    def _given_up(self, letter: DeadLetter) -> Delivery:
        one = letter.candidate
        trouble = self.known.troubles.get(one.channel)
        since_ms = trouble.since_ms if trouble else letter.at_ms
        self._complain(one.channel, since_ms, letter.at_ms, letter.error, given_up=1)
        return self._write(one, one.key, letter.at_ms, given_up=True)

    # ------------------------------------------------------------------ other channels
    def _complain_of_the_dead(self, now_ms: int) -> None:
        for channel, trouble in self.known.troubles.items():
            if not trouble.told and now_ms - trouble.since_ms >= self._settings.alarm_after_ms:
                trouble.told = True
                self._complain(channel, trouble.since_ms, now_ms, trouble.error, given_up=0)

    def _complain(self, channel: str, since_ms: int, now_ms: int, error: str, *, given_up: int) -> None:
        """Add to what is to be told of a channel."""
        before = self.known.complaints.get(channel)
        if before is not None:
            since_ms, given_up = min(since_ms, before.since_ms), given_up + before.given_up
        self.known.complaints[channel] = MetaAlert(channel, since_ms, error, given_up, now_ms)

    def _complaints(self, now_ms: int) -> tuple[Parcel, ...]:
        """Meta-alerts that are due, each to a channel that works."""
        parcels = []
        flying = {parcel.meta.channel for parcel in self._flying.values() if parcel.meta}
        for failed, meta in self.known.complaints.items():
            last_ms = self.known.complained_ms.get(failed)
            early = last_ms is not None and now_ms - last_ms < self._settings.alarm_every_ms
            channel = self._other(failed)
            if channel is not None and not early and failed not in flying:
                key = key_of(_META, failed, channel, str(meta.since_ms), str(meta.at_ms))
                parcels.append(Parcel(key, channel, MessageState.META, meta=meta))
        return tuple(parcels)

    def _other(self, failed: str) -> str | None:
        names = self._settings.alarm_to or self._pipeline.settings.names
        return next((name for name in names if name != failed and name not in self.known.troubles), None)

    def _complained(self, parcel: Parcel, meta: MetaAlert, report: Report) -> Delivery:
        self.known.complained_ms[meta.channel] = report.at_ms
        newer = self.known.complaints.get(meta.channel)
        if newer is not None and newer.given_up > meta.given_up:
            # More was given up meanwhile: that is told the next time.
            left = newer.given_up - meta.given_up
            self.known.complaints[meta.channel] = msgspec.structs.replace(newer, given_up=left)
        else:
            self.known.complaints.pop(meta.channel, None)
        delivery = Delivery(
            channel=parcel.channel,
            incident_id=_META + meta.channel,
            key=parcel.key,
            revision=0,
            state=MessageState.META,
            at_ms=report.at_ms,
            receipt=report.receipt,
        )
        self.known.ledger.write(delivery)
        return delivery

    # ------------------------------------------------------------------ state
    def snapshot(self) -> dict[str, Any]:
        """All of it but what is being sent, as plain data."""
        return self.known.snapshot()

    @classmethod
    def restore(
        cls, state: Mapping[str, Any], pipeline: Pipeline, settings: OutboxSettings | None = None
    ) -> Outbox:
        """From a snapshot; what was being sent is sent again.

        Raises:
            msgspec.ValidationError: it is none.
        """
        return cls(pipeline, settings, Knowledge.restore(state))
