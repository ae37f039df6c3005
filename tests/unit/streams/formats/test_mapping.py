"""Mapping: paths from the configuration. Samples are in ``fixtures/formats/mapping.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.errors import ConfigError, RejectedRecord
from streams.events import Event, Outcome, Reason, Record
from streams.formats.mapping import MappingFormat, MappingPaths, Path
from streams.funnel import Funnel

T = 1_762_689_603_125
GOOD = {"event_id": "e1", "event_time": T, "event": "click", "visitor_id": "v1"}
PAID = GOOD | {"event": "paid", "order_id": "O1", "currency": "EUR"}


def decode(document: dict[str, Any], extra_fields: tuple[str, ...] = (), **paths: Any) -> Event:
    """Its event."""
    form = MappingFormat(funnel=Funnel(), paths=MappingPaths(**paths), extra_fields=extra_fields)
    (event,) = form.decode(Record(0, 0, json.dumps(document).encode()))
    return event


def rejection(document: dict[str, Any], **paths: Any) -> tuple[str, str]:
    """Reason and field."""
    with pytest.raises(RejectedRecord) as caught:
        decode(document, **paths)
    return caught.value.reason, caught.value.field


def test_the_default_paths_are_the_names_of_the_native_format() -> None:
    """So only what differs has to be configured."""
    event = decode(GOOD | {"slot": "home", "banner": "hero", "sku": ["a", "b"]})
    assert (event.slot, event.banner, event.skus) == ("home", "hero", ("a", "b"))


@pytest.mark.parametrize(
    ("path", "document", "found", "field"),
    [
        ("a", {"a": 1}, 1, "a"),
        ("a.b", {"a": {"b": 1}}, 1, "a.b"),
        ("a.1.b", {"a": [0, {"b": 1}]}, 1, "a[1].b"),
        ("a.0", {"a": {"0": 1}}, 1, "a.0"),
        ("a.b", {"a": {}}, None, "a.b"),
        ("a.b", {"a": None}, None, "a.b"),
        ("a.b", {}, None, "a.b"),
        ("a.7", {"a": [1]}, None, "a.7"),
        ("a.b", {"a": {"b": None}}, None, "a.b"),
    ],
)
def test_a_path_leads_through_objects_and_lists(
    path: str, document: object, found: object, field: str
) -> None:
    """Or nowhere, which is absent."""
    assert Path("setting", path).find(document) == (found, field)


@pytest.mark.parametrize(("path", "document"), [("a.b", {"a": 5}), ("a.b", {"a": "x"}), ("a.b", {"a": [1]})])
def test_a_step_into_something_else_is_wrong(path: str, document: object) -> None:
    """A field that is not shaped as configured is a mistake, not an absence."""
    with pytest.raises(RejectedRecord) as caught:
        Path("setting", path).find(document)
    assert (caught.value.reason, caught.value.field) == (Reason.WRONG_TYPE, "a")


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("a.*.b", {"a": [{"b": 1}, {}, {"b": None}, {"b": 2}]}, [(1, "a[0].b"), (2, "a[3].b")]),
        ("a.*", {"a": [1, 2]}, [(1, "a[0]"), (2, "a[1]")]),
        ("a", {"a": [1, 2]}, [(1, "a[0]"), (2, "a[1]")]),
        ("a", {"a": 1}, [(1, "a")]),
        ("a.*.b", {"a": [{"b": [1, 2]}, {"b": 3}]}, [(1, "a[0].b[0]"), (2, "a[0].b[1]"), (3, "a[1].b")]),
        ("a.*.b", {}, []),
    ],
)
def test_a_star_leads_to_every_entry(path: str, document: object, found: list[tuple[object, str]]) -> None:
    """Each with where it stands; entries without a value are passed over."""
    assert list(Path("setting", path, many=True).find_all(document)) == found


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b"])
def test_a_path_has_no_empty_steps(path: str) -> None:
    """A wrong configuration is said at start."""
    with pytest.raises(ConfigError) as caught:
        MappingFormat(funnel=Funnel(), paths=MappingPaths(slot=path))
    assert caught.value.field == "mapping.slot"


def test_a_star_may_stand_only_where_many_values_are_wanted() -> None:
    """An event has one id."""
    with pytest.raises(ConfigError) as caught:
        MappingFormat(funnel=Funnel(), paths=MappingPaths(event_id="a.*.b"))
    assert caught.value.field == "mapping.event_id"


def test_skus_of_the_items_stand_in_for_the_events_own() -> None:
    """A cart event usually has only items."""
    items = [{"sku": "a"}, {"sku": "b"}]
    assert decode(GOOD | {"items": items}).skus == ("a", "b")
    assert decode(GOOD | {"items": items, "sku": "c"}).skus == ("c",)


def test_fields_are_blamed_by_where_they_stand() -> None:
    """In the record's own terms, so that a dead letter can be understood without the configuration."""
    lines = {"cart": {"lines": [{"p": {"v": 1}}, {"p": {"v": "x"}}]}}
    assert rejection(PAID | lines, items="cart.lines", item_price="p.v") == (
        Reason.BAD_PRICE,
        "cart.lines[1].p.v",
    )
    assert rejection(PAID | lines, items="cart.parcels") == (Reason.MISSING_FIELD, "cart.parcels")
    assert rejection(GOOD | {"a": {"b": ""}}, slot="a.b") == (Reason.EMPTY_FIELD, "a.b")
    assert rejection(GOOD, event_id="meta.id") == (Reason.MISSING_FIELD, "meta.id")


@pytest.mark.parametrize(("price", "reason"), [(19.5, Reason.WRONG_TYPE), ("19.5", Reason.PRICE_PRECISION)])
def test_minor_units_are_whole(price: object, reason: Reason) -> None:
    """Half a cent is a mistake, not something to round."""
    assert rejection(PAID | {"items": [{"price": price}]}, price_minor=True) == (reason, "items[0].price")


def test_numbers_are_read_as_they_are_written() -> None:
    """A price number is never a binary float on the way."""
    raw = json.dumps(PAID | {"items": [{"price": "@"}]}).replace('"@"', "1.00500000000000000000000001")
    form = MappingFormat(funnel=Funnel(), paths=MappingPaths())
    assert form.decode(Record(0, 0, raw.encode()))[0].lines[0].amount_minor == 101


def test_extra_dimensions_have_paths_of_their_own() -> None:
    """From the top of the record."""
    event = decode(GOOD | {"device": {"os": ["ios"]}, "channel": 7}, ("device.os.0", "channel", "none"))
    assert event.extra == ("ios", "7", None)


def test_event_codes_may_be_numbers() -> None:
    """And are mapped as their text."""
    form = MappingFormat(funnel=Funnel(), paths=MappingPaths(event="code"), events={"102": "click"})
    assert form.decode(Record(0, 0, json.dumps(GOOD | {"code": 102}).encode()))[0].node == "click"
    with pytest.raises(RejectedRecord) as caught:
        form.decode(Record(0, 0, json.dumps({"code": 103}).encode()))
    assert (caught.value.outcome, caught.value.field) == (Outcome.UNMAPPED, "code")
