"""The attribution models ``first`` and ``linear``, one rule per test, on the core and on the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from streams.core.pipeline import CLICKSTREAM, ORDERS
from streams.core.settings import CountingSettings
from streams.errors import CodecError
from tests.support.builders import (
    MINUTE,
    SECOND,
    cancelled,
    click,
    exposure,
    line,
    order,
    paid,
    refunded,
    stream,
    view,
)
from tests.support.counted import by_oracle
from tests.support.partition import CountedPartition

if TYPE_CHECKING:
    from streams.core.settings import AttributionModel
    from tests.support.counted import Count

WINDOW = 30 * MINUTE
REMEMBERED = 16
BOTH = pytest.mark.parametrize("model", ["first", "linear"])
REVERSALS = pytest.mark.parametrize(
    ("kind", "reversal"), [("refunded", refunded), ("cancelled", cancelled)], ids=["refunded", "cancelled"]
)


def clicks(slots: str, t: int = 0, **fields: Any) -> list[bytes]:
    """A click on each slot, a second after the other."""
    return [click(t=t + number * SECOND, slot=slot, **fields) for number, slot in enumerate(slots)]


# --- whom an event is owed to --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "owed"),
    [("last", {"C": 1}), ("first", {"A": 1}), ("linear", {"A": 1, "B": 1, "C": 1})],
)
def test_a_model_chooses_among_the_touches(count: Count, model: str, owed: dict[str, int]) -> None:
    """The newest click, the earliest touch, or every touch; all and SKU are never multiplied."""
    counted = count([*clicks("ABC", sku="S"), view(t=MINUTE, sku="S")], attribution=model)
    assert counted.events("view", "slot") == owed
    assert counted.visitors("view", "slot") == owed
    assert counted.events("view") == {"all": 1}
    assert counted.events("view", "sku") == {"S": 1}


def test_of_touches_at_one_time_the_first_processed_is_first(count: Count) -> None:
    """Offsets decide between equal times."""
    values = [click(t=0, slot="A"), click(t=0, slot="B"), view(t=1)]
    assert count(values, attribution="first").events("view", "slot") == {"A": 1}


def test_of_clicks_at_one_time_the_first_processed_is_forgotten_first(count: Count) -> None:
    """The newest are kept, by time and then by processing order."""
    values = [click(t=0, slot="A"), *[click(t=0, slot="B") for _ in range(REMEMBERED)], view(t=1)]
    assert count(values, attribution="first").events("view", "slot") == {"B": 1}
    assert count(values[1:], attribution="linear").events("view", "slot") == {"B": 1}


@BOTH
@pytest.mark.parametrize(("later", "owed"), [(-1, "(none)"), (0, "A"), (WINDOW, "A"), (WINDOW + 1, "(none)")])
def test_the_window_is_inclusive_at_both_ends(count: Count, model: str, later: int, owed: str) -> None:
    """A click at the event's time is a touch, one exactly the window before it too, none after it."""
    values = [click(t=MINUTE, slot="A"), view(t=MINUTE + later)]
    assert count(values, attribution=model).events("view", "slot") == {owed: 1}


def test_every_touch_lies_in_the_window(count: Count) -> None:
    """Of several clicks those that are too old have no share."""
    values = [*clicks("AB"), view(t=WINDOW + 1)]
    for model in ("first", "linear"):
        assert count(values, attribution=model).events("view", "slot") == {"B": 1}


@BOTH
def test_clicks_on_the_same_sku_come_first(count: Count, model: str) -> None:
    """Clicks on other things have no share, however early or late."""
    values = [*clicks("A", sku="X"), *clicks("B", t=2 * SECOND, sku="S"), *clicks("C", t=4 * SECOND)]
    counted = count([*values, view(t=MINUTE, sku="S")], attribution=model)
    assert counted.events("view", "slot") == {"B": 1}


@BOTH
def test_without_a_touch_on_the_sku_any_click_is_one(count: Count, model: str) -> None:
    """Those on the SKU are outside the window."""
    values = [*clicks("A", sku="S"), *clicks("B", t=MINUTE), view(t=WINDOW + 1, sku="S")]
    assert count(values, attribution=model).events("view", "slot") == {"B": 1}


@BOTH
def test_an_event_without_a_sku_is_owed_to_any_click(count: Count, model: str) -> None:
    """Whatever was clicked on."""
    assert count([*clicks("A", sku="S"), view(t=MINUTE)], attribution=model).events("view", "slot") == {
        "A": 1
    }


