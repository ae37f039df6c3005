"""Whatever the bytes, a format gives events that keep their promises or rejects the record, and nothing else."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.money import EXPONENTS, MAX_MINOR, MAX_QUANTITY
from streams.errors import RejectedRecord
from streams.events import MAX_FIELD_BYTES, MAX_TIME_MS, MIN_TIME_MS, Event, Outcome, Record
from streams.formats.keys import key_objection
from streams.formats.registry import FORMAT_NAMES, create_format
from streams.funnel import ORDER_OUTCOMES, Funnel
from tests.support.bad_fields import ACTION, PRODUCT, PROMOTION, TRANSACTION
from tests.support.bad_records import VALID

if TYPE_CHECKING:
    from streams.formats.base import Format

FUNNEL = Funnel(extra_dimensions=("channel",))
FORMATS = {name: create_format(name, funnel=FUNNEL, extra_fields=("channel",)) for name in FORMAT_NAMES}
QUICK = settings(max_examples=25, deadline=None, derandomize=True)

# Words that lead past the first checks.
NAMES = sorted(
    {name for document in VALID.values() for name in document}
    | {
        "properties",
        "params",
        "items",
        "sku",
        "price",
        "quantity",
        "slot",
        "channel",
        "position",
        "products",
        "name",
    }
    | {ACTION, PRODUCT, PROMOTION, TRANSACTION}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**11, 10**17)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
    | st.sampled_from(
        ["click", "paid", "purchase", "transaction", "CNY", "track", "1.0", "2025-11-09T12:00:00Z", "39.90"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner)
    ),
    max_leaves=20,
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "x"]),
        st.sampled_from([b"1.0", b"click", b"application/json", b"2025-11-09T12:00:00Z"])
        | st.binary(max_size=8),
    ),
    max_size=6,
).map(tuple)


def keeps_its_promises(event: Event) -> bool:
    """What the core relies on without looking again."""
    ids = [event.event_id, event.visitor_id, event.order_id, event.payment_method]
    keys = [event.slot, event.banner, *event.skus, *event.extra]
    keys += [key for line in event.lines for key in (line.sku, line.slot, line.banner)]
    return (
        event.node in FUNNEL.nodes + ORDER_OUTCOMES
        and MIN_TIME_MS <= event.time_ms <= MAX_TIME_MS
        and len(event.extra) == 1
        and all(0 < len(text.encode()) <= MAX_FIELD_BYTES for text in ids if text is not None)
        and not any(key_objection(key) for key in keys if key is not None)
        and all(
            0 <= line.amount_minor <= MAX_MINOR and 1 <= line.quantity <= MAX_QUANTITY for line in event.lines
        )
        and (event.currency is None or event.currency in EXPONENTS)
        and not (event.lines and (event.currency is None or event.order_id is None))
        and not (event.node in ("order", "paid") and not event.lines)
    )


def answer(form: Format, record: Record) -> tuple[Event, ...] | tuple[str, str, str]:
    """The events, or why there are none; any other exception fails the test."""
    try:
        return form.decode(record)
    except RejectedRecord as error:
        return error.outcome, error.reason, error.field


def check(form: Format, record: Record) -> None:
    """The answer keeps its promises, and is the same when asked again."""
    first = answer(form, record)
    assert first
    assert first[0] in (Outcome.INVALID, Outcome.UNMAPPED) or all(
        isinstance(event, Event) and keeps_its_promises(event) for event in first
    )
    assert answer(form, record) == first


@pytest.mark.parametrize("name", FORMAT_NAMES)
@QUICK
@given(value=st.none() | st.binary(max_size=200), headers=HEADERS, timestamp_ms=st.integers(-1, 10**14))
def test_any_bytes(
    name: str, value: bytes | None, headers: tuple[tuple[str, bytes], ...], timestamp_ms: int
) -> None:
    """Bytes that no one has thought about."""
    check(FORMATS[name], Record(0, timestamp_ms, value, None, headers))


@pytest.mark.parametrize("name", FORMAT_NAMES)
@QUICK
@given(document=JSON)
def test_any_json(name: str, document: object) -> None:
    """JSON of any shape, NaN among its numbers."""
    check(FORMATS[name], Record(0, 0, json.dumps(document).encode()))


@pytest.mark.parametrize("of", VALID)
@settings(QUICK, max_examples=40)
@given(data=st.data())
def test_any_change_to_a_good_record(of: str, data: st.DataObject) -> None:
    """A good record with one value anywhere in it replaced by any other."""
    document = copy.deepcopy(VALID[of])
    spot: Any = document
    while True:
        place = data.draw(st.sampled_from(sorted(spot) if isinstance(spot, dict) else range(len(spot))))
        if not isinstance(spot[place], (dict, list)) or not spot[place] or data.draw(st.booleans()):
            break
        spot = spot[place]
    spot[place] = data.draw(JSON)
    check(FORMATS[of.partition(".")[0]], Record(0, 0, json.dumps(document).encode()))
