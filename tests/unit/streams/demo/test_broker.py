"""The embedded broker outside of Kafka's protocol: what is said when it cannot run."""

from __future__ import annotations

import sys

import pytest

from streams.demo.broker import EmbeddedBroker
from streams.errors import ConfigError


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without confluent-kafka the error says what to install."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ConfigError, match=r"funnelwatch\[demo\]"), EmbeddedBroker():
        pass


def test_a_cluster_has_at_least_one_broker() -> None:
    """Zero brokers are refused before anything is started."""
    with pytest.raises(ConfigError):
        EmbeddedBroker(brokers=0)


def test_outside_its_context_it_has_no_address() -> None:
    """Nothing listens before it is entered, and that is an error and not a hang."""
    broker = EmbeddedBroker()
    assert broker.bootstrap_servers == ""
    with pytest.raises(RuntimeError):
        broker.create_topics("clickstream")