@BOTH
def test_without_a_touch_it_is_owed_to_none(count: Count, model: str) -> None:
    """(none), once, with the whole amount."""
    counted = count(orders=[paid("v1", 0, line("S", "1.00"))], attribution=model)
    assert counted.amounts("paid", "slot") == {"(none)": (1, 100)}


@BOTH
def test_visitors_are_told_apart(count: Count, model: str) -> None:
    """Nobody owes to another's clicks."""
    values = [click("v2", t=0, slot="A"), click("v1", t=1, slot="B"), view("v1", t=2)]
    assert count(values, attribution=model).events("view", "slot") == {"B": 1}


@BOTH
def test_each_sku_of_an_event_asks_on_its_own(count: Count, model: str) -> None:
    """Two SKUs clicked in two slots are owed to one each."""
    values = [*clicks("A", sku="X"), *clicks("B", t=SECOND, sku="Y"), view(t=MINUTE, sku=["X", "Y"])]
    counted = count(values, attribution=model)
    assert counted.events("view", "slot") == {"A": 1, "B": 1}
    assert counted.events("view") == {"all": 1}


@BOTH
def test_exposures_and_clicks_owe_nothing(count: Count, model: str) -> None:
    """They stand for themselves."""
    counted = count([*clicks("A"), click(t=MINUTE), exposure(t=MINUTE)], attribution=model)
    assert counted.events("click", "slot") == {"A": 1, "(none)": 1}
    assert counted.events("exposure", "slot") == {"(none)": 1}


# --- own places, and touches without any ---------------------------------------------------------


def test_an_own_slot_wins_field_by_field(count: Count) -> None:
    """What the event lacks it still owes: the slot is its own, the banner the touches'."""
    values = [click(t=0, slot="A", banner="1"), click(t=1, slot="B", banner="2"), view(t=2, slot="X")]
    linear, first = (count(values, attribution=model) for model in ("linear", "first"))
    assert linear.events("view", "slot") == first.events("view", "slot") == {"X": 1}
    assert linear.events("view", "banner") == {"1": 1, "2": 1}
    assert first.events("view", "banner") == {"1": 1}


def test_a_lines_own_slot_takes_the_whole_line(count: Count) -> None:
    """Only the banner's money is split."""
    values = [click(t=0, slot="A", banner="1"), click(t=1, slot="B", banner="2")]
    sale = paid("v1", MINUTE, line("S", "1.01", slot="X"))
    counted = count(values, [sale], attribution="linear")
    assert counted.amounts("paid", "slot") == {"X": (1, 101)}
    assert counted.amounts("paid", "banner") == {"1": (1, 51), "2": (1, 50)}


@BOTH
def test_a_touch_without_a_slot_gives_none(count: Count, model: str) -> None:
    """No other click fills in."""
    values = [click(t=0, slot="A", sku="X"), click(t=1, banner="1", sku="S"), view(t=2, sku="S")]
    counted = count(values, attribution=model)
    assert counted.events("view", "slot") == {"(none)": 1}
    assert counted.events("view", "banner") == {"1": 1}


# --- how many clicks are remembered --------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("others", "owed"), [(REMEMBERED - 1, True), (REMEMBERED, False)])
def test_the_seventeenth_click_makes_forget_the_first(
    count: Count,
    model: str,
    others: int,
    owed: bool,  # noqa: FBT001  # the expectation
) -> None:
    """Sixteen are remembered of a visitor."""
    values = [*clicks("A"), *clicks("B" * others, t=MINUTE), view(t=2 * MINUTE)]
    assert ("A" in count(values, attribution=model).events("view", "slot")) is owed


@BOTH
def test_clicks_on_other_things_do_not_make_forget_those_on_a_sku(count: Count, model: str) -> None:
    """Sixteen are remembered of a visitor on each SKU."""
    values = [*clicks("A", sku="S"), *clicks("B" * 20, t=MINUTE, sku="X"), view(t=2 * MINUTE, sku="S")]
    assert count(values, attribution=model).events("view", "slot") == {"A": 1}


@BOTH
def test_of_sixteen_newer_clicks_none_is_forgotten_for_a_late_older_one(count: Count, model: str) -> None:
    """The newest by event time are kept, in whatever order they are processed."""
    newer, since = clicks("B" * REMEMBERED, t=MINUTE), exposure("v2", t=2 * MINUTE)
    counted = count([*newer, since, click(t=0, slot="A"), view(t=2 * MINUTE)], attribution=model)
    assert counted.outcomes() == {"accepted": REMEMBERED + 2, "late": 1}
    assert counted.events("view", "slot") == {"B": 1}


