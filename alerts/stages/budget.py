"""How many messages a channel may be sent: a bucket of tokens with a reserve for what cannot wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.stages.knowledge import Bucket
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Budget:
    """At most ``messages`` in any ``per_ms``, ``burst`` of them at once.

    Attributes:
        reserve: tokens of the burst that only pages, and what ends, may take.

    Raises:
        ConfigError: it could never send, or not within its own limit.
    """

    messages: int = 20
    per_ms: int = 60_000
    burst: int = 5
    reserve: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.burst < self.messages:
            raise ConfigError("burst", "at least 1 and less than messages")
        if not 0 <= self.reserve < self.burst:
            raise ConfigError("reserve", "less than burst")
        if self.per_ms <= 0:
            raise ConfigError("per_ms", "more than 0")

    def tokens(self, bucket: Bucket | None, now_ms: int) -> float:
        """How many there are at a time. A full bucket and what flows in give ``messages`` in ``per_ms``."""
        if bucket is None:
            return float(self.burst)
        passed_ms = max(now_ms - bucket.at_ms, 0)
        return min(self.burst, bucket.tokens + passed_ms * (self.messages - self.burst) / self.per_ms)

    def take(self, bucket: Bucket | None, now_ms: int, count: int = 1) -> Bucket:
        """The bucket without so many."""
        at_ms = now_ms if bucket is None else max(now_ms, bucket.at_ms)
        return Bucket(self.tokens(bucket, now_ms) - count, at_ms)


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """What the deciders have to know of a channel.

    Attributes:
        budget: of messages.
        digests: whether several incidents may be told in one message. Not where incidents are
            resolved by key (PagerDuty, Alertmanager).
        resend_ms: what is open is sent again so often; None for never.
    """

    budget: Budget = Budget()
    digests: bool = True
    resend_ms: int | None = None


USUAL: ChannelRule = ChannelRule()


def rule_of(rules: Mapping[str, ChannelRule], channel: str) -> ChannelRule:
    """The rule of a channel."""
    return rules.get(channel, USUAL)
