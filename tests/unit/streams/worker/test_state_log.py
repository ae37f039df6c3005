"""The state log: what counts in it, what is refused, what does no harm, and what is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from xxhash import xxh3_64_intdigest

from streams.core.pipeline import CLICKSTREAM, ORDERS
from streams.core.settings import CountingSettings
from streams.core.slots import SWEEP
from streams.core.vocabulary import Vocabulary
from streams.errors import CodecError
from streams.formats.keys import key_objection
from streams.funnel import Funnel
from streams.worker.log_entries import (
    VERSION,
    Body,
    Chunk,
    Life,
    Marker,
    Place,
    decode_entry,
    encode_entry,
    life_key,
)
from streams.worker.log_reader import LogReader
from streams.worker.publishing import Outgoing
from tests.support.builders import click, line, paid, stream
from tests.support.partition import CountedPartition
from tests.support.state_log import MemoryLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.core.pipeline import SourcePartition
    from streams.worker.state_log import StateLog

NEVER = -(1 << 62)
SECOND = 1_000


# So that a log with some of them is short.
ROTATION = 8


@pytest.fixture(autouse=True)
def short_rotations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotations take as few flushes as they may, however little is written."""
    monkeypatch.setattr("streams.core.changes._SLOWEST", SWEEP // ROTATION)


def vocabulary(funnel: Funnel | None = None) -> Vocabulary:
    """Of a process that has met other keys before."""
    known = Vocabulary(funnel or Funnel(), key_objection, shards=1)
    for key in ("zebra", "s2", "s1"):
        known.slot[key]
    return known


def work(owner: CountedPartition, flushes: int, first: int = 0, *, over: bool = False) -> None:
    """One visitor more clicks before every flush, and every fifth pays."""
    for number in range(first, first + flushes):
        t = number * SECOND
        name = f"v{number}"
        owner.read_on(CLICKSTREAM, stream([click(name, t, slot=f"s{number % 3}", sku="A", event_id=name)]))
        if number % 5 == 0:
            owner.read_on(ORDERS, stream([paid(name, t, line("A", "1.00"), order_id=name, event_id=name)]))
        owner.counts.drain()
        owner.haunt() if over else owner.flush()


def begin_of(log: MemoryLog) -> Place | None:
    """Where reading begins."""
    marker = log.newest()
    return marker.begin if marker else None


def owned(flushes: int = 3) -> CountedPartition:
    """A partition with so many flushes in its log."""
    owner = CountedPartition()
    work(owner, flushes)
    return owner


def remembered(counts: SourcePartition, known: Vocabulary) -> dict[str, object]:
    """All that a partition remembers, keys by their names."""
    found: dict[str, object] = {}
    places_of = (known.slot.names, known.banner.names)
    columns = {"clicks": places_of, "clicks_by_sku": places_of, "attempts": (known.methods.names,)}
    for name, (table, _) in counts.tables().items():
        keys, _, payload = table.live(NEVER)
        places = [
            [names[code] for code in column]
            for names, column in zip(columns.get(name, ()), payload.tolist(), strict=True)
        ]
        times = table.times(table.find(keys))[0].tolist()
        found[name] = sorted(zip(keys.tolist(), times, *places, strict=True))
    orders = [(serial, order, one) for serial, order, one in counts.paid.changes(counts.paid.serials)]
    found["paid"] = [
        (serial, order, [(known.slot.names[line.slot], line.amount_minor) for line in one.lines])
        for serial, order, one in orders
    ]
    found["progress"] = (counts.limit_ms, counts.counted_until)
    return found


def taken_over(log: MemoryLog) -> dict[str, object]:
    """What the next owner finds."""
    known = vocabulary()
    reader = log.reader(known, CountingSettings())
    reader.check()
    return remembered(reader.counts, known)


def truth(owner: CountedPartition) -> dict[str, object]:
    """What the owner has."""
    return remembered(owner.counts, owner.vocabulary)


def places(log: MemoryLog, kind: type) -> list[int]:
    """Offsets of entries of a kind."""
    return [offset for offset, entry in log.read() if isinstance(entry, kind)]


def change(log: MemoryLog, offset: int, changed: Callable[[bytes], bytes]) -> None:
    """Damage an entry."""
    key, value = log.entries[offset] or (b"", None)
    log.entries[offset] = key, changed(value or b"")


def refusal(log: MemoryLog, begin: Place | None = None) -> str:
    """With which words the log is refused; empty if it is not."""
    reader = log.reader(vocabulary(), CountingSettings(), begin)
    try:
        reader.check()
    except CodecError as error:
        return str(error)
    return ""


# --- entries -------------------------------------------------------------------------------------

ENTRIES: list[Life | Chunk] = [
    Life(2**41, 2**61, begun=True),
    Chunk(5, 6, 7, b"data"),
    Chunk(0, 0, 0, b""),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: Life | Chunk) -> None:
    """Every field, of every kind."""
    assert decode_entry(encode_entry(entry)) == entry


def test_a_marker_comes_back_as_it_was() -> None:
    """As a life has written it: offsets, place, shape."""
    log = owned().log
    marker = log.newest()
    assert marker is not None
    assert decode_entry(encode_entry(marker)) == marker
    assert (marker.generation, marker.flush, marker.chunks) == (0, 2, 1)
    assert [source.behind for source in marker.sources] == [3, 1]


@pytest.mark.parametrize("data", [b"", b"FWL", b"FWS\x03" + b"\0" * 20, b"\x93\x01\x02\x03", b"{}"])
def test_other_bytes_are_no_entry(data: bytes) -> None:
    """Nothing, too little, a state of before, bare MessagePack, JSON."""
    with pytest.raises(CodecError, match=r"^not an entry of this log: of an older version, or not ours$"):
        decode_entry(data)


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1, 255])
def test_another_version_is_named(version: int) -> None:
    """The error says which version came and which is read."""
    data = encode_entry(ENTRIES[0])
    with pytest.raises(CodecError, match=f"version {version}, this build reads version {VERSION}$"):
        decode_entry(data[:3] + bytes([version]) + data[4:])


