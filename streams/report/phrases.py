"""Numbers, times and names of a report in one language: what all its parts word alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerts.content import numbers
from alerts.content.clean import harmless
from alerts.content.writing import LANGUAGES
from alerts.message import Language
from streams.closed import EXPONENTS
from streams.durations import DAY, HOUR, MINUTE
from streams.report.chinese import CHINESE
from streams.report.english import ENGLISH

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from alerts.content.words import Words
    from streams.core.ratios import Ratio
    from streams.report.words import ReportWords

# ruff: noqa: RUF001 - minus, times and dash as they are printed
UNKNOWN: Final = "–"
REPORTS: Final = {Language.EN: ENGLISH, Language.ZH: CHINESE}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A rate of a thousandth needs two decimals to be told from its neighbour.
_SMALL: Final = 0.1
_LARGE: Final = 10
_MANY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Phrases:
    """See the module.

    Attributes:
        language: of the words.
        words: of messages.
        report: of reports.
        zone: whose clocks.
        currency: of all amounts that do not name another.
    """

    language: Language
    words: Words
    report: ReportWords
    zone: ZoneInfo
    currency: str | None

    def count(self, value: float | None) -> str:
        """Of anything."""
        return numbers.count(value) or UNKNOWN

    def money(self, minor: float | None, currency: str | None = None) -> str:
        """With the currency before it."""
        return numbers.money(minor, currency or self.currency) or UNKNOWN

    def amount(self, minor: float | None) -> str:
        """Money in the currency of the page, which stands elsewhere; whole units of large sums."""
        if minor is None or self.currency is None or not math.isfinite(minor):
            return UNKNOWN
        digits = EXPONENTS.get(self.currency, 2)
        major = minor / 10**digits
        return f"{major:,.{0 if abs(major) >= _MANY else digits}f}"

    def named(self, head: str) -> str:
        """The head of a column of amounts."""
        return f"{head} ({self.currency})" if self.currency else head

    def share(self, value: float | None) -> str:
        """``8.3 %`` or ``0.83 %``."""
        if value is None or not math.isfinite(value):
            return UNKNOWN
        percents = 100 * value
        digits = 2 if 0 < abs(value) < _SMALL else 1
        return f"{percents:,.{digits}f} %" if value else "0 %"

    def rate(self, ratio: Ratio | None) -> str:
        """A ratio without its interval."""
        return UNKNOWN if ratio is None else self.share(ratio.ratio)

    def interval(self, ratio: Ratio | None) -> str:
        """The ends of its interval."""
        if ratio is None or not math.isfinite(ratio.ratio):
            return UNKNOWN
        return self.between(self.share(ratio.lower), self.share(ratio.upper))

    def between(self, low: str, high: str) -> str:
        """From one to another."""
        return f"{low}\u00a0–\u00a0{high}".replace(" ", "\u00a0")

    def change(self, now: float, then: float) -> str:
        """How much more or less than before."""
        if not then or not (math.isfinite(now) and math.isfinite(then)):
            return UNKNOWN
        relative = now / then - 1
        if abs(relative) >= _LARGE:
            return self.factor(now / then)
        return f"{'+' if relative > 0 else '−' if relative < 0 else '±'}{abs(100 * relative):,.1f} %"

    def factor(self, value: float | None) -> str:
        """A factor, after its sign."""
        if value is None or not math.isfinite(value):
            return UNKNOWN
        return f"×{value:,.0f}" if value >= _LARGE * _LARGE else f"×{value:.2f}".rstrip("0").rstrip(".")

    def signed(self, value: float) -> str:
        """A count that may be less than none."""
        return f"{'+' if value >= 0 else '−'}{self.count(abs(value))}"

    def length(self, ms: float) -> str:
        """A duration."""
        return numbers.duration(ms, self.words) or UNKNOWN

    def moment(self, at_ms: int | None, *, seconds: bool = False) -> str:
        """``2026-11-11 20:00``."""
        if at_ms is None:
            return UNKNOWN
        return f"{self._local(at_ms):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}}"

    def clock(self, at_ms: float) -> str:
        """``20:00``, or the day where it begins."""
        local = self._local(int(at_ms))
        return f"{local:%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%H:%M}"

    def since_start(self, ms: float) -> str:
        """``2:00`` after the start, hours and minutes."""
        hours, rest = divmod(int(ms), HOUR)
        return f"+{hours}:{rest // MINUTE:02d}" if ms < 2 * DAY else f"+{ms / DAY:.0f} {self.words.units[1]}"

    def dimension(self, name: str) -> str:
        """A dimension's name."""
        return self.report.dimensions.get(name) or harmless(name)

    def node(self, name: str) -> str:
        """A node's name."""
        return self.report.nodes.get(name) or harmless(name)

    def name(self, text: str) -> str:
        """A name from outside."""
        return harmless(text)

    def _local(self, at_ms: int) -> datetime:
        return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(self.zone)


def phrases(language: Language, zone: ZoneInfo, currency: str | None) -> Phrases:
    """Of a language."""
    return Phrases(language, LANGUAGES[language], REPORTS[language], zone, currency)
