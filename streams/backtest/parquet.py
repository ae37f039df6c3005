"""Parquet files whose columns are the fields of native events: each row is a record.

``sku`` may be a string or a list, ``items`` a list of structs, times whole milliseconds, text or
timestamps, prices text, whole numbers or decimals. Empty fields are left out. ``kafka_timestamp`` and
``kafka_partition`` mean what they mean in JSON lines.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from streams.errors import ConfigError
from streams.files import stamped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.events import Record
    from streams.formats.base import Format

_ROWS = 8_192


def read_parquet(path: Path, form: Format) -> Iterator[tuple[int, Record]]:
    """Source partition and record of each row, in file order.

    Raises:
        ConfigError: pyarrow is not installed, or this is no Parquet file.
    """
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  # an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  # likewise
    except ImportError:
        raise ConfigError("backtest", "pip install 'funnelwatch[parquet]' to read Parquet files") from None
    try:
        file = ParquetFile(path)
    except ArrowException:
        raise ConfigError("backtest", f"a Parquet file, not {path}") from None
    return _records(file, form)


def _records(file: Any, form: Format) -> Iterator[tuple[int, Record]]:  # noqa: ANN401 - pyarrow has no types
    offset = 0
    for rows in file.iter_batches(_ROWS):
        for row in rows.to_pylist():
            yield stamped(offset, orjson.dumps(_present(row), default=_plain), form)
            offset += 1


def _present(value: Any) -> Any:  # noqa: ANN401 - any column
    """Without empty fields, at any depth; times as ms."""
    if isinstance(value, dict):
        return {name: _present(held) for name, held in value.items() if held is not None}
    if isinstance(value, list):
        return [_present(held) for held in value]
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1_000)
    return value


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(type(value).__name__)
