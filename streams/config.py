"""The settings: one frozen tree from one YAML file, every value with a default.

The only reader of ``funnelwatch.yaml`` and of the environment; each room is handed its own
section. Durations are written ``5s`` under the key ``flush_interval`` and held as whole
milliseconds in the attribute ``flush_interval_ms``. A wrong file is refused whole, with all that is
wrong in it, never mended by guessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from streams.config_errors import explain, gather, translate, wrong
from streams.config_promotions import PromotionEntry, with_zones
from streams.config_rules import RuleEntry, check_names, check_places
from streams.config_section import Section
from streams.config_source import KeyPath, Source, read_source
from streams.config_types import (
    FieldPath,
    FormatName,
    FromText,
    InnerFormat,
    Name,
    NullWord,
    SaslMechanism,
    SecurityProtocol,
    Server,
    Text,
    TopicName,
    ZoneName,
    one_of_or_off,
    span,
    span_or_default,
    whole,
    whole_or_off,
)
from streams.config_watch import Watch
from streams.core.money import EXPONENTS
from streams.durations import DAY, HOUR, MINUTE, SECOND
from streams.funnel import CORE_DIMENSIONS, DEFAULT_NODES, ORDER_OUTCOMES, Funnel
from streams.promotions import Calendar

__all__ = [
    "Counting",
    "DeadLetter",
    "Dimension",
    "Formats",
    "FunnelNodes",
    "Http",
    "Kafka",
    "Logging",
    "MappedFields",
    "Merging",
    "Metrics",
    "PromotionEntry",
    "RuleEntry",
    "Section",
    "SensorsDataFields",
    "Settings",
    "Topics",
    "Watch",
    "explain",
    "load_settings",
]

MAX_EXTRA_DIMENSIONS: Final = 6
# A rollup's cell tells 16 stages apart, and the four outcomes of orders are stages as well.
MAX_NODES: Final = 12
MAX_PROMOTIONS: Final = 200
MAX_RULES: Final = 100
# Sections of free names, in which null is an entry's value; anywhere else it means the default.
_NULL_IS_A_VALUE: Final = frozenset({("formats", "events")})
_FILE_SUFFIX: Final = "_file"
# The topics that every deployment has, by their keys in the section ``topics``.
_ALWAYS_THERE: Final = (
    *("clickstream", "orders", "rollups", "deadletter", "state", "totals"),
    *("incidents", "watch", "control"),
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


class MappedFields(Section):
    """Where the format ``mapping`` finds things: dotted paths into the event.

    Paths of an ``item_...`` start at one entry of ``items``. ``price_minor`` says that prices are
    whole minor units (cents) instead of decimal strings.
    """

    event_id: FieldPath = "event_id"
    event_time: FieldPath = "event_time"
    event: FieldPath = "event"
    visitor_id: FieldPath = "visitor_id"
    slot: FieldPath = "slot"
    banner: FieldPath = "banner"
    sku: FieldPath = "sku"
    order_id: FieldPath = "order_id"
    currency: FieldPath = "currency"
    items: FieldPath = "items"
    item_sku: FieldPath = "sku"
    item_quantity: FieldPath = "quantity"
    item_price: FieldPath = "price"
    item_slot: FieldPath = "slot"
    item_banner: FieldPath = "banner"
    price_minor: bool = False
    payment_method: FieldPath = "payment_method"


class SensorsDataFields(Section):
    """Names of the properties that the tracking plan of a shop with ``sensorsdata`` uses.

    ``sku``, ``price``, ``quantity``, ``slot`` and ``banner`` are also the names inside each entry of
    ``items``. ``default_currency`` is that of orders which carry none; ``off`` refuses those.
    """

    slot: Text = "slot_id"
    banner: Text = "banner_id"
    sku: Text = "product_id"
    order_id: Text = "order_id"
    currency: Text = "currency"
    items: Text = "products"
    price: Text = "product_price"
    quantity: Text = "product_quantity"
    amount: Text = "order_amount"
    payment_method: Text = "payment_method"
    default_currency: Annotated[str | None, one_of_or_off(EXPONENTS, "an ISO 4217 code such as CNY")] = "CNY"


class Formats(Section):
    """The input format of each source topic, and names of events beyond the format's own.

    ``events`` maps names of events to nodes; null passes an event over on purpose.
    """

    clickstream: FormatName = "native"
    orders: FormatName = "native"
    events: Annotated[Mapping[Text, Annotated[Name | None, NullWord]], FromText, Field(max_length=500)] = {}
    mapping: MappedFields = MappedFields()
    sensorsdata: SensorsDataFields = SensorsDataFields()
    cloudevents_data: InnerFormat = "native"


class FunnelNodes(Section):
    """The nodes in order: the exposure first, the click second, ``paid`` last."""

    nodes: Annotated[tuple[Name, ...], FromText, Field(min_length=3, max_length=MAX_NODES)] = DEFAULT_NODES

    @field_validator("nodes")
    @classmethod
    def _in_order(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(nodes)) != len(nodes):
            raise wrong("must name each node once")
        taken = [node for node in nodes if node in ORDER_OUTCOMES]
        if taken:
            raise wrong(f"must not contain {taken[0]}: it is the outcome of an order, not a node")
        if nodes[-1] != "paid":
            raise wrong("must end with paid, the node that carries money")
        return nodes


class Dimension(Section):
    """A further dimension: its name, and where the event carries it (default: under that name)."""

    name: Name
    field: FieldPath

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value, "field": value}
        if isinstance(value, dict) and "name" in value:
            return {"field": value["name"]} | value
        return value


class Counting(Section):
    """The rules of counting: what is late, what is a duplicate, what a click may claim."""

    max_out_of_orderness_ms: Annotated[int, span("0s", "10m")] = 5 * SECOND
    allowed_lateness_ms: Annotated[int, span("0s", "1d")] = 10 * MINUTE
    max_future_ms: Annotated[int, span("0s", "1d")] = 5 * MINUTE
    idle_timeout_ms: Annotated[int, span("100ms", "10m")] = 2 * SECOND
    silence_timeout_ms: Annotated[int, span("100ms", "1h")] = 30 * SECOND
    dedupe_horizon_ms: Annotated[int, span("1s", "7d")] = HOUR
    attribution_window_ms: Annotated[int, span("1s", "7d")] = 30 * MINUTE
    attribution: Literal["last", "first", "linear"] = "last"
    max_tracked_keys: Annotated[int, whole(1, 10_000_000)] = 100_000
    remembered_orders: Annotated[int, whole(1, 10_000_000)] = 200_000
    flush_interval_ms: Annotated[int, span("50ms", "1m")] = SECOND
    # Slot, banner and SKU counted together as well: what diagnosis looks for causes in.
    combinations: bool = True
    standby: bool = False
    # Longer than a request to Kafka may take (90 s), or a broker that hangs is taken for a worker that does.
    stall_timeout_ms: Annotated[int, span("5s", "1h")] = 2 * MINUTE

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.allowed_lateness_ms < self.max_out_of_orderness_ms:
            raise wrong("must be at least max_out_of_orderness", at=("allowed_lateness",))
        if self.silence_timeout_ms < self.idle_timeout_ms:
            raise wrong("must be at least idle_timeout", at=("silence_timeout",))
        return self


class Merging(Section):
    """How often what is merged of a shard is written down: so much is read again after a crash."""

    snapshot_interval_ms: Annotated[int, span("1s", "10m")] = 10 * SECOND


class DeadLetter(Section):
    """When rejected records mean a mistake of ours: so many in a row stop the worker."""

    stop_after: Annotated[int | None, whole_or_off(1, 1_000_000_000)] = 100_000


class Http(Section):
    """Where metrics and health are served. Port 0 takes any free one."""

    host: Text = "127.0.0.1"
    port: Annotated[int, whole(0, 65535)] = 8080


class Metrics(Section):
    """Budget and timing of the exported series."""

    max_keys: Annotated[int, whole(1, 10_000)] = 200
    zero_hold_ms: Annotated[int, span("0s", "10m")] = 20 * SECOND
    # Three scrapes of 15 s may fail before a count of a shard that moved is missed.
    vanish_hold_ms: Annotated[int, span("0s", "10m")] = MINUTE
    time_zone: ZoneName = "UTC"


class Logging(Section):
    """How much is logged, and whether as JSON lines (``auto``: when stderr is no terminal)."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
    ] = "INFO"
    json_lines: Literal["auto", "on", "off"] = "auto"


