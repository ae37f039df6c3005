"""Both kinds of metrics as text, in Prometheus' format 0.0.4 or as OpenMetrics 1.0.0.

The series of keys are many, so they are written by a renderer of our own, many times as fast as
the client library and equal to it to the byte; the worker's few go through the library. Promises:
``capture`` is quick and belongs on the event loop, what it returns may run in any thread; no
``_created`` series, whatever the library's process-wide switch says; the registry is handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from streams.metrics import catalog
from streams.metrics.catalog import KEY_FAMILIES, MetricSpec
from streams.metrics.held import Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streams.metrics.key_series import ExportSnapshot

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_MEDIA_TYPES: Final = {
    "application/openmetrics-text": OPENMETRICS,
    "text/plain": TEXT,
    "text/*": TEXT,
    "*/*": TEXT,
}
# From here on the library writes exponents, as Go does.
PLAIN_BELOW: Final = 1_000_000
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_go_number: Callable[[float], str] = floatToGoString
_Prefixes: TypeAlias = dict[Labels, str]


def negotiate(accept: str) -> str:
    """The content type that an ``Accept`` header prefers; text 0.0.4 if it names none that we have.

    Of an OpenMetrics version that we do not write, none is offered.
    """
    best, best_quality = TEXT, 0.0
    for offer in accept.split(","):
        media_type, _, rest = offer.partition(";")
        content_type = _MEDIA_TYPES.get(media_type.strip().lower())
        parameters = _parameters(rest)
        if content_type is OPENMETRICS and parameters.get("version", "1.0.0") != "1.0.0":
            continue
        quality = _quality(parameters.get("q", "1"))
        if content_type and quality > best_quality:
            best, best_quality = content_type, quality
    return best


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class SnapshotCollector(Collector):
    """The series of keys for whoever wants them through a registry of the client library.

    ``source`` is called at each collection, in the collecting thread.
    """

    def __init__(self, source: Callable[[], ExportSnapshot]) -> None:
        self._source = source

    def describe(self) -> Iterator[Metric]:
        """The families, so that no other may take their names."""
        yield from (_empty_family(spec) for spec in SNAPSHOT_FAMILIES)

    def collect(self) -> Iterator[Metric]:
        """The families with their samples."""
        snapshot = self._source()
        for spec in SNAPSHOT_FAMILIES:
            family = _empty_family(spec)
            for labels, value in _samples(spec, snapshot):
                family.add_metric(labels, value)
            yield family


class SnapshotRenderer:
    """Writes a snapshot as text; keeps what precedes each value from one time to the next."""

    def __init__(self) -> None:
        self._known: list[dict[tuple[str, str], _Prefixes]] = [{} for _ in KEY_FAMILIES]

    @property
    def remembered(self) -> int:
        """Keys of which something is kept, once per family."""
        return sum(map(len, self._known))

    def render(self, snapshot: ExportSnapshot, *, openmetrics: bool) -> str:
        """All families of the snapshot, without an end mark."""
        parts = [_headed(catalog.RECORDS, snapshot, openmetrics=openmetrics)]
        for index, spec in enumerate(KEY_FAMILIES):
            parts.append(family_head(spec, openmetrics=openmetrics))
            parts.append(self._key_lines(index, spec, snapshot))
        parts.append(_headed(catalog.TRACKED_KEYS, snapshot, openmetrics=openmetrics))
        parts.append(_headed(catalog.SHOWN_KEYS, snapshot, openmetrics=openmetrics))
        return "".join(parts)

    def _key_lines(self, index: int, spec: MetricSpec, snapshot: ExportSnapshot) -> str:
        lines: list[str] = []
        known, used = self._known[index], {}
        for dimension, key, cells in snapshot.keys:
            place = (dimension, key)
            prefixes = used[place] = known.get(place, {})
            for labels, value in cells[index].items():
                prefix = prefixes.get(labels)
                if prefix is None:
                    prefix = prefixes[labels] = series_prefix(spec, (dimension, key, *labels))
                lines.append(f"{prefix}{value}.0\n" if value < PLAIN_BELOW else long_line(prefix, value))
        # Keys that are gone take what was known of them along.
        self._known[index] = used
        return "".join(lines)


class Exposition:
    """The page ``/metrics``: a worker's registry and, if it merges, the series of keys.

    Args:
        registry: the worker's.
        snapshot: copies the series of keys.
        more: copies further series; what it returns renders them, as OpenMetrics or not.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        snapshot: Callable[[], ExportSnapshot] | None = None,
        more: Callable[[], Callable[[bool], str]] | None = None,
    ) -> None:
        self._worker = _WithoutCreated(registry)
        self._snapshot = snapshot
        self._more = more
        self._renderer = SnapshotRenderer()

    def content_type(self, accept: str) -> str:
        """One of a few content types, for an ``Accept`` header."""
        return negotiate(accept)

    def capture(self) -> Callable[[str], bytes]:
        """Copies what is to be shown now; the result renders it as a given content type."""
        snapshot = self._snapshot() if self._snapshot else None
        more = self._more() if self._more else None

        def render(content_type: str) -> bytes:
            openmetrics = content_type == OPENMETRICS
            keys = self._renderer.render(snapshot, openmetrics=openmetrics) if snapshot else ""
            keys += more(openmetrics) if more else ""
            generate = generate_openmetrics if openmetrics else generate_latest
            return keys.encode("utf-8", "replace") + generate(self._worker)

        return render


