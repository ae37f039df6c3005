"""Records in the order in which they came, of whatever files there are."""

from __future__ import annotations

import builtins
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streams.backtest.arrivals import from_files, from_partitions
from streams.errors import ConfigError
from streams.events import Record
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from tests.support.builders import T0, click

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = NativeFormat(funnel=Funnel()), NativeFormat(funnel=Funnel())


def line(at_ms: int, **fields: Any) -> bytes:
    """An event that came at its own time, or at ``kafka_timestamp``."""
    return json.dumps(json.loads(click(t=at_ms)) | fields).encode() + b"\n"


def test_two_files_become_one_stream(tmp_path: Path) -> None:
    """Merged by when records came; the topic is that of the file."""
    clicks, orders = tmp_path / "c.jsonl", tmp_path / "o.jsonl"
    clicks.write_bytes(line(0) + line(500, kafka_timestamp=T0 + 3_000))
    orders.write_bytes(line(1_000) + line(4_000))
    found = [(a.at_ms - T0, a.topic) for a in from_files((clicks, orders), NATIVE)]
    assert found == [(0, 0), (1_000, 1), (3_000, 0), (4_000, 1)]


def test_a_record_comes_no_sooner_than_the_one_before_it(tmp_path: Path) -> None:
    """Timestamps go back where producers set them, and invalid lines have none; time does not."""
    clicks = tmp_path / "c.jsonl"
    clicks.write_bytes(line(5_000) + line(1_000) + b"rubbish\n" + line(6_000))
    assert [a.at_ms - T0 for a in from_files((clicks, None), NATIVE)] == [5_000, 5_000, 5_000, 6_000]


def test_lines_name_their_partition(tmp_path: Path) -> None:
    """``kafka_partition`` where there are several; what is no partition is none."""
    clicks = tmp_path / "c.jsonl"
    clicks.write_bytes(line(0) + line(1, kafka_partition=3) + line(2, kafka_partition=-1))
    assert [a.partition for a in from_files((clicks, None), NATIVE)] == [0, 3, 0]


def test_partitions_read_from_kafka() -> None:
    """Partition and topic are those it was read from."""
    read = {(p, t): [Record(0, T0 + 10 * p + t, b"{}")] for p in (0, 1) for t in (0, 1)}
    assert [(a.partition, a.topic) for a in from_partitions(read)] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said at once, by name."""
    with pytest.raises(ConfigError, match=r"gone\.jsonl"):
        from_files((tmp_path / "gone.jsonl", None), NATIVE)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named."""
    path = tmp_path / "c.parquet"
    path.write_bytes(b"PAR1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"funnelwatch\[parquet\]"):
        list(from_files((path, None), NATIVE))


def test_parquet_rows_are_events(tmp_path: Path) -> None:
    """Columns as in native events: lists, lines of orders, timestamps, decimals; empty fields are left out."""
    pa = pytest.importorskip("pyarrow")
    from datetime import UTC, datetime  # noqa: PLC0415  # only here
    from decimal import Decimal  # noqa: PLC0415  # only here

    from pyarrow import parquet  # noqa: PLC0415  # after the check

    at = datetime.fromtimestamp(T0 / 1_000, UTC)
    base = {"event_time": at, "visitor_id": "v", "kafka_partition": 2}
    rows = [
        base | {"event_id": "1", "event": "exposure", "sku": ["A", "B"], "slot": "s"},
        base
        | {
            "event_id": "2",
            "event": "order",
            "order_id": "O",
            "currency": "CNY",
            "items": [{"sku": "A", "quantity": 2, "price": Decimal("39.90")}],
        },
    ]
    path = tmp_path / "e.parquet"
    names = {name for row in rows for name in row}
    parquet.write_table(pa.Table.from_pylist([{n: row.get(n) for n in names} for row in rows]), path)
    found = list(from_files((path, None), NATIVE))
    events = [NATIVE[0].decode(arrival.record)[0] for arrival in found]
    assert [(a.at_ms, a.partition) for a in found] == [(T0, 2)] * 2
    assert events[0].skus == ("A", "B")
    assert events[1].lines[0].amount_minor == 7_980
