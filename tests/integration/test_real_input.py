"""Real shops' data through Kafka and a worker: ``/metrics`` says what the files say, to the unit.

The expected totals are counted from the files themselves, with nothing of Funnelwatch in between.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams.worker.entry import create_topics
from tests.support import snowplow_count
from tests.support.open_bandit import shop_events
from tests.support.pages import Totals, fetch, totals_on
from tests.support.producing import Message, produce
from tests.support.snowplow_csv import enriched_events
from tests.support.workers import Deployment, WorkerProcess, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import TopicNames
    from tests.support.apache_kafka import KafkaCluster

    Deploy = Callable[..., Deployment]

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
SNOWPLOW_LINES = FIXTURES / "snowplow" / "ecommerce_sample.jsonl"


def whole(name: str) -> Path:
    """The whole data set where it lies beside the project, else a skip."""
    shared = os.environ.get("FUNNELWATCH_SHARED_DATA")
    folder = (Path(shared) if shared else ROOT.parent / "shared" / "data") / name
    if not folder.is_dir():
        pytest.skip(f"the whole data set {name} is not here (FUNNELWATCH_SHARED_DATA); its sample is tested")
    return folder


@pytest.fixture
def deploy(kafka: KafkaCluster, topic_names: TopicNames, tmp_path: Path) -> Deploy:
    """Makes a deployment whose counters show every key at once."""

    def make(**overrides: str) -> Deployment:
        shown = {"METRICS__ZERO_HOLD": "0s", "METRICS__VANISH_HOLD": "0s", "METRICS__MAX_KEYS": "1000"}
        shown |= {"COUNTING__IDLE_TIMEOUT": "2s", "COUNTING__SILENCE_TIMEOUT": "2s"}
        return Deployment(kafka.bootstrap_servers, topic_names.prefix, tmp_path, shown | overrides)

    return make


async def assert_counted(
    deployment: Deployment, messages: list[Message], expected: Totals, *, seconds: float = 40
) -> None:
    """Send messages to Kafka, start a worker, and compare all it exports with the expected totals."""
    await create_topics(deployment.settings())
    await produce(deployment.bootstrap_servers, messages)
    assert expected.records.total() == len(messages)
    with WorkerProcess(deployment, "a") as worker:
        await until(worker.ready, seconds=30, what="the worker is ready")
        # The outcomes may come with one shard, the last keys with another.
        await until(lambda: all_there(worker, expected), seconds=seconds, what="every record is counted")
        assert exported(worker).differences(expected) == []


def exported(worker: WorkerProcess) -> Totals:
    """What the worker shows now; nothing while it has no time to answer."""
    return totals_on(fetch(f"http://{worker.address}/metrics")[1])


def all_there(worker: WorkerProcess, expected: Totals) -> bool:
    """Whether as many records, events and orders are exported as expected, or more."""
    found = exported(worker)
    return all(
        getattr(found, counted).total() >= getattr(expected, counted).total()
        for counted in ("records", "events", "orders", "revenue")
    )


def impressions(folder: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Policy, campaign and row of every impression of the Open Bandit files."""
    for policy in ("bts", "random"):
        for campaign in ("all", "men", "women"):
            with (folder / policy / campaign / f"{campaign}.csv").open(newline="") as lines:
                for row in csv.DictReader(lines):
                    yield policy, campaign, row


def bandit_totals(folder: Path, topic: str) -> Totals:
    """What the Open Bandit files say: each row an exposure, each clicked row one visitor's click too."""
    totals = Totals()
    for policy, campaign, row in impressions(folder):
        nodes = ["exposure"] + ["click"] * int(row["click"])
        keys = [("all", "all"), ("slot", f"{campaign}.{row['position']}")]
        keys += [("banner", policy), ("sku", f"{campaign}.{row['item_id']}")]
        for node in nodes:
            totals.records[topic, "accepted"] += 1
            totals.events.update([(*key, node) for key in keys])
        if "click" in nodes:
            totals.visitors.update([(*key, "click") for key in keys])
    return totals


async def assert_bandit_counted(deployment: Deployment, folder: Path, *, seconds: float = 40) -> Totals:
    """The impressions and clicks under a folder are counted as its files say."""
    topic = deployment.clickstream
    expected = bandit_totals(folder, topic)
    messages = [Message(topic, event.value, event.visitor) for event in shop_events(folder)]
    await assert_counted(deployment, messages, expected, seconds=seconds)
    return expected


async def test_impressions_and_clicks_of_a_fashion_shop(deploy: Deploy) -> None:
    """Exposures and clicks of each position, policy and item are those of the CSV files."""
    expected = await assert_bandit_counted(deploy(), FIXTURES / "open_bandit")
    assert expected.events["all", "all", "exposure"] == 2675
    assert expected.events["all", "all", "click"] == 287


@pytest.mark.slow
async def test_all_impressions_and_clicks_of_a_fashion_shop(deploy: Deploy) -> None:
    """The same of the whole files: 60,000 impressions, in nearly as many buckets of one week."""
    expected = await assert_bandit_counted(deploy(), whole("open-bandit"), seconds=150)
    assert expected.events["all", "all", "exposure"] == 60_000


def snowplow_messages(topic: str, events: list[dict[str, Any]]) -> list[Message]:
    """Events in the order of their time, keyed by the visitor."""
    ordered = sorted(events, key=lambda event: str(event["derived_tstamp"])[:23])
    return [Message(topic, json.dumps(event).encode(), snowplow_visitor(event)) for event in ordered]


def snowplow_visitor(event: dict[str, Any]) -> bytes:
    """The browser's id, else the mobile tracker's, else the network's."""
    sessions = event.get("contexts_com_snowplowanalytics_snowplow_client_session_1", [{}])
    visitor = event.get("domain_userid") or sessions[0].get("userId") or event["network_userid"]
    return str(visitor).encode()


async def test_a_snowplow_shop_with_all_its_nodes(deploy: Deploy) -> None:
    """Lists, products, orders and takings of tracked sessions are those of the JSON lines."""
    deployment = deploy(FORMATS__CLICKSTREAM="snowplow")
    events = [json.loads(line) for line in SNOWPLOW_LINES.read_text("utf-8").splitlines()]
    expected = snowplow_count.count(snowplow_count.actions_in_lines(SNOWPLOW_LINES), deployment.clickstream)
    assert expected.orders["all", "all", "paid"] == 13
    assert expected.revenue["all", "all", "GBP", "paid"] == 9_999
    await assert_counted(deployment, snowplow_messages(deployment.clickstream, events), expected)


async def test_the_whole_snowplow_shop(deploy: Deploy) -> None:
    """The same of all tables: the warehouse's side tables, joined and counted, agree with ``/metrics``."""
    folder = whole("snowplow-ecommerce") / "integration_tests" / "data" / "source"
    deployment = deploy(FORMATS__CLICKSTREAM="snowplow")
    events = list(enriched_events(folder / "snowplow_ecommerce_events.csv"))
    expected = snowplow_count.count(snowplow_count.actions_in_tables(folder), deployment.clickstream)
    assert expected.orders["all", "all", "paid"] == 15
    await assert_counted(deployment, snowplow_messages(deployment.clickstream, events), expected)