def test_every_flipped_bit_of_an_entry_is_noticed() -> None:
    """Anywhere: a life of another number would void what counts, a marker lead to other offsets."""
    log = owned(1).log
    for key, value in (entry for entry in log.entries if entry is not None):
        assert value is not None
        step = 1 if not key.startswith(b"chunk") else 37
        for at in range(0, len(value), step):
            for bit in range(8):
                with pytest.raises(CodecError):
                    decode_entry(value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :])


def test_every_truncated_entry_is_noticed() -> None:
    """Cut anywhere, and with something behind the end."""
    data = encode_entry(Chunk(5, 6, 7, b"data"))
    for end in range(len(data)):
        with pytest.raises(CodecError):
            decode_entry(data[:end])
    with pytest.raises(CodecError, match=r"^a damaged entry$"):
        decode_entry(data + b"\0")


def test_entries_have_keys_of_their_own() -> None:
    """Compaction keeps the newest of each key: none may stand for another."""
    log = owned(3).log
    for owner in (1, 2):
        log.claim(7, owner)
        log.claim(7, owner, begun=True)
    keys = [key for key, _ in (entry for entry in log.entries if entry)]
    assert len(set(keys)) == len(keys)


# --- what counts ---------------------------------------------------------------------------------


def test_an_empty_log_is_a_state() -> None:
    """Nobody has counted yet."""
    reader = MemoryLog().reader(vocabulary(), CountingSettings())
    reader.check()
    assert (reader.seen, reader.generation, reader.begin, reader.unsent) == (-1, -1, None, [])