@BOTH
def test_a_click_after_a_late_event_takes_up_a_place(count: Count, model: str) -> None:
    """It is no touch, but it is remembered and another forgotten for it."""
    later, since = clicks("B" * REMEMBERED, t=MINUTE), exposure("v2", t=2 * MINUTE)
    for after, owed in ((later[1:], "A"), (later, "(none)")):
        counted = count([*clicks("A"), *after, since, view(t=SECOND)], attribution=model)
        assert counted.events("view", "slot") == {owed: 1}


@BOTH
def test_a_click_on_several_things_is_one_click(count: Count, model: str) -> None:
    """It takes one place among the visitor's clicks, and one among those on a SKU it names twice."""
    values = [*clicks("A"), click(t=MINUTE, slot="B", sku=[f"S{n}" for n in range(20)]), view(t=2 * MINUTE)]
    assert "A" in count(values, attribution=model).events("view", "slot")
    values = [*clicks("A", sku="S"), click(t=MINUTE, slot="B", sku=["S", "X"] * 9), view(t=MINUTE, sku="S")]
    assert "A" in count(values, attribution=model).events("view", "slot")


def test_a_click_that_names_a_sku_twice_has_one_share(count: Count) -> None:
    """As has one on several SKUs in what is owed to any click."""
    values = [*clicks("A", sku="S"), click(t=MINUTE, slot="B", sku=["S", "X", "S"])]
    for item in (line("S", "1.00"), line("Y", "1.00")):
        counted = count(values, [paid("v1", MINUTE, item)], attribution="linear")
        assert counted.amounts("paid", "slot") == {"A": (1, 50), "B": (1, 50)}


# --- late clicks ---------------------------------------------------------------------------------


def test_a_late_click_has_the_place_of_its_event_time(count: Count) -> None:
    """Processed after B, clicked before it."""
    values = [*clicks("B", t=MINUTE), *clicks("A"), view(t=2 * MINUTE)]
    assert count(values, attribution="first").events("view", "slot") == {"A": 1}
    sale = [paid("v1", 2 * MINUTE, line("S", "0.03"))]
    counted = count(values, sale, attribution="linear")
    assert counted.amounts("paid", "slot") == {"A": (1, 2), "B": (1, 1)}


@BOTH
def test_a_click_processed_after_the_event_is_no_touch(count: Count, model: str) -> None:
    """However early its event time."""
    values = [view(t=MINUTE), exposure("v2", t=2 * MINUTE), click(t=0, slot="A")]
    assert count(values, attribution=model).events("view", "slot") == {"(none)": 1}


def test_a_late_event_is_not_owed_to_clicks_after_it(count: Count) -> None:
    """Unlike ``last``, which looks at the newest click only, the others find the one before it."""
    values = [*clicks("A"), *clicks("B", t=5 * MINUTE), exposure("v2", t=6 * MINUTE), view(t=MINUTE)]
    owed = {model: count(values, attribution=model).events("view", "slot") for model in ("first", "linear")}
    assert owed == {"first": {"A": 1}, "linear": {"A": 1}}
    assert count(values, attribution="last").events("view", "slot") == {"(none)": 1}


# --- linear: distinct keys and visitors ----------------------------------------------------------


def test_each_distinct_key_counts_once(count: Count) -> None:
    """Three touches in two slots and with one banner: two slots, one banner, one event."""
    values = [click(t=t, slot=slot, banner="1") for t, slot in enumerate("ABA")]
    counted = count([*values, view(t=MINUTE)], attribution="linear")
    assert counted.events("view", "slot") == {"A": 1, "B": 1}
    assert counted.events("view", "banner") == {"1": 1}
    assert counted.events("view") == {"all": 1}


def test_visitors_are_marked_for_each_key(count: Count) -> None:
    """A key that joins later counts the visitor then; the others not again."""
    values = [*clicks("A"), view(t=MINUTE), *clicks("B", t=2 * MINUTE), view(t=3 * MINUTE)]
    counted = count(values, attribution="linear")
    assert counted.events("view", "slot") == {"A": 2, "B": 1}
    assert counted.visitors("view", "slot") == {"A": 1, "B": 1}
    assert counted.visitors("view") == {"all": 1}


def test_orders_are_owed_like_any_event(count: Count) -> None:
    """An order's keys are those of its lines' touches."""
    values = [*clicks("A", sku="X"), *clicks("BC", t=SECOND, sku="Y")]
    placed = order("order", "v1", MINUTE, line("X"), line("Y"))
    counted = count(values, [placed], attribution="linear")
    assert counted.events("order", "slot") == {"A": 1, "B": 1, "C": 1}
    assert counted.events("order", "sku") == {"X": 1, "Y": 1}