class _WithoutCreated(Collector):
    """A registry's families without the ``_created`` samples of counters and histograms."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            created = f"{metric.name}_created"
            kept = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            kept.samples = [sample for sample in metric.samples if sample.name != created]
            yield kept


SNAPSHOT_FAMILIES: Final = (catalog.RECORDS, *KEY_FAMILIES, catalog.TRACKED_KEYS, catalog.SHOWN_KEYS)


def _empty_family(spec: MetricSpec) -> CounterMetricFamily | GaugeMetricFamily:
    family = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
    return family(spec.family, spec.help, labels=spec.labels, unit=spec.unit)


def _samples(spec: MetricSpec, snapshot: ExportSnapshot) -> Iterable[tuple[Labels, int]]:
    if spec is catalog.RECORDS:
        return snapshot.records.items()
    if spec in KEY_FAMILIES:
        index = KEY_FAMILIES.index(spec)
        return (
            ((dimension, key, *labels), value)
            for dimension, key, cells in snapshot.keys
            for labels, value in cells[index].items()
        )
    counts = snapshot.tracked if spec is catalog.TRACKED_KEYS else snapshot.shown
    return (((dimension,), count) for dimension, count in counts.items())


def _headed(spec: MetricSpec, snapshot: ExportSnapshot, *, openmetrics: bool) -> str:
    lines = (long_line(series_prefix(spec, labels), value) for labels, value in _samples(spec, snapshot))
    return family_head(spec, openmetrics=openmetrics) + "".join(lines)


def family_head(spec: MetricSpec, *, openmetrics: bool) -> str:
    """The lines before a family's series."""
    # The catalogue's help texts need no escaping: a test holds them to one plain line.
    name = spec.family if openmetrics else spec.name
    unit = f"# UNIT {name} {spec.unit}\n" if openmetrics and spec.unit else ""
    return f"# HELP {name} {spec.help}\n# TYPE {name} {spec.kind}\n{unit}"


def series_prefix(spec: MetricSpec, values: Labels) -> str:
    """What precedes the value of a series."""
    pairs = sorted(zip(spec.labels, values, strict=True))
    labels = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)
    return f"{spec.name}{{{labels}}} "


def long_line(prefix: str, value: float) -> str:
    """The line of a series, whatever its value."""
    return f"{prefix}{_go_number(value)}\n"
