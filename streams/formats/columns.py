"""Batches of records into columns: the contract, and which decoder reads a format fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streams.formats.event_columns import EventColumns
from streams.formats.native import NativeFormat
from streams.formats.native_columns import NativeColumns

if TYPE_CHECKING:
    from streams.core.rows import Decoded
    from streams.core.vocabulary import Vocabulary
    from streams.events import RecordBatch
    from streams.formats.base import Format


class BatchDecoder(Protocol):
    """Turns a batch of records into columns."""

    def decode(self, batch: RecordBatch) -> Decoded:
        """Rows in record order, and the records that cannot be counted."""
        ...


def create_columns(form: Format, vocabulary: Vocabulary) -> BatchDecoder:
    """The fastest batch decoder there is for a format."""
    if isinstance(form, NativeFormat):
        return NativeColumns(form, vocabulary)
    return EventColumns(form, vocabulary)
