"""Names of input formats and how to build each: the only module that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.errors import ConfigError
from streams.formats.cloudevents import CloudEventsFormat
from streams.formats.ga4 import Ga4Format
from streams.formats.mapping import MappingFormat, MappingPaths
from streams.formats.native import NativeFormat
from streams.formats.segment import SegmentFormat
from streams.formats.sensorsdata import SensorsDataFormat, SensorsFields
from streams.formats.snowplow import SnowplowFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.formats.base import Format
    from streams.funnel import Funnel

_FIXED: Final[Mapping[str, type[NativeFormat | Ga4Format | SegmentFormat | SnowplowFormat]]] = {
    "native": NativeFormat,
    "ga4": Ga4Format,
    "segment": SegmentFormat,
    "snowplow": SnowplowFormat,
}
FORMAT_NAMES: Final = (*_FIXED, "sensorsdata", "cloudevents", "mapping")


def create_format(
    name: str,
    *,
    funnel: Funnel,
    events: Mapping[str, str | None] | None = None,
    mapping: MappingPaths | None = None,
    inner: Format | None = None,
    extra_fields: tuple[str, ...] = (),
    sensors: SensorsFields | None = None,
) -> Format:
    """Build a format.

    Args:
        name: one of :data:`FORMAT_NAMES`.
        funnel: the funnel whose nodes events may belong to.
        events: event name to node, over the format's own preset; None ignores an event on purpose.
        mapping: where fields stand, for ``mapping``; its defaults if not given.
        inner: the format of the data in a ``cloudevents`` envelope; ``native`` if not given.
        extra_fields: dotted paths of the extra dimensions, in their order.
        sensors: names of properties, for ``sensorsdata``; its defaults if not given.

    Raises:
        ConfigError: there is no such format, or a setting does not fit it.
    """
    if name in _FIXED:
        return _FIXED[name](funnel=funnel, events=events, extra_fields=extra_fields)
    if name == "sensorsdata":
        return SensorsDataFormat(funnel=funnel, events=events, extra_fields=extra_fields, fields=sensors)
    if name == "mapping":
        paths = mapping or MappingPaths()
        return MappingFormat(funnel=funnel, paths=paths, events=events, extra_fields=extra_fields)
    if name != "cloudevents":
        raise ConfigError("formats", f"one of {', '.join(FORMAT_NAMES)}")
    if isinstance(inner, CloudEventsFormat):
        raise ConfigError("formats.cloudevents_data", "a format other than cloudevents")
    return CloudEventsFormat(inner or NativeFormat(funnel=funnel, events=events, extra_fields=extra_fields))
