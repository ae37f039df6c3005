"""The cluster under a chaos run: clients of its proxies go through them, and its leaders are known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.topics import topic_specs
from streams.worker.topic_admin import create_topics
from tests.integration.conftest import skip_if_unavailable
from tests.support.apache_kafka import KafkaCluster, known_brokers
from tests.support.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def cluster() -> Iterator[KafkaCluster]:
    """One broker that is also advertised at a proxy's port."""
    with skip_if_unavailable():
        made = KafkaCluster(proxied=True)
    with made:
        yield made


async def test_who_comes_through_the_proxy_stays_there(cluster: KafkaCluster) -> None:
    """The broker sends such clients to the proxy's port, and they are cut off when it refuses them."""
    async with TcpProxy(*cluster.way(0)) as proxy:
        through = cluster.proxied_servers
        assert await asyncio.to_thread(known_brokers, through) == {1: through}
        proxy.refuse()
        assert await asyncio.to_thread(known_brokers, through) == {}
        # Others do not notice.
        direct = cluster.bootstrap_servers
        assert await asyncio.to_thread(known_brokers, direct) == {1: direct}


async def test_leaders_are_known(cluster: KafkaCluster) -> None:
    """A partition's leader is told by the number of its broker; what does not exist has none, nor is in sync."""
    specs = topic_specs(clickstream="c", orders="o", rollups="r", deadletter="d", state="s", partitions=2)
    await create_topics(cluster.bootstrap_servers, specs)
    assert [cluster.leader("c", partition) for partition in range(3)] == [0, 0, None]
    assert cluster.leader("nowhere", 0) is None
    assert cluster.in_sync(["c", "o"])
    assert not cluster.in_sync(["c", "nowhere"])
