"""Who is late, who is too late, who is in the future, and who may go on."""

from __future__ import annotations

import numpy as np
import pytest

from streams.core.ordering import UNREAD, Arrival, Patience, Waiting, classify, release_limit
from streams.core.settings import CountingSettings
from tests.support.columns import i64, rows

T0 = 1_762_689_600_000
SETTINGS = CountingSettings(max_out_of_orderness_ms=10, allowed_lateness_ms=100, max_future_ms=50)
CLICKSTREAM, ORDERS = 0, 1


def judge(*times: int, newest: int = UNREAD, stamp: int = T0) -> Arrival:
    """Verdicts on event times given after T0, all with one Kafka timestamp."""
    after = newest if newest == UNREAD else T0 + newest
    return classify(T0 + i64(*times), i64(*[stamp] * len(times)), after, SETTINGS)


def order_times(arrival: Arrival) -> list[int]:
    """Ordering times after T0."""
    times: list[int] = (arrival.order_time - T0).tolist()
    return times


# --- classify ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind", "late", "too_late"),
    [(0, False, False), (10, False, False), (11, True, False), (100, True, False), (101, False, True)],
)
def test_lateness_is_the_distance_to_the_newest(behind: int, late: bool, too_late: bool) -> None:  # noqa: FBT001  # from the table
    """Exactly the bound is in time, exactly the allowed lateness is late."""
    arrival = judge(0, -behind)
    assert (arrival.late.tolist()[1], arrival.too_late.tolist()[1]) == (late, too_late)


def test_the_newest_goes_on_from_the_batch_before() -> None:
    """What was read earlier makes the first row of a batch late."""
    arrival = judge(0, 30, newest=20)
    assert arrival.late.tolist() == [True, False]
    assert (arrival.newest - T0).tolist() == [20, 30]


def test_the_first_row_ever_is_never_late() -> None:
    """Nothing was read before it."""
    assert judge(-(10**9)).late.tolist() == [False]


@pytest.mark.parametrize(("ahead", "future"), [(50, False), (51, True)])
def test_the_future_is_measured_from_the_records_timestamp(ahead: int, future: bool) -> None:  # noqa: FBT001  # from the table
    """Exactly the bound ahead is fine."""
    assert judge(ahead).future.tolist() == [future]


def test_the_future_moves_nothing() -> None:
    """A row from the future neither becomes the newest nor makes others late."""
    arrival = judge(0, 1_000, -5)
    assert arrival.future.tolist() == [False, True, False]
    assert (arrival.newest - T0).tolist() == [0, 0, 0]
    assert arrival.late.tolist() == [False, False, False]


def test_only_the_future_leaves_the_newest_unread() -> None:
    """As long as nothing was accepted there is no newest."""
    assert judge(1_000, 2_000).newest.tolist() == [UNREAD, UNREAD]


def test_the_future_is_neither_late_nor_too_late() -> None:
    """A row has one verdict: the future comes first."""
    arrival = judge(0, newest=500, stamp=T0 - 51)
    assert (arrival.future.tolist(), arrival.too_late.tolist(), arrival.late.tolist()) == (
        [True],
        [False],
        [False],
    )


def test_late_rows_are_ordered_the_bound_behind_the_newest() -> None:
    """A row in time is ordered by its own time, a late one just at the bound."""
    assert order_times(judge(0, -10, -11, 40, 30, -50)) == [0, -10, -10, 40, 30, 30]


def test_no_rows_have_no_verdicts() -> None:
    """A batch of which nothing could be decoded is judged as well."""
    assert judge(newest=5).newest.size == 0


# --- release_limit -------------------------------------------------------------------------------


def limit(newest: tuple[int, int], idle: tuple[int | None, int | None]) -> int:
    """With a bound of 10 and timeouts of 100 and 900."""
    return release_limit(newest, idle, 10, Patience(100, 900))


def test_the_slower_topic_holds_the_other_back() -> None:
    """Both are behind the limit by the bound."""
    assert limit((500, 300), (None, None)) == 290
    assert limit((300, 500), (0, 99)) == 290


def test_a_topic_not_read_yet_lets_nothing_go() -> None:
    """Unless it has been idle for long enough."""
    assert limit((500, UNREAD), (None, None)) < -(10**18)


