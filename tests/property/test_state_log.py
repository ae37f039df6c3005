"""Owners that die, sleep and wake around one real state log, and nobody can tell from the counts.

A script of reading, counting and flushing is played once without a break, and once by owners that are
killed at any step: the next one goes on behind the last flush, having read again what waited. Those
before it may wake up and write on, before it begins or after; messages come twice; chunks come without
their marker; the log is compacted. Other than in test_handover.py topics fall silent: what is late then
is counted in the order in which it came.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.attribution import MODELS
from streams.core.ordering import UNREAD
from streams.core.settings import CountingSettings
from streams.core.slots import SWEEP
from streams.funnel import Funnel
from tests.support.partition import CountedPartition, Tables
from tests.support.traffic import SMALL_SETTINGS, Partition, Shape, all_settings, partitions, traffic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.core.settings import AttributionModel
    from tests.support.oracle import OracleSettings

CLICKSTREAM, ORDERS, COUNT, SILENCE, FLUSH = 0, 1, 2, 3, 4
KEYS = ["slot1", "S2", "banner1", "elsewhere", "S0", "app", "banner0", "S1", "slot0", "web"]
Step = tuple[int, int]


@pytest.fixture(autouse=True, scope="module")
def short_rotations() -> Iterator[None]:
    """Reading begins at another place every few flushes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.core.changes._SLOWEST", SWEEP // 8)
        yield


def counting(settings: OracleSettings) -> CountedPartition:
    """A new partition under the oracle's settings."""
    names = ("max_out_of_orderness_ms", "allowed_lateness_ms", "max_future_ms", "dedupe_horizon_ms",
             "attribution_window_ms", "attribution", "remembered_orders")  # fmt: skip
    same = {name: getattr(settings, name) for name in names}
    return CountedPartition(CountingSettings(**same), funnel=Funnel(extra_dimensions=("channel",)))


def script(rng: Random, partition: Partition) -> list[Step]:
    """Steps until everything is read: topics in any order, flushes and silences in between."""
    steps: list[Step] = []
    left = [len(partition.clickstream), len(partition.orders)]
    while any(left):
        what = rng.choices((CLICKSTREAM, ORDERS, COUNT, SILENCE, FLUSH), (6, 4, 5, 1, 5))[0]
        many = rng.choice([1, 2, 5, 20])
        if what in (CLICKSTREAM, ORDERS):
            many = min(many, left[what])
            left[what] -= many
        if many:
            steps.append((what, many))
    return steps


def play(owner: CountedPartition, step: Step, partition: Partition) -> None:
    """One step but a flush."""
    what, many = step
    if what in (CLICKSTREAM, ORDERS):
        start = owner.places[what]
        owner.read(what, partition[what][start : start + many])
    elif what == COUNT:
        owner.process()
    elif what == SILENCE and min(owner.counts.newest) != UNREAD:
        owner.counts.process(max(owner.counts.newest) + 1)


class World:
    """The owners of one source partition, one after the other and all at once."""

    def __init__(self, rng: Random, partition: Partition, settings: OracleSettings) -> None:
        self.rng = rng
        self.partition = partition
        self.owner = counting(settings)
        self.asleep: list[CountedPartition] = []
        # Which step comes next to whoever begins behind the last flush, and where the topics were.
        self.flushed = 0
        self.read = (0, 0)

    def play(self, steps: list[Step], trouble: float) -> Tables:
        """All steps, in trouble with so much probability at each."""
        at = 0
        while at < len(steps):
            step = steps[at]
            if self.rng.random() < trouble:
                self._succeed(step[0] == FLUSH, at)
                at = self.flushed
                continue
            if step[0] == FLUSH:
                self.owner.flush()
                self._flushed(at)
                self._repeat()
                self._disturb()
            else:
                play(self.owner, step, self.partition)
            at += 1
        return self.owner.finish()

    def _flushed(self, at: int) -> None:
        self.flushed, self.read = at + 1, self.owner.places

    def _repeat(self) -> None:
        """A flush whose end came, though nobody was told, comes once more."""
        if self.rng.random() < 0.3:
            entries, back = self.owner.log.entries, self.rng.randint(1, 2)
            entries += [entry for entry in entries[-back:] if entry is not None]

    def _disturb(self) -> None:
        """What may happen to a log at any time."""
        entries = self.owner.log.entries
        if self.rng.random() < 0.3:
            self.owner.log.compact(self.rng.randint(0, len(entries)), deleted_only=True)
        if self.asleep and self.rng.random() < 0.3:
            # Told by its log that it is over it writes no more.
            self.asleep.pop(self.rng.randrange(len(self.asleep))).haunt()

    def _succeed(self, may_flush: bool, at: int) -> None:  # noqa: FBT001  # drawn
        """The next owner; the one before it may be in the middle of a flush, or of nothing."""
        before, late = self.owner, list[bytes]()
        how = self.rng.choice(["killed", "torn", "logged", "sent"] if may_flush else ["killed"])
        wakes = self.rng.choice(["now", "claimed"])

        def flush() -> None:
            if how == "torn":
                before.write_ahead()
                before.log.entries.pop()
            elif how == "logged":
                late.extend(before.write_ahead())
                self._flushed(at)
            elif how == "sent":
                before.flush()
                self._flushed(at)

        if wakes == "now":
            flush()
        self.owner, lost = before.succeed(
            self.rng.sample(KEYS, self.rng.randint(0, len(KEYS))),
            before_fence=flush if wakes == "claimed" else lambda: None,
            behind_fence=lambda: before.send_late(late),
        )
        assert lost == len(late)
        if how == "killed":
            self.asleep.append(before)
        self._read_again()
        self._disturb()

    def _read_again(self) -> None:
        """What was read before the last flush, in other batches, now this topic, now that one."""
        while True:
            behind = [topic for topic in (0, 1) if self.owner.places[topic] < self.read[topic]]
            if not behind:
                return
            topic = self.rng.choice(behind)
            many = min(self.rng.choice([1, 3, 20]), self.read[topic] - self.owner.places[topic])
            play(self.owner, (topic, many), self.partition)


def check(seed: int, partition: Partition, settings: OracleSettings, trouble: float) -> None:
    """The same counts with trouble as without any."""
    steps = script(Random(seed), partition)
    expected = World(Random(seed), partition, settings).play(steps, 0)
    assert World(Random(seed + 1), partition, settings).play(steps, trouble) == expected


@given(
    data=st.data(), settings=all_settings(), model=st.sampled_from(list(MODELS)), seed=st.integers(0, 2**16)
)
def test_owners_may_die_at_any_step(
    data: st.DataObject, settings: OracleSettings, model: AttributionModel, seed: int
) -> None:
    """Every outcome, cell and amount, under every model of attribution."""
    settings = replace(settings, attribution=model)
    check(seed, data.draw(partitions(settings, max_size=30)), settings, 0.25)


@pytest.mark.parametrize(("seed", "model"), [(0, "last"), (1, "first"), (2, "linear")])
def test_owners_may_die_in_a_long_stream(seed: int, model: AttributionModel) -> None:
    """Lives of many rotations: what was deleted was not needed."""
    settings = replace(SMALL_SETTINGS, attribution=model)
    partition = traffic(seed, 1_000, settings, Shape(visitors=60, skus=12, slots=5, orders=80))
    check(seed, partition, settings, 0.03)
