"""Every scenario of ``simulate`` through the whole path: events as bytes, counting, rollups, closing, the engine.

The other worlds are closed buckets drawn at once, so that hundreds of runs take minutes. Here each
scenario is run as a shop's traffic would be, once a seed, in accelerated time: what ``funnelwatch simulate``
writes, counted by the core of the workers, closed and judged. It is shown that what holds there holds
here; how often is the other worlds' to say. The shop stands still but for the scenario.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from alerts.model import Kind, Reason
from streams.assembly import engine
from streams.backtest.arrivals import Arrival
from streams.backtest.counting import Recount
from streams.backtest.recording import closed
from streams.config import Settings
from streams.core.settings import CountingSettings
from streams.core.shard_progress import ClosingSettings
from streams.demo.circumstances import MINUTE_MS
from streams.demo.scenarios import SCENARIOS, Placed, Times, truth_of
from streams.demo.shop import Shop, ShopSettings
from streams.demo.simulator import TrafficSettings, simulate
from streams.demo.sinks import partition_of
from streams.events import Record
from streams.formats.native import NativeFormat
from streams.funnel import Funnel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from alerts.incident import Incident
    from streams.closed import ClosedBucket
    from streams.demo.circumstances import Circumstances
    from streams.demo.shop import Floats

# A Monday, 09:30 in UTC; the onset is two hours later.
START_MS: Final = 1_762_162_200_000
LEAD_MIN: Final = 120
_RATE: Final = 250.0
# Tenfold traffic begins low, and is not followed for so long.
_FLASH_RATE: Final = 60.0
_FLASHES: Final = ("S5", "S5b", "S5b+", "S5c")
_MINUTES: Final = {
    # A shop two hours old knows its levels less well than the other worlds' do.
    "S2": 150,
    "S3": 180,
    "S14": 200,
    "S1": 20,
    "S1b": 20,
    "S11": 20,
    "S6a": 40,
    "S6b": 40,
    "S6c": 40,
} | dict.fromkeys(_FLASHES, 30)
_USUAL_MINUTES: Final = 75
_SHOP: Final = {"slots": 6, "banners": 12, "skus": 40, "visitors": 1_000_000}
# S7 is S0 with many SKUs, which would be another shop.
NAMES: Final = tuple(name for name in SCENARIOS if name != "S7")
_RESTART_MIN: Final = 5
_SOONER: Final = 0.25
_EVERYWHERE: Final = {("all", "all")}
# Whether traffic moved is right or wrong by taste.
_ABOUT_TRAFFIC: Final = frozenset({Kind.TRAFFIC_DROP, Kind.TRAFFIC_SURGE})


@dataclass(frozen=True, slots=True)
class Passage:
    """What came of one scenario and seed.

    Attributes:
        scenario: its name.
        seed: of shop and traffic.
        events: records that were counted.
        minutes: of event time after the onset.
        silent: nothing should be said.
        delay_s: from the onset to the first right word; None where none came.
        told: the right incidents, as kind, step and place in words.
        others: all others but words about traffic, likewise.
        command: what it was run by.
    """

    scenario: str
    seed: int
    events: int
    minutes: int
    silent: bool
    delay_s: float | None
    told: tuple[str, ...]
    others: tuple[str, ...]
    command: str = ""

    @property
    def right(self) -> bool:
        """All that should be said was said, and nothing else."""
        return not self.others and (self.silent or self.delay_s is not None)


def passage(name: str, seed: int) -> Passage:
    """Run one scenario."""
    scenario, shop = SCENARIOS[name], ShopSettings(seed=seed, **_SHOP)
    times = Times(START_MS + LEAD_MIN * MINUTE_MS)
    minutes = _MINUTES.get(name, _USUAL_MINUTES)
    traffic = TrafficSettings(
        START_MS,
        _FLASH_RATE if name in _FLASHES else _RATE,
        (LEAD_MIN + minutes) * MINUTE_MS,
        shop=shop,
    )
    source = _Source(scenario.partitions)
    records = source.arrivals(traffic, _Quicker(scenario, times, scenario.partitions))
    said = [*_said(_buckets(records), times.onset_ms if name == "S15" else None)]
    truths = truth_of(scenario, times, Shop(shop))["incidents"]
    right = [(at_ms, one) for at_ms, one in said if any(is_right(one, at_ms, truth) for truth in truths)]
    # What was renamed until it was right is right.
    named = {one.id for _, one in right}
    wrong = [one for _, one in said if one.id not in named and one.kind not in _ABOUT_TRAFFIC]
    delay_s = (right[0][0] - truths[0]["start_ms"]) / 1000 if right else None
    return Passage(
        name,
        seed,
        source.events,
        minutes,
        not truths,
        delay_s,
        _words(one for _, one in right),
        _words(wrong),
    )


class _Quicker(Placed):
    """The scenario with people who decide sooner."""

    def delay(self, step: str, at: Circumstances) -> Floats | float:
        """From click to order."""
        return super().delay(step, at) * (_SOONER if step == "checkout>order" else 1.0)


class _Source:
    """The simulator's records as source partitions have them."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self.events = 0

    def arrivals(self, traffic: TrafficSettings, scenario: Placed) -> Iterator[Arrival]:
        for record in simulate(traffic, scenario):
            partition = partition_of(record.key, self._partitions) if self._partitions > 1 else 0
            at = Record(self.events, record.arrival_ms, record.value)
            self.events += 1
            yield Arrival(record.arrival_ms, partition, int(record.topic == "orders"), at)


