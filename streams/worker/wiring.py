"""Settings into parts: what each room is told of the settings tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import faust

from streams.core.ordering import Patience
from streams.core.pace import Pace
from streams.core.settings import CountingSettings
from streams.core.vocabulary import Vocabulary
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.formats.mapping import MappingPaths
from streams.formats.registry import create_format
from streams.formats.sensorsdata import SensorsFields
from streams.formats.visitors import create_visitor_reader
from streams.metrics.key_series import KeySeriesSettings
from streams.topics import topic_specs
from streams.worker.batching import BatchTransport
from streams.worker.counting import Counting, CountingTopics
from streams.worker.kafka import faust_credentials
from streams.worker.rekeying import Rekeying, RekeyTopics

if TYPE_CHECKING:
    from streams.clock import Clock
    from streams.config import Settings
    from streams.formats.base import Format
    from streams.metrics.pipeline import PipelineMetrics
    from streams.topics import TopicSpec
    from streams.worker.batch_producer import BatchProducer
    from streams.worker.publishing import Outbox

# Per agent: enough that it never waits, few enough that little is lost when partitions move.
_BUFFERED_BATCHES = 8
# Faust tells members apart by where their web servers are; ours have none.
_ANY_HOST = "http://worker.invalid"


def counting_settings(settings: Settings) -> CountingSettings:
    """The counting contract's numbers."""
    counting = settings.counting
    return CountingSettings(
        max_out_of_orderness_ms=counting.max_out_of_orderness_ms,
        allowed_lateness_ms=counting.allowed_lateness_ms,
        max_future_ms=counting.max_future_ms,
        dedupe_horizon_ms=counting.dedupe_horizon_ms,
        attribution_window_ms=counting.attribution_window_ms,
        attribution=counting.attribution,
        max_tracked_keys=counting.max_tracked_keys,
        remembered_orders=counting.remembered_orders,
        combinations=counting.combinations,
    )


def counting(settings: Settings, clock: Clock, outbox: Outbox, metrics: PipelineMetrics) -> Counting:
    """The counting side."""
    funnel = settings.funnel_model()
    vocabulary = Vocabulary(
        funnel,
        key_objection,
        max_keys=settings.counting.max_tracked_keys,
        shards=settings.topics.rollup_shards,
    )
    forms = (
        input_format(settings, settings.formats.clickstream),
        input_format(settings, settings.formats.orders),
    )
    return Counting(
        topics=CountingTopics(
            settings.topics.counted,
            settings.topics.rollups,
            settings.topics.deadletter,
            settings.topics.rekey,
        ),
        decoders=[create_columns(form, vocabulary) for form in forms],
        vocabulary=vocabulary,
        settings=counting_settings(settings),
        clock=clock,
        outbox=outbox,
        metrics=metrics,
        patience=Patience(settings.counting.idle_timeout_ms, settings.counting.silence_timeout_ms),
        stop_after=settings.deadletter.stop_after,
    )


def wanted_topics(settings: Settings) -> tuple[TopicSpec, ...]:
    """The topics, the sources kept for at least as long as counting looks back."""
    counting = settings.counting
    look_back_ms = max(counting.dedupe_horizon_ms, counting.attribution_window_ms)
    return topic_specs(**settings.topics.model_dump(), look_back_ms=look_back_ms)


def input_format(settings: Settings, name: str) -> Format:
    """The input format of a topic by its name in the settings."""
    funnel = settings.funnel_model()
    extra = tuple(dimension.field for dimension in settings.dimensions)
    formats = settings.formats
    mapping = MappingPaths(**formats.mapping.model_dump())
    sensors = SensorsFields(**formats.sensorsdata.model_dump())

    def build(which: str, inner: Format | None = None) -> Format:
        return create_format(
            which,
            funnel=funnel,
            events=formats.events,
            mapping=mapping,
            inner=inner,
            extra_fields=extra,
            sensors=sensors,
        )

    return build(name, build(formats.cloudevents_data) if name == "cloudevents" else None)


def key_series_settings(settings: Settings, sources: tuple[str, str]) -> KeySeriesSettings:
    """Budget and timing of the exported series."""
    return KeySeriesSettings(
        total_shards=settings.topics.rollup_shards,
        topics=sources,
        funnel=settings.funnel_model(),
        max_keys=settings.metrics.max_keys,
        zero_hold_ms=settings.metrics.zero_hold_ms,
        vanish_hold_ms=settings.metrics.vanish_hold_ms,
        zone=ZoneInfo(settings.metrics.time_zone),
    )


class DisklessApp(faust.App):
    """Faust makes folders for tables where it is started; there are no tables, and perhaps no disk."""

    def _create_directories(self) -> None:
        pass


def faust_app(settings: Settings) -> faust.App:
    """A Faust app on the batch transport, with nothing of Faust's own stored, served or elected."""
    kafka = settings.kafka
    seconds = 1000.0
    # An empty id would be an id like any other: two workers would fence each other out.
    instance: dict[str, Any] = {"consumer_group_instance_id": kafka.instance_id} if kafka.instance_id else {}
    app = DisklessApp(
        kafka.group_id,
        broker=[f"aiokafka://{server}" for server in kafka.bootstrap_servers],
        broker_client_id=kafka.client_id,
        broker_credentials=faust_credentials(kafka),
        broker_session_timeout=kafka.session_timeout_ms / seconds,
        broker_heartbeat_interval=kafka.heartbeat_interval_ms / seconds,
        broker_rebalance_timeout=kafka.rebalance_timeout_ms / seconds,
        **instance,
        consumer_auto_offset_reset=kafka.auto_offset_reset,
        consumer_max_fetch_size=kafka.max_partition_fetch_bytes,
        # Faust's own assignor, not aiokafka's round robin: it keeps equal partitions of all topics together
        # and moves as few as it can. It would fall over an assignment that it finds again under another host name.
        table_standby_replicas=1,
        canonical_url=_ANY_HOST,
        # Nothing of Faust's own is stored, served or elected: its tables, web server and leader
        # are left alone (they bind 0.0.0.0 and create topics).
        store="memory://",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        stream_buffer_maxsize=_BUFFERED_BATCHES,
        worker_redirect_stdouts=False,
        loghandlers=[],
    )
    fetch_options = {
        "fetch_min_bytes": kafka.fetch_min_bytes,
        "fetch_max_bytes": kafka.fetch_max_bytes,
        "fetch_max_wait_ms": kafka.fetch_max_wait_ms,
    }
    app.transport = BatchTransport(app.conf.broker, app, fetch_options=fetch_options)
    return app


def rekeying(settings: Settings, producer: BatchProducer, clock: Clock) -> Rekeying:
    """What republishes sources that are not keyed by visitor."""
    topics, counting = settings.topics, settings.counting
    forms = (settings.formats.clickstream, settings.formats.orders)
    return Rekeying(
        topics=RekeyTopics((topics.clickstream, topics.orders), topics.counted),
        readers=[create_visitor_reader(input_format(settings, name)) for name in forms],
        producer=producer,
        clock=clock,
        # The other half is for the disorder that the shop's own streams have.
        pace=Pace(
            counting.max_out_of_orderness_ms // 2,
            settings.kafka.session_timeout_ms + settings.kafka.rebalance_timeout_ms,
        ),
        max_future_ms=counting.max_future_ms,
        patience_ms=counting.silence_timeout_ms,
    )
