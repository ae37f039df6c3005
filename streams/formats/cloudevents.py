"""CloudEvents 1.0 envelope around events of another format, in both content modes of the Kafka binding.

- Structured: the record's value is ``{"specversion", "id", "source", "type", "time", "data"}``. ``data_base64`` is
  taken too.
- Binary: attributes are headers ``ce_id``, ``ce_source`` ..., and the value is the data.

Ids of events are ``source`` and ``id`` of the envelope, which together are unique by the specification, joined by a
space, which no URI holds; several events in one envelope get ``#<index>`` behind. Where the data has no time or event
name of its own, the envelope's ``time`` and ``type`` take their place. Refused as ``unsupported_content``: batches,
other versions, and data that is not JSON.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streams.errors import RejectedRecord
from streams.events import Reason
from streams.formats.base import (
    check_document,
    check_size,
    derived_id,
    event_time,
    invalid,
    read_json,
    required_text,
)
from streams.formats.documents import NULL
from streams.formats.keys import text_objection
from streams.formats.mapping import MappingFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Event, Record
    from streams.formats.base import Format
    from streams.formats.mapping import MappingPaths


class DataFields(NamedTuple):
    """Names under which a format keeps, at the top of its JSON, what an envelope has too."""

    event_id: str | None
    event_time: str | None
    event: str | None


# GA4 takes the envelope's time from the record's timestamp; it names and identifies its events itself.
DATA_FIELDS: Final[Mapping[str, DataFields]] = {
    "native": DataFields("event_id", "event_time", "event"),
    "ga4": DataFields(None, None, None),
    "segment": DataFields("messageId", "timestamp", "event"),
    "snowplow": DataFields("event_id", "derived_tstamp", "event_name"),
    "sensorsdata": DataFields(None, "time", "event"),
}
_CONTENT_TYPE: Final = "content-type"
_CLOUDEVENTS: Final = "application/cloudevents"


class _Envelope(msgspec.Struct, gc=False):
    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = NULL
    data_base64: str | None = None


class _Attributes(NamedTuple):
    """What the envelope says, checked."""

    event_id: str
    event_time: str | None
    event: str
    time_ms: int | None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class CloudEventsFormat:
    """Decodes envelopes, and what is in them with ``inner``."""

    name = "cloudevents"

    def __init__(self, inner: Format) -> None:
        self._inner = inner
        self._fields = _mapped(inner.paths) if isinstance(inner, MappingFormat) else DATA_FIELDS[inner.name]

    def decode(self, record: Record) -> tuple[Event, ...]:
        """Return the events of an envelope's data.

        Raises:
            RejectedRecord: envelope or data is invalid; fields of structured data begin with ``data``.
        """
        headers = dict(record.headers)
        if "ce_specversion" in headers:
            data, under = check_size(record.value), ""
            attributes = _attributes(_from_headers(headers), "ce_")
        else:
            envelope = _structured(record.value, headers)
            attributes = _attributes(envelope, "")
            data, under = _data(envelope), "data."
        try:
            return self._open(attributes, record, data)
        except RejectedRecord as error:
            raise RejectedRecord(error.outcome, error.reason, f"{under}{error.field}".rstrip(".")) from None

    def _open(self, attributes: _Attributes, record: Record, data: bytes) -> tuple[Event, ...]:
        time_ms = record.timestamp_ms if attributes.time_ms is None else attributes.time_ms
        events = self._decode(attributes, record._replace(value=data, timestamp_ms=time_ms))
        for index, event in enumerate(events):
            event.event_id = attributes.event_id if len(events) == 1 else f"{attributes.event_id}#{index}"
        return events

    def _decode(self, attributes: _Attributes, record: Record) -> tuple[Event, ...]:
        try:
            return self._inner.decode(record)
        except RejectedRecord as error:
            # Data that is complete by itself, the common case, is parsed once.
            if error.reason is not Reason.MISSING_FIELD or error.field not in self._fields:
                raise
            return self._inner.decode(record._replace(value=self._filled(attributes, record.value or b"")))

    def _filled(self, attributes: _Attributes, data: bytes) -> bytes:
        """Put the envelope's attributes where the data lacks its own."""
        parts = read_json(_OBJECT, data)
        for name, value in zip(self._fields, attributes, strict=False):
            if name is not None and value is not None and bytes(parts.get(name, NULL)) == b"null":
                parts[name] = msgspec.Raw(msgspec.json.encode(value))
        return msgspec.json.encode(parts)


def _mapped(paths: MappingPaths) -> DataFields:
    own = (paths.event_id, paths.event_time, paths.event)
    return DataFields(*(None if "." in path else path for path in own))


def _from_headers(headers: Mapping[str, bytes]) -> _Envelope:
    return _Envelope(
        specversion=_header(headers, "ce_specversion"),
        id=_header(headers, "ce_id"),
        source=_header(headers, "ce_source"),
        type=_header(headers, "ce_type"),
        time=_header(headers, "ce_time"),
        datacontenttype=_header(headers, _CONTENT_TYPE),
    )


def _header(headers: Mapping[str, bytes | None], name: str) -> str | None:
    value = headers.get(name)
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        raise invalid(Reason.NOT_UTF8, name) from None


def _structured(value: bytes | None, headers: Mapping[str, bytes]) -> _Envelope:
    content_type = _media_type(_header(headers, _CONTENT_TYPE))
    if content_type.startswith(_CLOUDEVENTS) and content_type != f"{_CLOUDEVENTS}+json":
        raise invalid(Reason.UNSUPPORTED_CONTENT, _CONTENT_TYPE)
    return read_json(_ENVELOPE, check_document(value))


def _attributes(envelope: _Envelope, prefix: str) -> _Attributes:
    if not required_text(envelope.specversion, f"{prefix}specversion").startswith("1."):
        raise invalid(Reason.UNSUPPORTED_CONTENT, f"{prefix}specversion")
    content_type = _media_type(envelope.datacontenttype)
    if content_type and not content_type.endswith(("/json", "+json")):
        raise invalid(Reason.UNSUPPORTED_CONTENT, "datacontenttype" if not prefix else _CONTENT_TYPE)
    source = required_text(envelope.source, f"{prefix}source")
    own_id = required_text(envelope.id, f"{prefix}id")
    time = envelope.time
    return _Attributes(
        event_id=_joined(source, own_id),
        event_time=time,
        event=required_text(envelope.type, f"{prefix}type"),
        time_ms=None if time is None else event_time(time, f"{prefix}time"),
    )


def _joined(source: str, own_id: str) -> str:
    joined = f"{source} {own_id}"
    return derived_id(source, own_id) if text_objection(joined) else joined


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _data(envelope: _Envelope) -> bytes:
    if bytes(envelope.data) != b"null":
        return bytes(envelope.data)
    if envelope.data_base64 is None:
        raise invalid(Reason.MISSING_FIELD, "data")
    try:
        return base64.b64decode(envelope.data_base64, validate=True)
    except ValueError:  # not base64, or not even ASCII
        raise invalid(Reason.UNSUPPORTED_CONTENT, "data_base64") from None
