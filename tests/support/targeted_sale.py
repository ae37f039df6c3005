"""A sale with targets, a quarter of it gone, as the live page and the metrics see it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from streams.core.windows import Sale, Windows
from streams.judged import Pace
from streams.promotions import Calendar, Phase, PhaseSpan, Promotion, Targets
from streams.web.capturing import Capturing
from tests.support.clock import ManualClock
from tests.support.live import T0, Judging, Stage
from tests.support.window_oracle import BUCKET, Buckets

if TYPE_CHECKING:
    from streams.web.moment import Moment

HOUR: Final = 3_600_000
_SPANS: Final = (PhaseSpan(Phase.STEADY, T0, T0 + HOUR),)
_TARGETS: Final = Targets(orders=100, revenue_minor=1_000_000, currency="CNY", conversion=0.2)


def a_quarter_in(scope: dict[str, frozenset[str]] | None = None, **fields: Any) -> Moment:
    """A quarter of an hour into a sale in which six orders a minute are paid, one of them by the slot ``b``."""
    promotion = Promotion("D11", T0, T0 + HOUR, _SPANS, scope or {}, _TARGETS)
    windows, made = Windows(sales=[Sale("D11", T0, T0 + HOUR, scope or {})]), Buckets()
    counts: dict[tuple[str, str, int], int] = {}
    for dimension, key, paid in (("all", "all", 6), ("slot", "a", 5), ("slot", "b", 1)):
        counts |= {(dimension, key, 17): 10 * paid, (dimension, key, 6): paid, (dimension, key, 22): paid}
    for number in range(90):
        windows.take(made.close(T0 + number * BUCKET, counts))
    capturing = Capturing(Judging(), ManualClock(0))
    capturing.refresh(windows)
    assert capturing.picture is not None
    paces = {"D11": Pace((0.0, 0.4, 0.6, 0.8, 1.0), 0.1)}
    picture = replace(capturing.picture, judged=replace(capturing.picture.judged, paces=paces))
    found = Stage(buckets=1).sources.moment()
    return replace(found, now_ms=T0 + HOUR // 4, picture=picture, calendar=Calendar([promotion]), **fields)
