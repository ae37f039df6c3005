"""``notify-test``: samples to the channels, and what they answered. Nothing is written to Kafka.

A channel's own budget is kept to, so that a test does not get it blocked. Without ``--dry-run`` people see
these messages: they are marked as a test.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from alerts.message import LinkKind
from alerts.notify.base import Sending
from alerts.notify.registry import ChannelKind, channel_of, open_carrier
from alerts.notify.samples import Sample, marked, sample_parcel
from alerts.notify.secrets import Secret, scrub
from alerts.wording import message_of
from streams.assembly import notify_plan_of
from streams.clock import SystemClock
from streams.commands.listing import table
from streams.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from alerts.message import Message
    from alerts.notify.base import Outcome, Rate
    from alerts.notify.registry import ChannelPlan
    from streams.clock import Clock
    from streams.config import Settings

_HEADER: Final = ("CHANNEL", "KIND", "MESSAGE", "RESULT", "WHY", "ANSWER")
_MAX_ANSWER: Final = 120


class Tried(NamedTuple):
    """One attempt."""

    plan: ChannelPlan
    kind: Sample
    outcome: Outcome

    @property
    def row(self) -> tuple[str, ...]:
        """For the table."""
        outcome = self.outcome
        words = (outcome.verdict.value, outcome.why.value, outcome.answer[:_MAX_ANSWER])
        return (self.plan.name, self.plan.kind.value, self.kind.value, *words)


class Rehearsal:
    """What is to be sent where.

    Args:
        settings: the whole tree.
        environ: the variables that secrets are in.
        base: folder of the settings.
        clock: wall clock.

    Raises:
        ConfigError: a secret is not there, or something is missing.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], base: Path, clock: Clock) -> None:
        self._plan = notify_plan_of(settings, environ, base)
        self._now_ms = clock.now_ms()
        self._clock = clock

    def plans(self, names: Sequence[str]) -> list[ChannelPlan]:
        """Those of the channels named, or of all.

        Raises:
            ConfigError: there are none, or not these.
        """
        known = [plan.name for plan in self._plan.channels]
        if not known:
            raise ConfigError("notify.channels", "at least one is needed to try")
        if not set(names) <= set(known):
            raise ConfigError("--channel", f"one of {', '.join(known)}")
        return [plan for plan in self._plan.channels if not names or plan.name in names]

    def message(self, plan: ChannelPlan, kind: Sample) -> Message:
        """A sample for a channel, in the words and with the links that it would have."""
        return marked(message_of(sample_parcel(kind, plan.name, self._now_ms), self._plan))

    def body(self, plan: ChannelPlan, kind: Sample) -> str:
        """What would be sent, its secrets masked; without the picture's bytes."""
        message = msgspec.structs.replace(self.message(plan, kind), sparkline=None)
        signed = (message.link(LinkKind.ACKNOWLEDGE), message.link(LinkKind.MUTE), message.picture)
        secrets = [Secret(link.url) for link in signed if link is not None]
        if plan.kind is ChannelKind.APPRISE:
            text = "\n".join([message.title, message.summary, *message.lines])
            return scrub(text, secrets)
        request = channel_of(plan).request(message, Sending(self._now_ms))
        secrets += [request.url, *request.headers.values(), *request.secrets]
        secrets += [one for one in (plan.url, plan.secret) if one is not None]
        return scrub(request.body.decode("utf-8", "replace"), secrets)

    async def send(self, plan: ChannelPlan, kinds: Sequence[Sample]) -> list[Tried]:
        """One sample of each kind to one channel, edited in place where it can."""
        tried, handle, sent = list[Tried](), None, list[int]()
        async with open_carrier(plan, self._clock) as carrier:
            for kind in kinds:
                await asyncio.sleep(wait_ms(carrier.traits.rates, sent, self._clock.now_ms()) / 1_000)
                message = self.message(plan, kind)
                own = message.incident_id is not None
                outcome = await carrier.deliver(message, handle if own else None)
                sent.append(self._clock.now_ms())
                handle = outcome.handle or handle if own else handle
                tried.append(Tried(plan, kind, outcome))
        return tried

    async def all(self, plans: Sequence[ChannelPlan], kinds: Sequence[Sample] = tuple(Sample)) -> list[Tried]:
        """To every channel at once, one after the other on each."""
        found = await asyncio.gather(*(self.send(plan, kinds) for plan in plans))
        return [one for tried in found for one in tried]


def wait_ms(rates: Sequence[Rate], sent: Sequence[int], now_ms: int) -> int:
    """Until one more message is within every rate, given when the others were sent."""
    free = [sent[-rate.messages] + rate.span_ms for rate in rates if len(sent) >= rate.messages]
    return max([0, *(at_ms - now_ms for at_ms in free)])


def notify_test(
    arguments: argparse.Namespace, settings: Settings, environ: Mapping[str, str], base: Path
) -> int:
    """Try the channels; 1 if any does not take a message.

    Raises:
        ConfigError: there is no channel, or its settings do not do.
    """
    rehearsal = Rehearsal(settings, environ, base, SystemClock())
    plans = rehearsal.plans(arguments.channel)
    kinds = [kind for kind in Sample if not arguments.kind or kind.value in arguments.kind]
    if arguments.dry_run:
        for plan in plans:
            for kind in kinds:
                print(f"--- {plan.name} ({plan.kind.value}): {kind.value}\n{rehearsal.body(plan, kind)}")
        return 0
    tried = asyncio.run(rehearsal.all(plans, kinds))
    print(table(_HEADER, (one.row for one in tried)))
    return 0 if all(one.outcome.delivered for one in tried) else 1
