"""Messages as vendors document them become the events that they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from streams.events import Event, OrderLine, Record
from streams.formats.mapping import MappingPaths
from streams.formats.registry import create_format
from streams.funnel import Funnel

if TYPE_CHECKING:
    from streams.formats.base import Format

FIXTURES = Path(__file__).parents[3] / "fixtures" / "formats"
FORMATS = ("ga4", "segment", "snowplow", "sensorsdata", "cloudevents", "mapping")
SAMPLES = [
    pytest.param(name, sample, id=f"{name}: {sample['case']}")
    for name in FORMATS
    for sample in json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
]


def created(name: str, sample: dict[str, Any]) -> Format:
    """The format with the configuration of a sample."""
    mapping = MappingPaths(**sample["mapping"]) if "mapping" in sample else None
    events, extra = sample.get("inner_events", {}), tuple(sample.get("extra_fields", ()))
    inner = None
    if name == "cloudevents":
        inner = create_format(
            sample["inner"], funnel=Funnel(), events=events, mapping=mapping, extra_fields=extra
        )
    return create_format(
        name, funnel=Funnel(), events=events, mapping=mapping, inner=inner, extra_fields=extra
    )


def event(wanted: dict[str, Any]) -> Event:
    """An event as the fixture writes it."""
    lines = [
        OrderLine(**({"sku": None, "slot": None, "banner": None} | line)) for line in wanted.pop("lines", [])
    ]
    return msgspec.convert(wanted | {"lines": lines}, Event)


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_sample_becomes_the_events_it_says(name: str, sample: dict[str, Any]) -> None:
    """Node, visitor, time, keys, order and money are those that the vendor's documentation gives them."""
    record = Record(
        offset=0,
        timestamp_ms=sample.get("timestamp_ms", 0),
        value=json.dumps(sample["record"], ensure_ascii=False, separators=(",", ":")).encode(),
        headers=tuple((key, value.encode()) for key, value in sample.get("headers", {}).items()),
    )
    wanted = tuple(event(dict(entry)) for entry in sample["events"])
    assert created(name, sample).decode(record) == wanted