@pytest.mark.parametrize("since", [100, 5_000])
def test_an_idle_topic_holds_nobody_back(since: int) -> None:
    """From the timeout on."""
    assert limit((500, 300), (None, since)) == 490
    assert limit((300, 500), (since, None)) == 490
    assert limit((500, UNREAD), (0, since)) == 490


def test_a_source_that_stalls_keeps_its_order() -> None:
    """With nothing left in either topic the newest event still holds back those close to it."""
    assert limit((500, 300), (100, 100)) == 490
    assert limit((300, 500), (899, 5_000)) == 490
    assert limit((300, 500), (5_000, 899)) == 490


def test_the_last_events_before_a_silence_are_counted() -> None:
    """All of them, once the silence has lasted."""
    assert limit((500, 300), (900, 900)) == 501
    assert limit((300, 500), (900, 5_000)) == 501


# --- Waiting -------------------------------------------------------------------------------------


def release(waiting: Waiting, before: int) -> list[tuple[int, int]]:
    """(topic, record) of what goes on."""
    due = waiting.release(before)
    return [] if due is None else list(zip(due.topic.tolist(), due.record.tolist(), strict=True))


def test_rows_go_on_strictly_below_the_limit() -> None:
    """A row at the limit waits, for one at the same time may still come."""
    waiting = Waiting()
    waiting.add(CLICKSTREAM, rows(3, time=[1, 2, 3]))
    assert waiting.release(1) is None
    assert release(waiting, 3) == [(0, 0), (0, 1)]
    assert release(waiting, 4) == [(0, 2)]
    assert release(waiting, 99) == []


def test_rows_go_on_by_ordering_time() -> None:
    """Not by event time, and across batches and topics."""
    waiting = Waiting()
    waiting.add(CLICKSTREAM, rows(3, time=[9, 9, 9], order_time=[4, 7, 6]))
    waiting.add(ORDERS, rows(2, time=[0, 0], order_time=[5, 1], topic=1))
    waiting.add(CLICKSTREAM, rows(1, record=[7], order_time=[3]))
    assert release(waiting, 99) == [(1, 1), (0, 7), (0, 0), (1, 0), (0, 2), (0, 1)]


def test_ties_go_by_topic_then_by_offset() -> None:
    """At one ordering time the clickstream comes first, then who was read first."""
    waiting = Waiting()
    waiting.add(ORDERS, rows(2, record=[0, 1], topic=1, time=5))
    waiting.add(CLICKSTREAM, rows(2, record=[3, 4], time=5))
    waiting.add(CLICKSTREAM, rows(2, record=[5, 6], time=[6, 5]))
    assert release(waiting, 99) == [(0, 3), (0, 4), (0, 6), (1, 0), (1, 1), (0, 5)]


def test_the_number_of_waiting_rows_is_known() -> None:
    """It counts what came in less what went on, and empty batches not at all."""
    waiting = Waiting()
    waiting.add(CLICKSTREAM, rows(3, time=[1, 2, 3]))
    waiting.add(ORDERS, rows(0))
    assert (waiting.size, waiting.blocks(ORDERS)) == (3, [])
    waiting.release(3)
    assert waiting.size == 1
    waiting.release(99)
    assert (waiting.size, waiting.blocks(CLICKSTREAM)) == (0, [])


@pytest.mark.parametrize("topic", [CLICKSTREAM, ORDERS])
def test_small_pieces_are_gathered_into_blocks(topic: int) -> None:
    """A block is made when 8,192 rows are together, or when it is asked for."""
    waiting = Waiting()
    for pieces in ([8_191, 1, 5_000, 3_000, 191, 1], [10_000], [3]):
        for piece in pieces:
            waiting.add(topic, rows(piece, time=range(piece)))
    blocks = waiting.blocks(topic)
    assert [len(block) for block in blocks] == [8_192, 8_192, 10_000, 3]
    assert all((np.diff(block.order_time) >= 0).all() for block in blocks)
    assert waiting.blocks(1 - topic) == []


def test_nothing_due_is_none() -> None:
    """So that nobody works on empty columns."""
    assert Waiting().release(99) is None
