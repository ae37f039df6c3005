"""A Kafka broker inside this process, for the demo and for tests: librdkafka's mock cluster.

Promises a broker that speaks Kafka's protocol on loopback, needs neither Java nor Docker, and is gone
when the context ends. Topics appear when they are first asked for, with four partitions. Refuses to be
more: nothing is kept on disk, a partition remembers its last 5 MB or so, CreateTopics and ACLs are
missing, and a consumer group has one member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from streams.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

    from confluent_kafka import Producer

_TIMEOUT_S = 10.0
_QUIET = 0


class EmbeddedBroker:
    """Context manager; ``bootstrap_servers`` is set while it is entered.

    Args:
        brokers: how many brokers the cluster has.
    """

    def __init__(self, brokers: int = 1) -> None:
        if brokers < 1:
            raise ConfigError("demo.brokers", "at least 1")
        self._brokers = brokers
        self._owner: Producer | None = None
        self._bootstrap_servers = ""

    @property
    def bootstrap_servers(self) -> str:
        """Addresses as ``host:port,host:port``; empty outside the context."""
        return self._bootstrap_servers

    def __enter__(self) -> Self:
        """Start the cluster; raises ConfigError where the extra is not installed."""
        # The cluster lives inside a librdkafka client and as long as it.
        self._owner = _producer_class()({"test.mock.num.brokers": self._brokers, "log_level": _QUIET})
        members = self._owner.list_topics(timeout=_TIMEOUT_S).brokers.values()
        self._bootstrap_servers = ",".join(sorted(f"{member.host}:{member.port}" for member in members))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the cluster; whatever it held is gone."""
        self._bootstrap_servers = ""
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def create_topics(self, *names: str) -> dict[str, int]:
        """Make topics exist, by asking for them; returns how many partitions each has."""
        if self._owner is None:
            raise RuntimeError("the embedded broker is not running")
        return {
            name: len(self._owner.list_topics(name, timeout=_TIMEOUT_S).topics[name].partitions)
            for name in names
        }


def _producer_class() -> type[Producer]:
    """Imported on use, so that everything else works without the extra."""
    try:
        from confluent_kafka import Producer  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        message = "the embedded broker needs an extra: pip install 'funnelwatch[demo]'"
        raise ConfigError("demo", message) from error
    return Producer
