"""What goes into the outbox and what comes out of it: settings, reports, rounds. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.ledger import Address, Delivery
    from alerts.stages.stage import Candidate, Parcel, Why

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_MAX_DOUBLINGS: Final = 30


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