class Settings(Section):
    """The whole tree."""

    kafka: Kafka = Kafka()
    topics: Topics = Topics()
    formats: Formats = Formats()
    funnel: FunnelNodes = FunnelNodes()
    dimensions: Annotated[tuple[Dimension, ...], FromText, Field(max_length=MAX_EXTRA_DIMENSIONS)] = ()
    counting: Counting = Counting()
    merging: Merging = Merging()
    deadletter: DeadLetter = DeadLetter()
    http: Http = Http()
    metrics: Metrics = Metrics()
    watch: Watch = Watch()
    promotions: Annotated[tuple[PromotionEntry, ...], FromText, Field(max_length=MAX_PROMOTIONS)] = ()
    rules: Annotated[tuple[RuleEntry, ...], FromText, Field(max_length=MAX_RULES)] = ()
    logging: Logging = Logging()

    @model_validator(mode="before")
    @classmethod
    def _one_zone(cls, values: object) -> object:
        return with_zones(values)

    @field_validator("promotions", "rules")
    @classmethod
    def _each_once(cls, entries: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        check_names(str(info.field_name), entries)
        return entries

    @field_validator("dimensions")
    @classmethod
    def _new_names(cls, dimensions: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
        seen = set(CORE_DIMENSIONS)
        for dimension in dimensions:
            if dimension.name in seen:
                raise wrong(
                    f"must not name {dimension.name} again; {', '.join(CORE_DIMENSIONS)} are always there"
                )
            seen.add(dimension.name)
        return dimensions

    @model_validator(mode="after")
    def _events_lead_somewhere(self) -> Self:
        known = (*self.funnel.nodes, *ORDER_OUTCOMES)
        for name, node in self.formats.events.items():
            if node is not None and node not in known:
                raise wrong(f"must be null or one of {', '.join(known)}", at=("formats", "events", name))
        return self

    @model_validator(mode="after")
    def _places_exist(self) -> Self:
        check_places(self.funnel_model(), self.promotions, self.rules)
        return self

    def calendar(self) -> Calendar:
        """The promotions as the rest of the code knows them."""
        return Calendar(promotion.plain() for promotion in self.promotions)

    def funnel_model(self) -> Funnel:
        """Nodes and dimensions as the core knows them."""
        return Funnel(self.funnel.nodes, tuple(dimension.name for dimension in self.dimensions))


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Defaults, then the file, then ``FUNNELWATCH__SECTION__KEY`` variables.

    ``NAME_file`` beside a secret ``NAME`` reads it from a file, relative to the configuration's.

    Raises:
        ConfigError: something is wrong; ``others`` carries everything else that is.
    """
    source = read_source(path, environ, keep_null_in=_NULL_IS_A_VALUE)
    _read_secrets(Settings, source.values, (), source, path.parent if path else Path())
    try:
        settings = Settings.model_validate(source.values, by_alias=True, by_name=False)
    except ValidationError as error:
        raise gather([*source.problems, *translate(error, Settings, source)]) from None
    if source.problems:
        raise gather(source.problems)
    return settings


def _read_secrets(
    section: type[BaseModel], values: dict[str, Any], above: KeyPath, source: Source, base: Path
) -> None:
    for name, info in section.model_fields.items():
        inner, held = info.annotation, values.get(name)
        if isinstance(inner, type) and issubclass(inner, Section) and isinstance(held, dict):
            _read_secrets(inner, held, (*above, name), source, base)
        elif inner == SecretStr | None and name + _FILE_SUFFIX in values:
            _read_secret(name, values, above, source, base)


def _read_secret(name: str, values: dict[str, Any], above: KeyPath, source: Source, base: Path) -> None:
    here = (*above, name + _FILE_SUFFIX)
    file = values.pop(name + _FILE_SUFFIX)
    if name in values:
        source.reject(here, f"must not stand beside {name}: give one of them")
        return
    try:
        values[name] = (base / file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, TypeError, ValueError):
        source.reject(here, "must be a file with the secret, readable and in UTF-8")
