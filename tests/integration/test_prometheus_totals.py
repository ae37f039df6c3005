"""What Prometheus adds up over several workers is the truth, also while shards move between them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streams.clock import SystemClock
from streams.demo.sinks import KafkaSink, deliver, in_real_time
from streams.worker.entry import create_topics
from tests.integration.test_end_to_end import all_counted, shop_traffic, truth, workers
from tests.support.workers import Deployment, merged_counts, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import MakePrometheus, TopicNames
    from tests.support.apache_kafka import KafkaCluster
    from tests.support.oracle import OracleResult
    from tests.support.prometheus_server import PrometheusServer, Series

    Growth = dict[str, dict[tuple[str, ...], float]]

pytestmark = [pytest.mark.kafka, pytest.mark.prometheus, pytest.mark.timeout(400)]

HOLD_S = 8
FAMILIES = {
    "node_events": ("dimension", "key", "node"),
    "node_visitors": ("dimension", "key", "node"),
    "orders": ("dimension", "key", "status"),
    "revenue_minor_units": ("dimension", "key", "currency", "kind"),
    "records": ("topic", "outcome"),
}


def steps(series: Series) -> tuple[float, float]:
    """By how much a counter grew over its samples, resets taken into account, and its largest step."""
    values = [float(value) for _, value in series.points]
    grown = [after - before if after >= before else after for before, after in pairwise(values)]
    return sum(grown), max(grown, default=0.0)


def grown(
    server: PrometheusServer, metric: str, since: float, labels: tuple[str, ...]
) -> dict[tuple[str, ...], float]:
    """Growth of a counter by labels, summed over workers, from the samples as they were scraped."""
    totals: dict[tuple[str, ...], float] = defaultdict(float)
    for series in server.query_range(metric, start=since, end=time.time(), step=1):
        totals[tuple(series.labels[name] for name in labels)] += steps(series)[0]
    return {key: value for key, value in totals.items() if value}


def expected_events(expected: OracleResult, which: int) -> dict[tuple[str, ...], float]:
    """Events (0) or visitors (1) by dimension, key and node, over all buckets."""
    totals: dict[tuple[str, ...], float] = defaultdict(float)
    for (dimension, key, node, _), counts in expected.cells.items():
        totals[dimension, key, node] += counts[which]
    return {key: value for key, value in totals.items() if value}


async def test_increase_is_the_truth_while_shards_move(
    kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path, prometheus_server: MakePrometheus
) -> None:
    """sum(increase) over all workers equals the oracle: no lost step and no spike in a rebalance."""
    deployment = Deployment(
        kafka.bootstrap_servers,
        topic_names.prefix,
        tmp_path,
        {"METRICS__ZERO_HOLD": f"{HOLD_S}s", "METRICS__VANISH_HOLD": f"{HOLD_S}s"},
    )
    await create_topics(deployment.settings())
    topics = {"clickstream": deployment.clickstream, "orders": deployment.orders}
    records = shop_traffic(seed=5, seconds=60)
    since = time.time()
    with workers(deployment, "a") as (first,):
        server = await asyncio.to_thread(prometheus_server, {"funnelwatch": [first.address]})
        await until(first.ready, seconds=30, what="the first worker is ready")
        async with KafkaSink(deployment.bootstrap_servers, topics=topics) as sink:
            flow = asyncio.create_task(deliver(in_real_time(iter(records), SystemClock(), speed=2), sink))
            await asyncio.sleep(0)
            with workers(deployment, "b") as (second,):
                server.set_targets("funnelwatch", [first.address, second.address])
                await until(second.ready, seconds=60, what="the second worker is ready")
                await until(lambda: len(moved(server)) > 1, seconds=60, what="both workers export shards")
                # In a thread: the flow goes on meanwhile.
                await asyncio.to_thread(second.stop)
            await flow
        expected = await truth(deployment)
        await until(lambda: all_counted(deployment, expected), seconds=60, what="all is counted")
        assert sum((await merged_counts(deployment)).outcomes.values()) == sum(expected.outcomes.values())
        wanted = truth_by_family(expected)
        with contextlib.suppress(AssertionError):  # the comparison names what is missing
            await until(
                lambda: seen_by_family(server, since) == wanted,
                seconds=4 * HOLD_S + 10,
                what="Prometheus has seen everything",
            )
    assert seen_by_family(server, since) == wanted
    no_spike(server, since, expected)


def moved(server: PrometheusServer) -> set[str]:
    """Workers that export counts of the shard of ``all`` or any other key."""
    return {
        sample.labels["instance"]
        for sample in server.query('sum by (instance) (funnelwatch_node_events_total{dimension!="all"}) > 0')
    }


def truth_by_family(expected: OracleResult) -> Growth:
    """What each family should have grown by, by its labels."""
    orders: dict[tuple[str, ...], float] = defaultdict(float)
    revenue: dict[tuple[str, ...], float] = defaultdict(float)
    for (dimension, key, currency, kind, _), (count, amount) in expected.money.items():
        orders[dimension, key, kind] += count
        revenue[dimension, key, currency, kind] += amount
    return {
        "node_events": expected_events(expected, 0),
        "node_visitors": expected_events(expected, 1),
        "orders": {key: value for key, value in orders.items() if value},
        "revenue_minor_units": {key: value for key, value in revenue.items() if value},
        "records": {(topic, outcome): float(n) for (topic, outcome), n in expected.outcomes.items() if n},
    }


def seen_by_family(server: PrometheusServer, since: float) -> Growth:
    """The same from what was scraped."""
    seen = {
        family: grown(server, f"funnelwatch_{family}_total", since, labels)
        for family, labels in FAMILIES.items()
    }
    seen["records"] = {(topic.rsplit(".")[-1], outcome): n for (topic, outcome), n in seen["records"].items()}
    return seen


def no_spike(server: PrometheusServer, since: float, expected: OracleResult) -> None:
    """No single scrape shows a step larger than the traffic of the few seconds behind it."""
    total = sum(events for (dimension, _, _, _), (events, _) in expected.cells.items() if dimension == "all")
    for series in server.query_range(
        'funnelwatch_node_events_total{dimension="all"}', start=since, end=time.time(), step=1
    ):
        assert steps(series)[1] < 0.6 * total
