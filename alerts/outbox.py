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
from typing import TYPE_CHECKING, Any, NamedTuple

from alerts.complaints import Complaints
from alerts.drops import Drops
from alerts.ledger import BEGINNING, Address, Delivery, delivered
from alerts.message import MessageState
from alerts.model import State
from alerts.rounds import Answer, DeadLetter, Lost, OutboxSettings, Report, Round
from alerts.stages.knowledge import Knowledge, Owed, Trouble
from alerts.stages.repeat import Repeat
from alerts.stages.stage import Candidate, Dropped, Parcel, Why, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerts.incident import Incident
    from alerts.stages.pipeline import Pipeline


class _Looked(NamedTuple):
    """What time alone has brought; ``whole``: it was looked for."""

    whole: bool = False
    dead: tuple[DeadLetter, ...] = ()
    stale: tuple[Address, ...] = ()
    gone: tuple[Address, ...] = ()


class Outbox:
    """See the module."""

    def __init__(
        self, pipeline: Pipeline, settings: OutboxSettings | None = None, known: Knowledge | None = None
    ) -> None:
        self._pipeline = pipeline
        self._settings = settings or OutboxSettings()
        self.known = known or Knowledge()
        self._unsettled = set(self.known.incidents)
        self._complaints = Complaints(self.known, self._settings, pipeline.settings.names)
        self._repeat = Repeat(pipeline.settings.channels)
        self._drops = Drops()
        self._flying: dict[str, Parcel] = {}
        self._looked_ms = 0

    # ------------------------------------------------------------------ taking in
    def learn(self, delivery: Delivery) -> None:
        """Take in a record of ``funnelwatch.deliveries``."""
        self.known.ledger.write(delivery)
        self._complaints.learn(delivery)

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
        looked = self._look_again(now_ms)
        given_up = tuple(self._given_up(letter) for letter in looked.dead)
        batch = [self.known.incidents[name] for name in sorted(self._unsettled)]
        flying = {parcel.meta.channel for parcel in self._flying.values() if parcel.meta}
        beside = self._complaints.due(now_ms, flying)
        outcome = self._pipeline.decide(batch, self.known, now_ms, beside)
        repeated = self._repeated(now_ms) if looked.whole else ()
        self._flying |= {parcel.key: parcel for parcel in (*outcome.parcels, *repeated)}
        self._settle(outcome.dropped)
        self._drops.told(one for parcel in outcome.parcels for one in parcel.told)
        return Round(
            parcels=(*outcome.parcels, *repeated),
            records=given_up,
            gone=looked.gone,
            dead=looked.dead,
            dropped=self._drops.count(outcome.dropped)
            + Counter((address.channel, Why.STALE) for address in looked.stale),
        )

    def _repeated(self, now_ms: int) -> tuple[Parcel, ...]:
        """What lasts, for channels that have to hear of it again and again."""
        parcels = self._repeat.due(self.known, now_ms)
        self.known.in_flight |= {one.address for parcel in parcels for one in parcel.told}
        return parcels

    def _look_again(self, now_ms: int) -> _Looked:
        """Now and then: what time alone brings. What is given up, what is stale, what the ledger forgets."""
        if now_ms - self._looked_ms < self._settings.look_every_ms:
            return _Looked()
        self._looked_ms = now_ms
        self._unsettled |= self.known.waiting_since.keys()
        self._complaints.look(now_ms)
        self._forget(now_ms)
        gone = self.known.ledger.forget_before(now_ms - self._settings.keep_told_ms)
        old = self._old(now_ms)
        return _Looked(True, self._give_up(old, now_ms), self._stale(old), gone)

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
                self._drops.forget(one.id)
                self._repeat.forget(one.id)

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
        if parcel.again:
            self._repeat.sent(parcel, report.at_ms)
        if report.answer is Answer.RETRY:
            self._fail(parcel.channel, report, jitter)
            return Round()
        if report.answer is Answer.REFUSED:
            return Round() if parcel.again else self._refused(parcel, report)
        self.known.troubles.pop(parcel.channel, None)
        if parcel.again:
            return Round()
        return Round(records=self._delivered(parcel, report))

    def _delivered(self, parcel: Parcel, report: Report) -> tuple[Delivery, ...]:
        if parcel.meta:
            return (self._complaints.delivered(parcel, parcel.meta, report),)
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
            self._complaints.told(parcel.meta.channel, report.at_ms)
            return Round()
        dead = tuple(DeadLetter(one, Lost.REFUSED, report.at_ms, report.error) for one in parcel.told)
        for _ in dead:
            self._complaints.add(parcel.channel, report.at_ms, report.at_ms, report.error, given_up=1)
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
        self._complaints.add(one.channel, since_ms, letter.at_ms, letter.error, given_up=1)
        return self._write(one, one.key, letter.at_ms, given_up=True)

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
