"""What a file says reaches the part that it is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from streams.config import load_settings
from streams.core.vocabulary import Vocabulary
from streams.durations import DAY, HOUR
from streams.errors import RejectedRecord
from streams.events import Outcome, Record, RecordBatch
from streams.formats.columns import create_columns
from streams.formats.keys import key_objection
from streams.topics import Purpose
from streams.worker.wiring import input_format, key_series_settings, wanted_topics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.config import Settings

    Load = Callable[[str], Settings]

T = 1_762_689_603_125


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Settings of a file with this text."""

    def load_text(text: str) -> Settings:
        (tmp_path / "funnelwatch.yaml").write_text(text)
        return load_settings(tmp_path / "funnelwatch.yaml", {})

    return load_text


def native(event: str) -> bytes:
    """A native message."""
    message = {"event_id": "e1", "event_time": T, "event": event, "visitor_id": "v1", "slot": "s"}
    return json.dumps(message).encode()


EVENTS = "formats: {events: {view: null, tap: click}}"


def test_an_event_of_the_file_is_passed_over(load: Load) -> None:
    """Null takes a name away that the format has of its own: unmapped, and no bad input."""
    form = input_format(load(EVENTS), "native")
    assert form.decode(Record(0, 0, native("tap")))[0].node == "click"
    with pytest.raises(RejectedRecord) as caught:
        form.decode(Record(0, 0, native("view")))
    assert caught.value.outcome is Outcome.UNMAPPED


def test_batches_pass_an_event_over_as_records_do(load: Load) -> None:
    """The fast path knows the same names."""
    settings = load(EVENTS)
    vocabulary = Vocabulary(settings.funnel_model(), key_objection)
    names = ("view", "tap", "cart")
    batch = RecordBatch.of([Record(at, T, native(name)) for at, name in enumerate(names)])
    decoded = create_columns(input_format(settings, "native"), vocabulary).decode(batch)
    assert [vocabulary.stages.names[node] for node in decoded.rows.node] == ["click", "cart"]
    assert [(rejected.index, rejected.outcome) for rejected in decoded.rejected] == [(0, Outcome.UNMAPPED)]


SENSORS = """
formats:
  sensorsdata:
    slot: $pit
    banner: material
    sku: SkuId
    order_id: OrderNo
    currency: Ccy
    items: Details
    price: Price
    quantity: Num
    payment_method: PayWay
    default_currency: JPY
"""


def sensors(event: str, **properties: Any) -> Record:
    """A track message."""
    track = {"type": "track", "event": event, "distinct_id": "u1", "time": T, "properties": properties}
    return Record(0, 0, json.dumps(track).encode())


def test_a_tracking_plan_is_that_of_the_file(load: Load) -> None:
    """Every property stands under the shop's name for it."""
    form = input_format(load(SENSORS), "sensorsdata")
    line = {"SkuId": "a", "Price": 250, "Num": 2, "$pit": "p1", "material": "m1"}
    (event,) = form.decode(sensors("PayOrder", OrderNo="O1", Details=[line]))
    assert (event.order_id, event.currency) == ("O1", "JPY")
    assert [(x.sku, x.amount_minor, x.slot, x.banner) for x in event.lines] == [("a", 500, "p1", "m1")]
    (event,) = form.decode(sensors("PayOrder", OrderNo="O1", Details=[line], Ccy="CNY"))
    assert (event.currency, event.lines[0].amount_minor) == ("CNY", 50_000)
    (event,) = form.decode(sensors("PayOrderFailed", PayWay="card"))
    assert event.payment_method == "card"


def test_the_amount_of_an_order_stands_where_the_file_says(load: Load) -> None:
    """For shops whose orders have no lines."""
    form = input_format(load("formats: {sensorsdata: {amount: total}}"), "sensorsdata")
    (event,) = form.decode(sensors("PayOrder", order_id="O1", total=3))
    assert [line.amount_minor for line in event.lines] == [300]


def test_an_envelope_has_the_tracking_plan_too(load: Load) -> None:
    """SensorsData inside of CloudEvents reads the same names."""
    settings = load(f"{SENSORS}  cloudevents_data: sensorsdata\n")
    data = json.loads(sensors("BannerClick", **{"$pit": "p1"}).value or b"")
    envelope = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": data}
    record = Record(0, 0, json.dumps(envelope).encode())
    (event,) = input_format(settings, "cloudevents").decode(record)
    assert event.slot == "p1"


def test_topics_are_wanted_as_the_file_says(load: Load) -> None:
    """Retention of the sources, and how far back counting looks in them."""
    specs = {spec.purpose: spec for spec in wanted_topics(load("topics: {sources_retention: 30d}"))}
    assert specs[Purpose.ORDERS].config["retention.ms"] == str(30 * DAY)
    assert specs[Purpose.ORDERS].look_back_ms == HOUR
    assert specs[Purpose.ROLLUPS].look_back_ms == 0


@pytest.mark.parametrize("setting", ["dedupe_horizon", "attribution_window"])
def test_the_longer_memory_says_how_long_sources_are_needed(load: Load, setting: str) -> None:
    """Duplicates and clicks are both looked for in what was read."""
    (clickstream, *_) = wanted_topics(load(f"counting: {{{setting}: 3d}}"))
    assert clickstream.look_back_ms == 3 * DAY


def test_holds_of_the_series_are_those_of_the_file(load: Load) -> None:
    """How long a series waits at zero, and how long it stays."""
    settings = load("metrics: {zero_hold: 1s, vanish_hold: 2s}")
    series = key_series_settings(settings, ("clickstream", "orders"))
    assert (series.zero_hold_ms, series.vanish_hold_ms) == (1_000, 2_000)
