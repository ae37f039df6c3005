"""The real infrastructure of this suite: Apache Kafka and Prometheus, started on demand.

A machine that lacks one of them skips the tests that need it, by name; nothing stands in for it.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.apache_kafka import KafkaCluster, fetch_jars, find_java
from tests.support.processes import Unavailable
from tests.support.prometheus_server import PrometheusServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch Apache Kafka's jars before the clock of the first test's time limit runs."""
    if any(item.get_closest_marker("kafka") for item in session.items):
        with contextlib.suppress(Unavailable):  # the fixtures will say it
            find_java()
            fetch_jars()


@contextlib.contextmanager
def skip_if_unavailable() -> Iterator[None]:
    """Turn ``Unavailable`` into a skip; the summary of the run names its reason."""
    try:
        yield
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One broker for the whole run. Never stop it: others use it; see ``kafka_cluster``."""
    with skip_if_unavailable():
        cluster = KafkaCluster()
    with cluster:
        yield cluster


@pytest.fixture(scope="module")
def _three_brokers() -> Iterator[KafkaCluster]:
    with skip_if_unavailable():
        cluster = KafkaCluster(3)
    with cluster:
        yield cluster


@pytest.fixture
def kafka_three(_three_brokers: KafkaCluster) -> KafkaCluster:
    """Three brokers for one module; those that a test stopped or killed are back for the next."""
    _three_brokers.start_all()
    return _three_brokers


class MakeKafkaCluster(Protocol):
    """Starts a cluster of the test's own."""

    def __call__(self, brokers: int = 1, *, properties: Mapping[str, str] | None = None) -> KafkaCluster:
        """A running cluster with these settings; it ends with the test."""
        ...


@pytest.fixture
def kafka_cluster() -> Iterator[MakeKafkaCluster]:
    """Starts clusters that a test may stop, kill and configure as it likes."""
    with contextlib.ExitStack() as running:

        def make(brokers: int = 1, *, properties: Mapping[str, str] | None = None) -> KafkaCluster:
            with skip_if_unavailable():
                cluster = KafkaCluster(brokers, properties=properties)
            return running.enter_context(cluster)

        yield make


class TopicNames:
    """Names of topics and groups that no other test uses: ``topic_names("orders")``."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, name: str) -> str:
        """``name`` behind this test's prefix."""
        return f"{self.prefix}.{name}"


@pytest.fixture
def topic_names(request: pytest.FixtureRequest) -> TopicNames:
    """A prefix for this test alone, so that tests can share a broker."""
    test = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:80].strip("-")
    return TopicNames(f"{test}-{secrets.token_hex(4)}")


class MakePrometheus(Protocol):
    """Starts a Prometheus of the test's own."""

    def __call__(self, targets: Mapping[str, Sequence[str]]) -> PrometheusServer:
        """A running Prometheus that scrapes ``targets`` (job: addresses) every second."""
        ...


@pytest.fixture
def prometheus_server() -> Iterator[MakePrometheus]:
    """Starts Prometheus servers that end with the test."""
    with contextlib.ExitStack() as running:

        def make(targets: Mapping[str, Sequence[str]]) -> PrometheusServer:
            with skip_if_unavailable():
                server = PrometheusServer(targets)
            return running.enter_context(server)

        yield make