@pytest.mark.parametrize("flushes", [1, 3, 8, 9, 16, 17, 24, 25, 60])
def test_the_next_owner_finds_all_that_was_flushed(flushes: int) -> None:
    """Tables, orders, progress and sources; what stands before where reading begins is not needed."""
    owner = owned(flushes)
    assert taken_over(owner.log) == truth(owner)
    reader = owner.log.reader(vocabulary(), CountingSettings())
    assert reader.sources[0].behind == flushes
    begin = begin_of(owner.log)
    assert begin is not None
    assert begin.flush == max((flushes - 1) // ROTATION - 1, 0) * ROTATION
    owner.log.entries[: begin.offset] = [None] * begin.offset
    assert taken_over(owner.log) == truth(owner)


@pytest.mark.parametrize("times", [1, 2])
def test_reading_begins_anew_with_the_marker_after_a_rotation(times: int) -> None:
    """Not with the one that ends it: that one is needed with what it closes, and may be the last."""
    owner = owned(times * ROTATION + ROTATION + 1)
    marker = owner.log.newest()
    assert marker is not None
    *_, (ends, before), _ = [
        (entry.flush, entry.begin) for _, entry in owner.log.read() if isinstance(entry, Marker)
    ]
    assert before.flush < marker.begin.flush < ends
    assert marker.flush == ends + 1


def test_a_flush_counts_when_it_is_closed() -> None:
    """Chunks without a marker at the end are of an owner that was killed: what they say is done again."""
    owner = owned()
    before = truth(owner)
    work(owner, 1, first=7)
    assert owner.log.entries.pop() is not None
    assert taken_over(owner.log) == before


def test_a_life_has_names_of_its_own() -> None:
    """What a number meant to the owner before is nobody's any more: it is not read as that."""
    owner = owned().hand_over()
    work(owner, 1, first=10)
    chunk, marker = (
        decode_entry(value or b"") for _, value in (one for one in owner.log.entries[-2:] if one)
    )
    assert isinstance(chunk, Chunk)
    assert isinstance(marker, Marker)
    body = msgspec.msgpack.decode(chunk.data, type=Body)
    assert body.changes.names[0]
    body.changes.names = [[], [], [], []]
    data = msgspec.msgpack.encode(body)
    chunk = msgspec.structs.replace(chunk, data=data)
    marker = msgspec.structs.replace(marker, checksum=xxh3_64_intdigest(data))
    owner.log.entries[-2:] = [(b"chunk", encode_entry(chunk)), (b"marker", encode_entry(marker))]
    assert refusal(owner.log).endswith("a key has no name")


def test_a_torn_flush_does_no_harm_to_the_next_life() -> None:
    """It begins behind it, and flushes under the same number."""
    owner = owned()
    work(owner, 1, first=7)
    owner.log.entries.pop()
    owner = owner.hand_over(flushed=False)
    work(owner, 2, first=20)
    assert taken_over(owner.log) == truth(owner)


def test_a_flush_may_be_of_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fits a message; each under its own key."""
    monkeypatch.setattr("streams.worker.state_log._CHUNK_BYTES", 100)
    owner = owned()
    assert len(places(owner.log, Chunk)) > 20
    assert taken_over(owner.log) == truth(owner)


@pytest.mark.parametrize("chunk_bytes", [100, 1 << 20])
@pytest.mark.parametrize("back", range(1, 9))
def test_what_comes_twice_counts_once(back: int, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not told that a message has come sends it again, and all after it."""
    monkeypatch.setattr("streams.worker.state_log._CHUNK_BYTES", chunk_bytes)
    owner = owned()
    owner.log.entries += owner.log.entries[-back:]
    reader = owner.log.reader(vocabulary(), CountingSettings())
    reader.check()
    assert len(reader.unsent) == 1
    work(owner, 2, first=9)
    assert taken_over(owner.log) == truth(owner)


def test_a_chunk_may_come_again_in_the_middle_of_the_next_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message given up for lost has come, and late: the flush it falls into is whole nevertheless."""
    owner = owned()
    late = next(entry for entry in reversed(owner.log.entries) if entry and entry[0].startswith(b"chunk"))
    monkeypatch.setattr("streams.worker.state_log._CHUNK_BYTES", 100)
    end = len(owner.log.entries)
    work(owner, 1, first=9)
    owner.log.entries.insert(end + 2, late)
    assert taken_over(owner.log) == truth(owner)


# --- lives ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("flushes", [1, 2, 5])
def test_what_a_zombie_writes_is_void(flushes: int) -> None:
    """Chunks and markers of a life behind the beginning of a newer one."""
    zombie = owned()
    owner = zombie.hand_over()
    before = truth(owner)
    assert before == truth(zombie)
    work(zombie, flushes, first=5, over=True)
    assert taken_over(owner.log) == before
    work(owner, 2, first=50)
    work(zombie, 1, first=30, over=True)
    assert taken_over(owner.log) == truth(owner)


def test_the_first_flush_of_all_may_be_void() -> None:
    """Two lives that flushed nothing, and then the first of them wakes up: nothing has counted yet."""
    zombie = CountedPartition()
    owner = zombie.hand_over(flushed=False)
    work(zombie, 1, over=True)
    assert refusal(owner.log) == ""
    owner = owner.hand_over(flushed=False)
    work(owner, 2)
    assert taken_over(owner.log) == truth(owner)
    for offset in [at for at, entry in owner.log.read() if isinstance(entry, (Chunk, Marker))][-4:-2]:
        owner.log.entries[offset] = None
    assert refusal(owner.log) != ""


def test_a_void_marker_may_know_best_where_reading_begins() -> None:
    """It is the first to name a rotation that its life had finished in time."""
    zombie = owned(2 * ROTATION)
    owner = zombie.hand_over(flushed=False)
    work(zombie, 1, first=90, over=True)
    begin = begin_of(owner.log)
    assert begin is not None
    assert begin.flush == ROTATION
    assert taken_over(owner.log) == truth(owner)
    owner.log.entries[: begin.offset] = [None] * begin.offset
    assert taken_over(owner.log) == truth(owner)


def test_a_zombies_chunks_do_not_mix_with_a_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both write at once, chunk by chunk, flushes of the same number."""
    zombie = owned(1)
    owner = zombie.hand_over()
    start = len(owner.log.entries)
    monkeypatch.setattr("streams.worker.state_log._CHUNK_BYTES", 300)
    work(owner, 1, first=9)
    middle = len(owner.log.entries)
    work(zombie, 1, first=5, over=True)
    theirs, ours = owner.log.entries[middle:], owner.log.entries[start:middle]
    mixed = [one for pair in zip(theirs, ours, strict=False) for one in pair]
    rest = theirs[len(ours) :] + ours[len(theirs) :]
    owner.log.entries[start:] = mixed + rest
    assert taken_over(owner.log) == truth(owner)


def test_a_claim_alone_voids_nothing() -> None:
    """A life that was killed before it began has read nothing: the one before it counts on."""
    owner = owned()
    owner.log.claim(5)
    work(owner, 2, first=5)
    assert taken_over(owner.log) == truth(owner)


def test_of_two_lives_with_one_number_the_first_counts() -> None:
    """The other sees that it is not the owner; both have entries of their own."""
    owner = owned()
    reader = owner.log.reader(vocabulary(), CountingSettings())
    owner.log.claim(1, owner=8)
    owner.log.claim(1, owner=9)
    owner.log.claim(1, owner=9, begun=True)
    owner.log.claim(1, owner=8, begun=True)
    owner.log.compact()
    owner.log.feed(reader)
    assert (reader.generation, reader.owner, reader.seen) == (1, 9, 1)


def test_a_life_that_begins_late_is_over() -> None:
    """A newer one has begun meanwhile."""
    log = owned().log
    for generation in (9, 5):
        log.claim(generation, begun=True)
    assert log.reader(vocabulary(), CountingSettings()).generation == 9


def test_the_highest_number_of_all_is_known() -> None:
    """Also of one that never began: the next life has a higher one."""
    log = owned().log
    log.claim(70)
    reader = log.reader(vocabulary(), CountingSettings())
    assert (reader.generation, reader.seen) == (0, 70)


def test_flushes_behind_a_claim_are_sent_again_and_the_one_before_it() -> None:
    """Of all others it is known that their rollups came before any fence."""
    owner = owned(2)

    def read() -> list[list[tuple[int, bytes]]]:
        return owner.log.reader(vocabulary(), CountingSettings()).unsent

    assert len(read()) == 1
    owner.log.claim(3)
    work(owner, 2, first=2)
    assert len(read()) == 3
    assert [len(rollups) for rollups in read()] == [1, 1, 1]
    successor = owner.hand_over()
    assert len(read()) == 4
    work(successor, 1, first=60)
    assert len(read()) == 1


def test_rollups_are_in_the_log_as_they_were_sent() -> None:
    """Byte for byte, with their shards."""
    owner = owned(1)
    captured = owner.state_log.capture(owner.state_log.sources)
    owner.log.append(owner.state_log.messages(captured, [(3, b"one"), (0, b"two")]))
    reader = owner.log.reader(vocabulary(), CountingSettings())
    assert reader.unsent == [[(3, b"one"), (0, b"two")]]


# --- what is refused -----------------------------------------------------------------------------


def finished() -> CountedPartition:
    """A log with a beginning in its middle, of two lives."""
    owner = owned(2 * ROTATION + 2).hand_over()
    work(owner, 3, first=400)
    return owner


def damages() -> list[Callable[[bytes], bytes]]:
    """Ways to spoil an entry."""
    return [
        lambda value: value[: len(value) // 2],
        lambda value: value[:20] + bytes([value[20] ^ 1]) + value[21:],
        lambda value: value[:3] + bytes([VERSION + 1]) + value[4:],
        lambda value: value[:0],
    ]


@pytest.mark.parametrize("damage", range(4), ids=["cut", "flipped", "newer", "empty"])
def test_damage_is_refused_where_it_matters(damage: int) -> None:
    """At the beginning of reading or behind it, with its offset; before it, it does no harm."""
    owner = finished()
    marker = owner.log.newest()
    assert marker is not None
    begin = marker.begin.offset
    assert begin > 10
    spoil, expected = damages()[damage], truth(owner)
    there = [at for at, entry in enumerate(owner.log.entries) if entry and entry[1] is not None]
    for offset in [at for at in there if at < 2 or at >= begin - 2]:
        log = MemoryLog()
        log.entries = list(owner.log.entries)
        change(log, offset, spoil)
        if offset < begin:
            assert taken_over(log) == expected
        else:
            assert refusal(log, marker.begin).startswith(f"offset {offset}: ")


def test_what_is_missing_is_refused_where_it_matters() -> None:
    """A chunk, a whole flush, a life; the end of a log is of a flush that never counted."""
    owner = finished()
    marker = owner.log.newest()
    assert marker is not None
    last = len(owner.log.entries) - 1
    for offset, (key, value) in enumerate(entry for entry in owner.log.entries if entry):
        log = MemoryLog()
        log.entries = list(owner.log.entries)
        log.entries[offset] = None
        said = refusal(log, marker.begin)
        if offset < marker.begin.offset or key.startswith(b"claim") or offset == last or value is None:
            assert said == ""
        elif key.startswith(b"life"):
            assert said == f"offset {offset + 1}: life 1 has no beginning"
        else:
            # Without its marker a flush is missed by the one behind it.
            assert said.startswith(f"offset {offset + 1}: flush " if key.startswith(b"chunk") else "offset ")
            assert int(said.split()[1].rstrip(":")) > offset


def test_a_missing_chunk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of how many, and of which flush."""
    monkeypatch.setattr("streams.worker.state_log._CHUNK_BYTES", 300)
    log = owned(1).log
    chunks = places(log, Chunk)
    log.entries[chunks[1]] = None
    assert refusal(log) == (
        f"offset {len(log.entries) - 1}: flush 0 is incomplete: chunk 2 of {len(chunks)} is missing"
    )


def test_chunks_of_another_flush_are_noticed() -> None:
    """Sound entries, but not those that the marker closed."""
    log = owned(1).log
    (offset,) = places(log, Chunk)
    data = decode_entry((log.entries[offset] or (b"", b""))[1] or b"")
    assert isinstance(data, Chunk)
    log.entries[offset] = b"chunk", encode_entry(Chunk(0, 0, 0, data.data[:-1] + b"\0"))
    assert refusal(log) == f"offset {offset + 1}: flush 0 is damaged: its checksum is wrong"


def test_a_log_whose_beginning_is_gone_is_refused() -> None:
    """Somebody deleted records that are needed; it says from which flush on."""
    owner = CountedPartition()
    for number in range(3 * ROTATION):
        owner.read_on(CLICKSTREAM, stream([click(t=number)]))
        owner.flush()
    begin = begin_of(owner.log)
    assert begin is not None
    for offset in range(begin.offset + 2):
        owner.log.entries[offset] = None
    assert refusal(owner.log).endswith(
        f": flushes from number {begin.flush} of life {begin.generation} on are missing"
    )


def test_the_predecessors_log_is_refused() -> None:
    """Bare MessagePack under keys like ours: not ours, and it says so."""
    log = MemoryLog()
    old = [(b"chunk/0", [1, 5, 0, b"FWS\x03"]), (b"marker/5", [1, 5, 1, 0, [[0, 3], [0, 4]]])]
    log.entries += [(key, msgspec.msgpack.encode(body)) for key, body in old]
    assert refusal(log) == "offset 0: not an entry of this log: of an older version, or not ours"


@pytest.mark.parametrize(
    ("funnel", "settings", "which"),
    [
        (Funnel(nodes=("exposure", "click", "view", "paid")), CountingSettings(), "another funnel"),
        (Funnel(extra_dimensions=("channel",)), CountingSettings(), "other dimensions"),
        (Funnel(), CountingSettings(attribution="linear"), "attribution last, these settings say linear"),
    ],
    ids=["funnel", "dimensions", "attribution"],
)
def test_a_state_of_another_shape_is_refused(funnel: Funnel, settings: CountingSettings, which: str) -> None:
    """What is different is named."""
    log = owned().log
    with pytest.raises(CodecError, match=f"^offset 3: state of {which}$"):
        log.reader(vocabulary(funnel), settings).check()


def test_a_sound_flush_of_another_layout_is_refused() -> None:
    """What another build wrote under the same version."""
    owner = owned(1)
    log = owner.state_log
    messages = log.messages(log.capture(log.sources), [])
    for body in (b"", b"\xc1", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode("x")):
        marker = decode_entry(messages[-1].value or b"")
        assert isinstance(marker, Marker)
        marker = msgspec.structs.replace(marker, checksum=xxh3_64_intdigest(body), chunks=1)
        other = MemoryLog()
        other.entries = [
            *owner.log.entries,
            (b"c", encode_entry(Chunk(0, 1, 0, body))),
            (b"m", encode_entry(marker)),
        ]
        assert refusal(other) == "offset 5: flush 1 is of another layout"


# --- what is deleted -----------------------------------------------------------------------------


def test_what_is_not_needed_is_deleted() -> None:
    """Every entry before where reading begins, once the marker that says so is there; none behind it."""
    owner, deleted = owned(1), set[bytes]()
    for number in range(1, 50):
        begin, start = begin_of(owner.log), len(owner.log.entries)
        work(owner, 1, first=number)
        assert begin is not None
        needed = {entry[0] for entry in owner.log.entries[begin.offset : start] if entry}
        gone = {entry[0] for entry in owner.log.entries[start:] if entry and entry[1] is None}
        assert not gone & needed
        assert not gone & deleted
        deleted |= gone
        before = {entry[0] for entry in owner.log.entries[: begin.offset] if entry}
        assert before <= deleted or not begin.flush
    assert len(deleted) > 50


@pytest.mark.parametrize("at", [1, 10, 30, 40, 50, 60, 70])
def test_compaction_may_have_come_to_any_point(at: int) -> None:
    """It removes what later entries delete, and nothing that is needed."""
    owner = finished()
    removed = owner.log.compact(at)
    assert taken_over(owner.log) == truth(owner)
    assert removed + owner.log.compact() > 0
    assert taken_over(owner.log) == truth(owner)


def test_lives_and_torn_flushes_are_deleted_too() -> None:
    """Many owners that are killed leave nothing behind for ever."""
    owner = CountedPartition()
    for number in range(12):
        work(owner, 2, first=number * 10)
        owner.log.entries.pop()
        owner = owner.hand_over(flushed=False)
    work(owner, 3 * ROTATION, first=500)
    owner.log.compact()
    left = [entry for entry in owner.log.entries if entry is not None and entry[1] is not None]
    assert len(left) <= 2 * (2 * ROTATION + 4)
    assert taken_over(owner.log) == truth(owner)


def test_keys_are_bounded() -> None:
    """Of those that write, and of those that follow for long: two rotations' worth."""
    owner = owned(1)
    follower = owner.log.reader(vocabulary(), CountingSettings())
    for number in range(50):
        work(owner, 1, first=500 + number)
        owner.log.feed(follower)
        follower.check()
        assert max(len(owner.state_log.keys), len(follower.keys)) <= 2 * (2 * ROTATION + 4)


# --- strangers -----------------------------------------------------------------------------------


def flush(log: MemoryLog, life: StateLog) -> None:
    """A flush of nothing new."""
    log.append(life.messages(life.capture(life.sources), []))


def test_offsets_that_adjoin_say_that_nobody_else_wrote() -> None:
    """However many entries a flush has, and with deletions among them."""
    owner = owned(0)
    for _ in range(30):
        flush(owner.log, owner.state_log)
        assert owner.state_log.strangers is None
        assert owner.state_log.behind == len(owner.log.entries)


@pytest.mark.parametrize("others", [1, 5])
def test_strangers_are_told_by_a_gap(others: int) -> None:
    """Between what was there before a flush and its marker; once, and then no more."""
    owner = owned(1)
    behind = len(owner.log.entries)
    for _ in range(others):
        owner.log.claim(0)
    flush(owner.log, owner.state_log)
    assert owner.state_log.strangers == range(behind, len(owner.log.entries) - 1)
    flush(owner.log, owner.state_log)
    assert owner.state_log.strangers is None


def test_an_offset_that_nobody_knows_is_looked_into_later() -> None:
    """The next flush then does not adjoin, and all since the last known place is looked at."""
    owner = owned(1)
    life, behind = owner.state_log, len(owner.log.entries)
    *chunks, marker = life.messages(life.capture(life.sources), [])
    acknowledged = marker.arrived
    owner.log.append([*chunks, marker._replace(arrived=None)])
    assert acknowledged is not None
    acknowledged(-1)
    assert life.strangers is not None
    assert life.strangers.start == behind
    assert life.strangers.stop > len(owner.log.entries)
    owner.log.claim(9)
    flush(owner.log, life)
    assert life.strangers == range(behind, len(owner.log.entries) - 1)
    assert taken_over(owner.log) == truth(owner)


# --- what is kept of one's own -------------------------------------------------------------------


def test_a_kept_state_needs_only_what_others_wrote() -> None:
    """Whoever gets a partition back reads on behind its own last flush."""
    owner = owned(4)
    reader = owner.log.reader(owner.vocabulary, owner.settings)
    kept = LogReader(owner.counts, owner.vocabulary, reader.shape, None)
    kept.generation = kept.seen = 0
    kept.continue_after(owner.state_log)
    assert owner.counts.waiting == 0
    successor = owner.hand_over()
    work(successor, flushes := 2 * ROTATION + 1, first=20)
    owner.log.feed(kept)
    kept.check()
    assert remembered(kept.counts, owner.vocabulary) == truth(successor)
    assert kept.sources[0].behind == 4 + flushes


def test_a_kept_state_that_others_left_behind_is_refused() -> None:
    """Their beginning is deleted already: what they counted is not to be counted once more."""
    owner = owned(4)
    kept = owner.log.reader(owner.vocabulary, owner.settings)
    successor = owner.hand_over(flushed=False)
    work(successor, 3 * ROTATION, first=20)
    owner.log.compact()
    owner.log.feed(kept)
    with pytest.raises(CodecError, match="life 1 has no beginning"):
        kept.check()
    assert taken_over(owner.log) == truth(successor)


def test_messages_go_where_they_belong() -> None:
    """Topic, partition and keys; only the marker's arrival is waited for."""
    owner = owned(1)
    life = owner.state_log
    *chunks, marker = life.messages(life.capture(life.sources), [])
    assert {message[:2] for message in (*chunks, marker)} == {("state", 0)}
    assert [message.key for message in (*chunks, marker)] == [b"chunk/0/1/0", b"marker/0/1"]
    assert [message.arrived for message in chunks] == [None] * len(chunks)
    assert marker.arrived is not None
    assert life_key(Life(7, 9, begun=False)) != life_key(Life(7, 9, begun=True))
    assert isinstance(marker, Outgoing)
