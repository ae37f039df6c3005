"""The registry: a name from the configuration becomes a format."""

from __future__ import annotations

from typing import get_args

import pytest

from streams.config_types import FormatName, InnerFormat
from streams.errors import ConfigError, RejectedRecord
from streams.events import Outcome, Record
from streams.formats import ga4, segment, sensorsdata, snowplow
from streams.formats.registry import FORMAT_NAMES, create_format
from streams.formats.sensorsdata import SensorsFields
from streams.funnel import ORDER_OUTCOMES, Funnel
from tests.support.bad_records import valid

PRESETS = {"ga4": ga4, "segment": segment, "snowplow": snowplow, "sensorsdata": sensorsdata}


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_format_has_the_name_it_was_asked_for_by(name: str) -> None:
    """Names are labels of metrics and dead letters."""
    assert create_format(name, funnel=Funnel()).name == name


def test_the_configuration_offers_what_there_is() -> None:
    """No name without a format, no format without a name."""
    assert set(get_args(FormatName)) == set(FORMAT_NAMES)
    assert set(get_args(InnerFormat)) == set(FORMAT_NAMES) - {"cloudevents"}


def test_an_unknown_name_is_a_wrong_configuration() -> None:
    """With what is allowed."""
    with pytest.raises(ConfigError) as caught:
        create_format("avro", funnel=Funnel())
    assert "snowplow" in caught.value.allowed


def test_an_envelope_goes_into_no_envelope() -> None:
    """Nobody nests them, and a loop in the configuration would."""
    inner = create_format("cloudevents", funnel=Funnel())
    with pytest.raises(ConfigError):
        create_format("cloudevents", funnel=Funnel(), inner=inner)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_only_nodes_that_there_are(name: str) -> None:
    """And covers exposure, click and paid, without which there is no conversion."""
    nodes = set(PRESETS[name].EVENT_NODES.values())
    assert nodes <= {*Funnel().nodes, *ORDER_OUTCOMES}
    assert nodes >= {"exposure", "click", "view", "cart", "checkout", "paid", "refunded"}


@pytest.mark.parametrize("name", ["native", *PRESETS, "mapping"])
def test_an_event_can_be_ignored_on_purpose(name: str) -> None:
    """Mapped to null it is unmapped, in every format."""
    names = {"ga4": "select_promotion", "segment": "Promotion Clicked", "snowplow": "promo_click"}
    ignored = {names.get(name, "BannerClick" if name == "sensorsdata" else "click"): None}
    with pytest.raises(RejectedRecord) as caught:
        create_format(name, funnel=Funnel(), events=ignored).decode(Record(0, 0, valid(f"{name}.click")))
    assert caught.value.outcome is Outcome.UNMAPPED


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_every_event_has_a_value_per_extra_dimension(name: str) -> None:
    """None where the record has none; the core counts by position."""
    inner = create_format("native", funnel=Funnel(), extra_fields=("channel", "device"))
    form = create_format(name, funnel=Funnel(), inner=inner, extra_fields=("channel", "device"))
    (event,) = form.decode(Record(0, 0, valid(f"{name}.click")))
    assert event.extra == (None, None)


def test_a_tracking_plan_reaches_its_format() -> None:
    """Property names of SensorsData are every shop's own."""
    form = create_format("sensorsdata", funnel=Funnel(), sensors=SensorsFields(slot="banner_id"))
    (event,) = form.decode(Record(0, 0, valid("sensorsdata.click")))
    assert event.slot == event.banner == "hero"
