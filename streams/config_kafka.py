"""The sections ``kafka`` and ``topics``: where records come from and go to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator

from streams.config_errors import wrong
from streams.config_section import Section
from streams.config_types import (
    FromText,
    SaslMechanism,
    SecurityProtocol,
    Server,
    Text,
    TopicName,
    span,
    span_or_default,
    whole,
)
from streams.durations import DAY, MINUTE, SECOND

# The topics that every deployment has, by their keys in the section ``topics``.
_ALWAYS_THERE: Final = (
    *("clickstream", "orders", "rollups", "deadletter", "state", "totals"),
    *("incidents", "watch", "control", "deliveries"),
)


class Kafka(Section):
    """How to reach the brokers and how to read from them."""

    bootstrap_servers: Annotated[tuple[Server, ...], FromText, Field(min_length=1, max_length=64)] = (
        "127.0.0.1:9092",
    )
    client_id: Text = "funnelwatch"
    group_id: Text = "funnelwatch"
    instance_id: Text | None = None
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism = "PLAIN"
    sasl_username: Text | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    auto_offset_reset: Literal["earliest", "latest"] = "earliest"
    fetch_min_bytes: Annotated[int, whole(1, 1 << 30)] = 1
    fetch_max_bytes: Annotated[int, whole(1024, 1 << 30)] = 50 << 20
    max_partition_fetch_bytes: Annotated[int, whole(1024, 1 << 30)] = 4 << 20
    fetch_max_wait_ms: Annotated[int, span("0s", "30s")] = 250
    session_timeout_ms: Annotated[int, span("6s", "30m")] = 30 * SECOND
    heartbeat_interval_ms: Annotated[int, span("100ms", "5m")] = 3 * SECOND
    rebalance_timeout_ms: Annotated[int, span("1s", "1h")] = MINUTE

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise wrong(
                f"{self.security_protocol} also needs sasl_username and sasl_password",
                at=("security_protocol",),
            )
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise wrong("must be at most a third of session_timeout", at=("heartbeat_interval",))
        return self


class Topics(Section):
    """Names and shapes of the topics. The sources are read, the rest is Funnelwatch's own.

    With ``rekey`` the sources need not be keyed by visitor: the worker republishes them, keyed, as
    ``keyed_clickstream`` and ``keyed_orders``, and counts those; through ``progress`` workers tell
    each other how far they are.
    """

    clickstream: TopicName = "clickstream"
    orders: TopicName = "orders"
    rollups: TopicName = "funnelwatch.rollups"
    deadletter: TopicName = "funnelwatch.deadletter"
    state: TopicName = "funnelwatch.state"
    rekey: bool = False
    keyed_clickstream: TopicName = "funnelwatch.clickstream"
    keyed_orders: TopicName = "funnelwatch.orders"
    progress: TopicName = "funnelwatch.progress"
    totals: TopicName = "funnelwatch.totals"
    incidents: TopicName = "funnelwatch.incidents"
    watch: TopicName = "funnelwatch.watch"
    control: TopicName = "funnelwatch.control"
    deliveries: TopicName = "funnelwatch.deliveries"
    partitions: Annotated[int, whole(1, 1024)] = 4
    rollup_shards: Annotated[int, whole(1, 1024)] = 4
    replication_factor: Annotated[int, whole(1, 32)] = 1
    sources_retention_ms: Annotated[int | None, span_or_default("1m", "3650d")] = None
    rollups_retention_ms: Annotated[int, span("1h", "365d")] = 3 * DAY
    deadletter_retention_ms: Annotated[int, span("1h", "365d")] = 7 * DAY
    keyed_retention_ms: Annotated[int, span("1h", "365d")] = DAY
    incidents_retention_ms: Annotated[int, span("1h", "365d")] = 7 * DAY

    @property
    def counted(self) -> tuple[str, str]:
        """The topics that are counted, keyed by visitor: clickstream, orders."""
        return (self.keyed_clickstream, self.keyed_orders) if self.rekey else (self.clickstream, self.orders)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen: dict[str, str] = {}
        keyed = ("keyed_clickstream", "keyed_orders", "progress") if self.rekey else ()
        for key in (*_ALWAYS_THERE, *keyed):
            name = getattr(self, key)
            if name in seen:
                raise wrong(f"must differ from topics.{seen[name]}", at=(key,))
            seen[name] = key
        return self