# --- linear: money -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "shares"),
    [
        ("1.00", (34, 33, 33)),
        ("1.01", (34, 34, 33)),
        ("1.02", (34, 34, 34)),
        ("0.02", (1, 1, 0)),
        ("0.00", (0, 0, 0)),
    ],
)
def test_a_line_is_split_to_the_minor_unit(count: Count, price: str, shares: tuple[int, ...]) -> None:
    """Equal shares, what is left over to the earliest touches; a share of zero is an order too."""
    counted = count(clicks("CAB"), [paid("v1", MINUTE, line("S", price))], attribution="linear")
    assert counted.amounts("paid", "slot") == {
        slot: (1, share) for slot, share in zip("CAB", shares, strict=True)
    }
    assert counted.amounts("paid", "all") == {"all": (1, sum(shares))}
    assert counted.amounts("paid", "sku") == {"S": (1, sum(shares))}
    assert counted.amounts("paid", "banner") == {"(none)": (1, sum(shares))}


def test_shares_of_one_key_add_up(count: Count) -> None:
    """One order for the key, with the sum of its shares, each as large as its touch's."""
    values = clicks("ABA")
    counted = count(values, [paid("v1", MINUTE, line("S", "1.00"))], attribution="linear")
    assert counted.amounts("paid", "slot") == {"A": (1, 67), "B": (1, 33)}


def test_each_line_is_split_on_its_own(count: Count) -> None:
    """Two lines leave over a unit each."""
    values = [*clicks("AB", sku="X"), *clicks("AC", t=MINUTE, sku="Y")]
    sale = paid("v1", 2 * MINUTE, line("X", "0.03"), line("Y", "0.05"))
    counted = count(values, [sale], attribution="linear")
    assert counted.amounts("paid", "slot") == {"A": (1, 5), "B": (1, 1), "C": (1, 2)}
    assert counted.amounts("paid", "all") == {"all": (1, 8)}


def test_first_gives_the_whole_line_to_one(count: Count) -> None:
    """Nothing is split."""
    counted = count(clicks("ABC"), [paid("v1", MINUTE, line("S", "1.00"))], attribution="first")
    assert counted.amounts("paid", "slot") == {"A": (1, 100)}


# --- reversals -----------------------------------------------------------------------------------


@REVERSALS
def test_a_reversal_without_lines_takes_back_every_share(count: Count, kind: str, reversal: Count) -> None:
    """Under the keys and in the amounts it was paid, whatever was clicked since."""
    values = [*clicks("ABC"), *clicks("D", t=2 * MINUTE)]
    orders = [paid("v1", MINUTE, line("S", "1.00")), reversal("v1", 3 * MINUTE)]
    counted = count(values, orders, attribution="linear")
    assert counted.amounts(kind, "slot") == counted.amounts("paid", "slot")
    assert counted.amounts(kind, "slot") == {"A": (1, 34), "B": (1, 33), "C": (1, 33)}


@REVERSALS
def test_a_reversals_own_amount_is_split_alike(count: Count, kind: str, reversal: Count) -> None:
    """In the proportions the line was paid in, down to the minor unit."""
    values = [*clicks("AABC"), *clicks("D", t=2 * MINUTE)]
    orders = [paid("v1", MINUTE, line("S", "4.00")), reversal("v1", 3 * MINUTE, line("S", "0.50"))]
    counted = count(values, orders, attribution="linear")
    assert counted.amounts("paid", "slot") == {"A": (1, 200), "B": (1, 100), "C": (1, 100)}
    assert counted.amounts(kind, "slot") == {"A": (1, 26), "B": (1, 12), "C": (1, 12)}


def test_a_refund_under_first_keeps_the_place_it_was_paid_under(count: Count) -> None:
    """Even when the first touch has left the window since."""
    values = [*clicks("A"), *clicks("B", t=20 * MINUTE)]
    orders = [paid("v1", 21 * MINUTE, line("S", "4.00")), refunded("v1", 35 * MINUTE, line("S", "1.00"))]
    counted = count(values, orders, attribution="first")
    assert counted.amounts("refunded", "slot") == {"A": (1, 100)}
    unknown = count(values, orders[1:], attribution="first")
    assert unknown.amounts("refunded", "slot") == {"B": (1, 100)}


