"""The filter before counting: what is dropped, what is not, and what it says of itself."""

from __future__ import annotations

from streams.core.republished import HEADER, Republished, Seen, headers_of, origin_of
from streams.events import Record, RecordBatch


def record(offset: int, raw: tuple[int, int, int] | None, *before: tuple[str, bytes]) -> Record:
    """A record of a keyed topic that comes from (partition, offset, timestamp)."""
    headers = before
    if raw is not None:
        headers = (*before, (HEADER, headers_of(raw[0], [raw[1]], [raw[2]])[0]))
    return Record(offset, 99, b"x", None, headers)


def batch(*raws: tuple[int, int, int] | None, start: int = 0) -> RecordBatch:
    """Records of a keyed topic from an offset on."""
    return RecordBatch.of([record(start + number, raw) for number, raw in enumerate(raws)])


def offsets(found: RecordBatch | None) -> list[int]:
    """Keyed offsets that passed."""
    return [] if found is None else list(found.offsets)


def test_a_repetition_is_dropped_per_raw_partition() -> None:
    """An offset not above the highest of its raw partition has been there; others' offsets do not matter."""
    republished = Republished()
    found = republished.fresh(batch((0, 5, 1), (1, 2, 1), (0, 5, 1), (0, 4, 1), (1, 3, 1), (0, 6, 1)))
    assert offsets(found) == [0, 1, 4, 5]
    assert republished.repeated == 2
    assert republished.fresh(batch((0, 6, 1), (1, 3, 1), start=6)) is None


def test_timestamps_are_those_of_the_raw_topic() -> None:
    """The keyed topic's own say when it was republished; who is judged to be in the future must not depend on it."""
    found = Republished().fresh(batch((0, 5, 1_234), None))
    assert found is not None
    assert list(found.timestamps) == [1_234, 99]


def test_a_record_that_nobody_republished_is_as_it_is() -> None:
    """Records without our header, or with something else under its name, pass and teach nothing."""
    odd = [
        record(0, None),
        record(1, None, (HEADER, b"short")),
        record(2, None, ("trace", b"7")),
        record(3, (0, 1, 1), (HEADER, b"of another")),
    ]
    republished = Republished()
    assert offsets(republished.fresh(RecordBatch.of(odd))) == [0, 1, 2, 3]
    assert [origin_of(one) is None for one in odd] == [True, True, True, False]
    assert republished.state(4) == [Seen(0, 1, 1)]


def test_a_raw_topic_made_anew_is_counted() -> None:
    """Newer than all before it, a low offset is none of those before: the topic begins at 0 again."""
    republished = Republished()
    republished.fresh(batch((0, 500, 10_000), (0, 501, 10_001)))
    assert offsets(republished.fresh(batch((0, 0, 20_000), (0, 1, 20_001), (0, 1, 20_001), start=2))) == [
        2,
        3,
    ]
    assert republished.begun_anew == 1
    assert republished.state(4) == [Seen(0, 1, 20_001)]


def test_the_state_is_that_of_where_reading_goes_on() -> None:
    """What is read again after a restart is not taken for a repetition of itself."""
    republished = Republished()
    republished.fresh(batch((0, 1, 1), (0, 2, 2), (1, 1, 1), (0, 3, 3)))
    early, late = republished.state(2), republished.state(4)
    assert (early, late) == ([Seen(0, 2, 2)], [Seen(0, 3, 3), Seen(1, 1, 1)])
    again = Republished()
    again.restore([tuple(seen) for seen in early])
    assert offsets(again.fresh(batch((1, 1, 1), (0, 3, 3), (0, 2, 2), start=2))) == [2, 3]