def _buckets(arrivals: Iterable[Arrival]) -> Iterator[ClosedBucket]:
    funnel = Funnel()
    forms = NativeFormat(funnel=funnel), NativeFormat(funnel=funnel)
    return closed(Recount(CountingSettings(), funnel, forms).rollups(arrivals), 1, ClosingSettings())


def _said(buckets: Iterable[ClosedBucket], onset_ms: int | None) -> Iterator[tuple[int, Incident]]:
    """Incidents that got a name, and when; with an onset the watcher is restarted five minutes after it."""
    settings = Settings()
    watcher = engine(settings)
    for bucket in buckets:
        for incident, reason in watcher.observe(bucket):
            if reason in {Reason.OPENED, Reason.REOPENED, Reason.RENAMED}:
                yield bucket.end_ms, incident
        if onset_ms is not None and bucket.end_ms == onset_ms + _RESTART_MIN * MINUTE_MS:
            known, watcher = watcher.snapshot(), engine(settings)
            watcher.restore(known)


def is_right(incident: Incident, at_ms: int, truth: dict[str, Any]) -> bool:
    """Whether an incident told then says what is true (:func:`streams.demo.scenarios.truth_of`)."""
    scope = {(part.dimension, part.key) for part in incident.scope}
    wanted = {(part["dimension"], part["key"]) for part in truth["scope"]}
    step = f"{incident.step.from_node}>{incident.step.to_node}" if incident.step is not None else None
    keys = {key for _, key in scope}
    # A payment method of the whole shop is a place of its own.
    there = wanted <= scope or (wanted == _EVERYWHERE and truth["detail"] in keys)
    return (
        at_ms > truth["start_ms"]
        and incident.kind in truth["kinds"]
        and (step is None or not truth["steps"] or step in truth["steps"])
        and there
        and truth["detail"] in {"", incident.detail, *keys}
    )


def _words(incidents: Iterable[Incident]) -> tuple[str, ...]:
    return tuple(
        " ".join(
            [
                str(one.kind),
                *([f"{one.step.from_node}>{one.step.to_node}"] if one.step is not None else []),
                ", ".join(part.key for part in one.scope),
                *([one.detail] if one.detail else []),
            ]
        )
        for one in incidents
    )


def read(path: Path) -> list[Passage]:
    """Those that were written; none without the file."""
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return [Passage(**row | {"told": tuple(row["told"]), "others": tuple(row["others"])}) for row in rows]


def write(path: Path, passages: Iterable[Passage]) -> None:
    """Replace the file; one a line."""
    path.write_text("[\n" + ",\n".join(json.dumps(asdict(one)) for one in passages) + "\n]\n")
