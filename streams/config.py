"""The settings: one frozen tree from one YAML file, every value with a default.

The only reader of ``funnelwatch.yaml`` and of the environment; each room is handed its own
section. Durations are written ``5s`` under the key ``flush_interval`` and held as whole
milliseconds in the attribute ``flush_interval_ms``. A wrong file is refused whole, with all that is
wrong in it, never mended by guessing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

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

from streams.config_errors import explain, gather, translate, wrong, wrong_all
from streams.config_formats import Formats, MappedFields, SensorsDataFields
from streams.config_kafka import Kafka, Topics
from streams.config_notify import Notify
from streams.config_promotions import PromotionEntry, with_zones
from streams.config_rules import RuleEntry, check_names, check_places
from streams.config_section import Section
from streams.config_source import KeyPath, Source, read_source
from streams.config_types import (
    FieldPath,
    FromText,
    Name,
    PartName,
    Text,
    ZoneName,
    span,
    whole,
    whole_or_off,
)
from streams.config_watch import Watch
from streams.durations import HOUR, MINUTE, SECOND
from streams.funnel import CORE_DIMENSIONS, DEFAULT_NODES, ORDER_OUTCOMES, Funnel
from streams.promotions import Calendar

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    "Notify",
    "PromotionEntry",
    "RuleEntry",
    "Section",
    "SensorsDataFields",
    "Settings",
    "Topics",
    "Watch",
    "Worker",
    "explain",
    "load_settings",
]

MAX_EXTRA_DIMENSIONS: Final = 6
# A rollup's cell tells 16 stages apart, and the four outcomes of orders are stages as well.
MAX_NODES: Final = 12
MAX_PROMOTIONS: Final = 200
MAX_RULES: Final = 100
MIN_TOKEN: Final = 16
# Sections of free names, in which null is an entry's value; anywhere else it means the default.
_NULL_IS_A_VALUE: Final = frozenset({("formats", "events")})
_FILE_SUFFIX: Final = "_file"


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


class Worker(Section):
    """What a worker does: ``count``, ``watch`` or ``notify`` alone, or all of it (the default).

    Watching and telling people is each one worker's part at a time; the others of its kind stand by.
    """

    only: PartName | None = None


class Merging(Section):
    """How often what is merged of a shard is written down: so much is read again after a crash."""

    snapshot_interval_ms: Annotated[int, span("1s", "10m")] = 10 * SECOND


class DeadLetter(Section):
    """When rejected records mean a mistake of ours: so many in a row stop the worker."""

    stop_after: Annotated[int | None, whole_or_off(1, 1_000_000_000)] = 100_000


class Http(Section):
    """Where metrics, health, the live page and the API are served. Port 0 takes any free one.

    Who writes, and who reads from another machine, needs ``token``. ``allowed_hosts`` are further names
    under which a worker on loopback is asked, such as that of a proxy in front of it.
    """

    host: Text = "127.0.0.1"
    port: Annotated[int, whole(0, 65535)] = 8080
    token: SecretStr | None = None
    allowed_hosts: Annotated[tuple[Text, ...], FromText, Field(max_length=100)] = ()

    @field_validator("token")
    @classmethod
    def _long_enough(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < MIN_TOKEN:
            raise wrong(f"must have at least {MIN_TOKEN} characters, such as openssl rand -hex 16 makes")
        return token


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
    worker: Worker = Worker()
    counting: Counting = Counting()
    merging: Merging = Merging()
    deadletter: DeadLetter = DeadLetter()
    http: Http = Http()
    metrics: Metrics = Metrics()
    watch: Watch = Watch()
    promotions: Annotated[tuple[PromotionEntry, ...], FromText, Field(max_length=MAX_PROMOTIONS)] = ()
    rules: Annotated[tuple[RuleEntry, ...], FromText, Field(max_length=MAX_RULES)] = ()
    notify: Notify = Notify()
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
        funnel = self.funnel_model()
        check_places(funnel, self.promotions, self.rules)
        names = [promotion.name for promotion in self.promotions]
        wrong_all([*self.notify.unknown(funnel.dimensions, names)])
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