def test_of_two_paid_lines_of_a_sku_the_first_has_the_places(count: Count) -> None:
    """The second one's own slot is not asked."""
    values = clicks("AB")
    items = [line("S", "1.00"), line("S", "1.00", slot="X"), line("T", "1.00", slot="Y")]
    orders = [paid("v1", MINUTE, *items), refunded("v1", 2 * MINUTE, line("S", "0.10"), line("T", "0.01"))]
    counted = count(values, orders, attribution="linear")
    assert counted.amounts("refunded", "slot") == {"A": (1, 5), "B": (1, 5), "Y": (1, 1)}


def test_a_line_that_was_never_paid_is_split_by_its_own_touches(count: Count) -> None:
    """The order is known, the SKU is not."""
    values = [*clicks("A", sku="S"), *clicks("BC", t=SECOND, sku="T")]
    orders = [paid("v1", MINUTE, line("S", "1.00")), refunded("v1", 2 * MINUTE, line("T", "0.10"))]
    counted = count(values, orders, attribution="linear")
    assert counted.amounts("refunded", "slot") == {"B": (1, 5), "C": (1, 5)}


def test_an_unknown_order_is_split_by_the_touches_of_its_reversal(count: Count) -> None:
    """With lines by their amounts, without any an amount of zero under each key."""
    values = clicks("AB")
    by_lines = count(values, [refunded("v1", MINUTE, line("S", "0.03"))], attribution="linear")
    assert by_lines.amounts("refunded", "slot") == {"A": (1, 2), "B": (1, 1)}
    bare = count(values, [refunded("v1", MINUTE)], attribution="linear")
    assert bare.money("refunded", "slot") == {("A", "XXX"): (1, 0), ("B", "XXX"): (1, 0)}


# --- in mid-stream: the core alone ---------------------------------------------------------------


@pytest.mark.parametrize("model", ["first", "linear"])
def test_touches_and_shares_survive_a_handover(model: AttributionModel) -> None:
    """Clicks, of which a sixteenth comes after it, and a paid order's shares; under new key numbers."""
    first = [click(t=number, slot=f"s{number}", sku="S") for number in range(REMEMBERED - 1)]
    rest = [click(t=MINUTE, slot="s1", sku="S"), view(t=2 * MINUTE, sku="S"), click(t=2 * MINUTE, slot="z")]
    sale = paid("v1", 30 * SECOND, line("S", "1.00"))
    refund = refunded("v1", 3 * MINUTE, line("S", "0.99"))
    partition = CountedPartition(CountingSettings(attribution=model))
    partition.read(CLICKSTREAM, stream([*first, exposure("v2", t=MINUTE)]))
    partition.read(ORDERS, stream([sale, refunded("v9", MINUTE, order_id="O9")]))
    assert partition.process() == REMEMBERED
    after = partition.hand_over(["s7", "S", "s1", "nowhere", "s0"])
    after.read_on(CLICKSTREAM, stream(rest))
    after.read_on(ORDERS, stream([refund]))
    tables = after.finish()
    expected = by_oracle(
        stream([*first, exposure("v2", t=MINUTE), *rest]),
        stream([sale, refunded("v9", MINUTE, order_id="O9"), refund]),
        attribution=model,
    )
    slots = {(d, key): sums for (_, (d, key, _, kind)), sums in tables.money.items() if kind == "refunded"}
    assert slots == {(d, key): sums for (d, key, _, k, _), sums in expected.money.items() if k == "refunded"}
    views = {key for (_, d, key), cells in tables.cells.items() if d == "slot" and cells.get(2)}
    assert views == {key for d, key, node, _ in expected.cells if (d, node) == ("slot", "view")}


@pytest.mark.parametrize(("one", "other"), [("last", "first"), ("first", "linear"), ("linear", "last")])
def test_a_state_of_another_model_is_refused(one: AttributionModel, other: AttributionModel) -> None:
    """What it remembers is not what this one needs; the error names both."""
    owner = CountedPartition(CountingSettings(attribution=one))
    owner.flush()
    with pytest.raises(CodecError, match=f"state of attribution {one}, these settings say {other}"):
        owner.log.begin(owner.vocabulary, CountingSettings(attribution=other))


@pytest.mark.parametrize("model", ["first", "linear"])
def test_clicks_are_bounded_and_counted_as_memory(model: AttributionModel) -> None:
    """A robot's ten thousand clicks leave sixteen behind, and clicks show in the bytes held."""
    sizes = []
    for visitors in (1, 10_000):
        partition = CountedPartition(CountingSettings(attribution=model))
        values = [click(f"v{n % visitors}", t=n, slot="A", sku="S") for n in range(10_000)]
        partition.read(CLICKSTREAM, stream(values))
        partition.counts.drain()
        sizes.append(partition.counts.nbytes()["clicks"])
    assert sizes[0] < 100_000 < sizes[1]
