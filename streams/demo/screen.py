"""What the demo says of itself: frames of the live table out of a worker's series and a shop's traffic.

Promises a frame at any moment, from the first one on: before there are counts it says what is waited
for and for how long. Refuses to show what would mislead: a freshness while the past is still being
counted.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from streams.core.money import EXPONENTS
from streams.demo.live_table import DONE, Frame, KeyRow, Step, count
from streams.demo.shop import CURRENCY
from streams.funnel import ALL, CORE_DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streams.clock import Clock
    from streams.config import Settings
    from streams.demo.simulator import SimulatedRecord
    from streams.metrics.http import Readiness
    from streams.metrics.key_series import KeySeries
    from streams.metrics.top_rows import TopRow

_ROWS: Final = 50
# Live, a count is as old as events may be out of order, and what reading and flushing take.
_CAUGHT_UP_S: Final = 30
# Counts arrive once a second in bursts; over a few of them the rate stands still.
_RATE_OVER_MS: Final = 5_000
_HINTS: Final = (
    "CTR: clicks / exposures. CVR: visitors who paid / who clicked. An order counts where its last click was.",
    "The shop sends duplicates, late and broken records on purpose.",
)


class Aged(Protocol):
    """Knows how old the newest count was when it came."""

    def newest_age_s(self) -> float | None:
        """Seconds; None before the first."""
        ...


class Served(Protocol):
    """Is served over HTTP."""

    @property
    def port(self) -> int:
        """Where; 0 while it is not."""
        ...


class Watched(Protocol):
    """What a screen looks at: a worker, as far as it can be seen."""

    @property
    def settings(self) -> Settings:
        """The whole tree."""
        ...

    @property
    def clock(self) -> Clock:
        """Wall clock."""
        ...

    @property
    def series(self) -> KeySeries:
        """Its counts."""
        ...

    @property
    def merging(self) -> Aged:
        """How fresh they are."""
        ...

    @property
    def http(self) -> Served:
        """Its page of metrics."""
        ...

    def readiness(self) -> Readiness:
        """Whether it counts, and if not, what it waits for."""
        ...


class ShopProgress:
    """How far a simulated shop is: records so far, and the share of its past that is told.

    Args:
        past_ms: how much of its past it tells first.
        rate: events per second when it is live.
    """

    def __init__(self, past_ms: int, rate: float) -> None:
        self._past_ms = past_ms
        self._rate = rate
        self._from_ms: int | None = None
        self._told_ms = 0
        self._records = 0

    @property
    def past(self) -> str:
        """Its past in words."""
        return f"last {self._past_ms // 60_000} minutes"

    def watch(self, records: Iterator[SimulatedRecord]) -> Iterator[SimulatedRecord]:
        """The same records, counted as they are taken."""
        for record in records:
            if self._from_ms is None:
                self._from_ms = record.arrival_ms
            self._records += 1
            self._told_ms = record.arrival_ms - self._from_ms
            yield record

    def step(self) -> Step:
        """What it is doing."""
        share = min(self._told_ms / self._past_ms, DONE)
        records = f"{count(self._records)} records"
        if share < DONE:
            return Step("shop", f"simulated, its {self.past} in quick motion, {records}", share)
        return Step("shop", f"simulated, live at {self._rate:,.0f} events a second, {records}", DONE)

    def counted(self, age_s: float | None) -> float:
        """Share of the past that is counted when the newest count is so old."""
        if age_s is None:
            return 0.0
        return max(0.0, 1 - age_s * 1000 / self._past_ms)


class Screen:
    """Frames of the live table out of a worker's series.

    Args:
        worker: the worker; its clock is the screen's.
        shop: the shop that it counts.
        said: what people were told lately, as lines.
    """

    def __init__(
        self, worker: Watched, shop: ShopProgress, said: Callable[[], Sequence[str]] = tuple
    ) -> None:
        self._worker = worker
        self._shop = shop
        self._said = said
        self._started_ms = worker.clock.now_ms()
        self._ready_ms: int | None = None
        self._caught_up = False
        self._totals: deque[tuple[int, int]] = deque()
        self._where = ""

    def frame(self) -> Frame:
        """What is to be seen now."""
        now = self._worker.clock.now_ms()
        # Series are held at zero until they were exported once: let a first look at /metrics show counts.
        self._worker.series.snapshot(now)
        outcomes: dict[str, int] = {}
        for (_, outcome), records in self._worker.series.record_totals().items():
            outcomes[outcome] = outcomes.get(outcome, 0) + records
        rows, age = self._rows(), self._worker.merging.newest_age_s()
        self._caught_up = self._caught_up or (bool(rows) and age is not None and age <= _CAUGHT_UP_S)
        return Frame(
            rows=rows,
            steps=self._steps(now, age, counting=bool(rows)),
            outcomes=outcomes,
            records_per_s=self._rate(sum(outcomes.values()), now),
            freshness_s=age if self._caught_up else None,
            running_s=(now - self._started_ms) / 1000,
            notes=[*self._said(), self._place()],
            hints=_HINTS if rows else (),
        )

    def _rows(self) -> list[KeyRow]:
        series, rows = self._worker.series, []
        for dimension in CORE_DIMENSIONS:
            top = [row for row in series.top_rows(dimension, _ROWS) if any(row.events.values())]
            rows += [_row(dimension, row) for row in top]
            if dimension != ALL:
                rows += [_row(dimension, row) for row in series.unnamed_rows(dimension)]
        return rows

    def _rate(self, total: int, now: int) -> float:
        totals = self._totals
        totals.append((now, total))
        while totals[0][0] < now - _RATE_OVER_MS:
            totals.popleft()
        since, before = totals[0]
        return (total - before) * 1000 / max(now - since, 1)

    def _steps(self, now: int, age: float | None, *, counting: bool) -> list[Step]:
        if self._caught_up:
            return self._trouble()
        if counting:
            return [
                *self._trouble(),
                Step("counts", f"the shop's {self._shop.past} first", self._shop.counted(age)),
            ]
        servers = ",".join(self._worker.settings.kafka.bootstrap_servers)
        broker = Step("broker", f"Kafka on {servers}, in this process", DONE)
        return [broker, self._shop.step(), *self._beginning(now)]

    def _trouble(self) -> list[Step]:
        reasons = self._worker.readiness().reasons
        return [Step("worker", f"not ready: {'; '.join(reasons)}")] if reasons else []

    def _beginning(self, now: int) -> list[Step]:
        """The worker until its first counts."""
        readiness = self._worker.readiness()
        if not readiness.ready:
            self._ready_ms = None
            waited = (now - self._started_ms) // 1000
            return [
                Step("worker", f"{'; '.join(readiness.reasons)}, for {waited} s (takes about 5 s)"),
                Step("counts", "begin as soon as the worker is ready"),
            ]
        if self._ready_ms is None:
            self._ready_ms = now
        counting = self._worker.settings.counting
        patience = counting.max_out_of_orderness_ms + counting.flush_interval_ms
        left = max(0, math.ceil((self._ready_ms + patience - now) / 1000))
        order = counting.max_out_of_orderness_ms // 1000
        return [
            Step("worker", "reads both topics", DONE),
            Step("counts", f"the first in at most {left} s: events may be {order} s out of order"),
        ]

    def _place(self) -> str:
        # The port is gone when the last frame is drawn.
        if self._worker.http.port:
            self._where = "   ".join((*addresses(self._worker), "Ctrl-C stops everything"))
        return self._where


def addresses(worker: Watched) -> tuple[str, str, str]:
    """Where its broker, its metrics and its live page are, in words; the page with the token to write."""
    servers, base = ",".join(worker.settings.kafka.bootstrap_servers), f"http://127.0.0.1:{worker.http.port}"
    token = worker.settings.http.token
    page = base + "/" + ("" if token is None else f"#token={token.get_secret_value()}")
    return f"kafka  {servers}", f"metrics  {base}/metrics", f"live page  {page}"


def _row(dimension: str, top: TopRow) -> KeyRow:
    return KeyRow(
        dimension=dimension,
        key=top.key,
        exposures=top.events.get("exposure", 0),
        clicks=top.events.get("click", 0),
        visitors_click=top.visitors.get("click", 0),
        visitors_paid=top.visitors.get("paid", 0),
        orders=top.orders.get("paid", 0),
        revenue_minor=top.revenue.get((CURRENCY, "paid"), 0),
        currency=CURRENCY,
        minor_digits=EXPONENTS[CURRENCY],
    )
