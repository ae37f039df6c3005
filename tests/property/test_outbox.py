"""Whatever opens, worsens and ends while endpoints die and processes restart: what people come to read.

Random days of five incidents and two channels, one of them with little budget. At any point an endpoint
dies or comes back, and the process is lost, perhaps after a channel took a message and before that was
written down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts.model import EVERYWHERE, Place, Severity, State
from alerts.outbox import Outbox
from alerts.rounds import Answer, OutboxSettings
from alerts.stages.budget import Budget, ChannelRule
from alerts.stages.route import Route
from alerts.stages.stage import Haste
from tests.support.deliveries import Post, incident, later, over, taken
from tests.support.findings import SLOT

if TYPE_CHECKING:
    from alerts.stages.stage import Parcel

ROUTES = (Route("all", ("chat", "pager"), remind_every_ms=None),)
CHANNELS = {"chat": ChannelRule(Budget(messages=4, burst=3)), "pager": ChannelRule(digests=False)}
SETTINGS = OutboxSettings(give_up_ms=24 * 3_600_000)
SCOPES = {
    "total": EVERYWHERE,
    "slot": SLOT,
    "other": (Place("slot", "b"),),
    "sku": (Place("sku", "s"),),
    "x": (Place("banner", "x"),),
}
HIDDEN = ("slot", "other", "sku", "x")


class Act(NamedTuple):
    """One thing that happens, and how long after the last."""

    what: str
    name: str
    after_ms: int


ACTS = st.builds(
    Act,
    st.sampled_from(["open", "worse", "ack", "over", "over", "die", "live", "restart", "lost", "snapshot"]),
    st.sampled_from([*SCOPES, "chat", "pager"]),
    st.sampled_from([0, 100, 1_000, 10_000, 61_000, 600_000]),
)
DAYS = st.lists(ACTS, max_size=40)


class Day:
    """The world: incidents, endpoints, and what these took."""

    def __init__(self, *, hides: bool) -> None:
        self.post = Post(*ROUTES, settings=SETTINGS, channels=CHANNELS)
        self.now: dict[str, Any] = {}
        self.dead: set[str] = set()
        self.read: list[Parcel] = []
        self.handed: list[tuple[Parcel, ...]] = []
        self.unwritten: set[str] = set()
        self.hides = hides

    def live(self, act: Act) -> None:
        """Let it happen, then send what is due."""
        self.post.now_ms += act.after_ms
        if act.what in ("open", "worse", "ack", "over"):
            self.change(act)
        elif act.what == "die":
            self.dead.add(act.name)
        elif act.what == "live":
            self.dead.discard(act.name)
        elif act.what == "restart":
            self.post.restart()
        elif act.what == "snapshot":
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.post.outbox.snapshot()))
            self.post.outbox = Outbox.restore(state, self.post.pipeline, SETTINGS)
        self.send(lost=act.what == "lost")

    def change(self, act: Act) -> None:
        """The next record of an incident, if its life allows it."""
        known, now_ms = self.now.get(act.name), self.post.now_ms
        if act.name not in SCOPES or (act.name == "total" and not self.hides):
            return
        if known is None and act.what == "open":
            record = incident(act.name, SCOPES[act.name], updated_at_ms=now_ms)
        elif known is None:
            return
        elif known.state is State.RESOLVED:
            if act.what != "open":
                return
            record = later(known, state=State.FIRING, resolved_at_ms=None, updated_at_ms=now_ms)
        elif act.what == "worse":
            record = later(
                known,
                state=State.FIRING,
                severity=Severity.CRITICAL,
                acknowledged_by=None,
                updated_at_ms=now_ms,
            )
        elif act.what in ("ack", "over"):
            record = (taken if act.what == "ack" else over)(known, now_ms)
        else:
            return
        self.now[act.name] = record
        self.post.hear(record)

    def send(self, *, lost: bool = False) -> None:
        """What is due goes out; ``lost``: the process dies with what was taken unwritten."""
        parcels = self.post.due()
        self.handed.append(parcels)
        for parcel in parcels:
            up = parcel.channel not in self.dead
            if up:
                self.read.append(parcel)
            if lost:
                self.unwritten |= {one.key for one in parcel.told if up}
            else:
                self.post.answer(parcel, Answer.DELIVERED if up else Answer.RETRY)
        if lost:
            self.post.restart()

    def end(self) -> None:
        """Everything works again, for long enough."""
        self.dead.clear()
        for _ in range(60):
            self.post.now_ms += 10_000
            self.send()


def lived(acts: list[Act], *, hides: bool = False) -> Day:
    """A day and its quiet end."""
    day = Day(hides=hides)
    for act in acts:
        day.live(act)
    day.end()
    return day


@given(DAYS)
def test_nothing_is_lost(acts: list[Act]) -> None:
    """In the end each channel has read of each incident as it is; also of what it never knew as open."""
    day = lived(acts)
    assert day.post.dead == []
    for channel in ("chat", "pager"):
        last = {
            one.incident.id: one.incident
            for parcel in day.read
            if parcel.channel == channel
            for one in parcel.told
        }
        for name, now in day.now.items():
            assert name in last
            assert (last[name].state, last[name].severity) == (now.state, now.severity)


@given(DAYS)
def test_nothing_is_told_twice(acts: list[Act]) -> None:
    """One message per incident, state and channel, unless its taking was lost with the process."""
    day = lived(acts)
    keys = [one.key for parcel in day.read for one in parcel.told]
    assert {key for key in keys if keys.count(key) > 1} <= day.unwritten
    if not day.unwritten:
        seen: dict[tuple[str, str], tuple[Any, ...]] = {}
        for parcel in day.read:
            for one in parcel.told:
                said = (one.incident.state, one.incident.severity, one.incident.revision)
                assert seen.get(one.address) != said
                seen[one.address] = said


@given(DAYS)
def test_a_page_never_waits_behind_a_digest(acts: list[Act]) -> None:
    """Of one channel pages go first, and nothing that can wait takes the last token."""
    day = lived(acts)
    order = list(Haste)
    for parcels in day.handed:
        for channel in ("chat", "pager"):
            mine = [order.index(one.haste) for one in parcels if one.channel == channel]
            assert mine == sorted(mine)


@given(DAYS)
def test_a_day_again_says_the_same(acts: list[Act]) -> None:
    """Parcel by parcel, keys and all."""
    assert lived(acts, hides=True).handed == lived(acts, hides=True).handed


@given(DAYS)
def test_who_read_that_it_opened_reads_that_it_ended(acts: list[Act]) -> None:
    """Also of children that the site-wide one hides meanwhile."""
    day = lived(acts, hides=True)
    for channel in ("chat", "pager"):
        mine = [one for parcel in day.read if parcel.channel == channel for one in parcel.told]
        last = {one.incident.id: one.incident for one in mine}
        ended = {name for name, now in day.now.items() if now.state is State.RESOLVED}
        assert [name for name in ended & last.keys() if last[name].state is not State.RESOLVED] == []


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=40))
def test_a_budget_is_never_exceeded(gaps: list[int]) -> None:
    """In no minute more messages than it has, whatever comes; and at the end all has been told."""
    post = Post(Route("all", ("chat",)), channels=CHANNELS)
    times, told = [], set()
    for number, gap in enumerate([*gaps, *[5_000] * 60]):
        post.now_ms += gap
        if number < len(gaps):
            post.hear(incident(str(number), severity=list(Severity)[number % 3], updated_at_ms=post.now_ms))
        for parcel in post.due():
            times.append(post.now_ms)
            told |= {one.incident.id for one in parcel.told}
            post.answer(parcel)
    assert len(told) == len(gaps)
    assert max(sum(start <= one < start + 60_000 for one in times) for start in times) <= 4
