"""What benchmarks run on: Apache Kafka, with Funnelwatch's topics, fresh for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.worker_process import make_topics
from tests.support.apache_kafka import KafkaCluster
from tests.support.processes import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKER_HEAP_MB = 768


@pytest.fixture
def servers() -> Iterator[str]:
    """Addresses of a broker that has the topics; without Java or the jars the benchmark is skipped."""
    try:
        cluster = KafkaCluster(heap_mb=BROKER_HEAP_MB)
    except Unavailable as reason:
        pytest.skip(str(reason))
    with cluster:
        make_topics(cluster.bootstrap_servers)
        yield cluster.bootstrap_servers
