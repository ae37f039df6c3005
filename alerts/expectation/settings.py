"""Settings of what is expected. Durations are milliseconds of event time."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class ExpectationSettings:
    """How fast things are learnt and forgotten.

    Attributes:
        attributed: dimensions whose conversions end with the attribution window; nothing of theirs
            arrives later than half an hour after entry.
        warm_up_ms: of the first buckets nothing is learnt, for who entered before them is unknown.
        learning_ms: until so much was learnt, no series is judged.
        min_conversions: a series is not judged before it has seen so many expected conversions.
        level_half_life_ms: memory of conversion levels.
        long_half_life_ms: long memory of delay laws.
        short_half_life_ms: short memory of delay laws.
        season_half_life_ms: memory of the hour-of-week season.
        daily_sd: how much conversion is thought to swing by the hour of the day, relative.
        weekly_sd: how much one day's hour is thought to differ from the others', relative.
        dispersion_half_life_ms: memory of dispersion.
        traffic_half_life_ms: memory of how busy a series is at present.
        doubt_ms: after a jump of traffic the delay law is in doubt for so long.
        jump: traffic that changes by this factor has jumped.
        instant_s: mean delay of a step whose journeys are not seen (exposures have no visitors).
        utc_offset_ms: of the hours of the week.
    """

    attributed: frozenset[str] = frozenset({"slot", "banner"})
    warm_up_ms: int = 30 * MINUTE_MS
    learning_ms: int = 2 * HOUR_MS
    min_conversions: float = 20.0
    level_half_life_ms: int = 2 * DAY_MS
    long_half_life_ms: int = 2 * DAY_MS
    short_half_life_ms: int = HOUR_MS
    season_half_life_ms: int = 28 * DAY_MS
    daily_sd: float = 0.1
    weekly_sd: float = 0.03
    dispersion_half_life_ms: int = DAY_MS
    traffic_half_life_ms: int = HOUR_MS
    doubt_ms: int = HOUR_MS
    jump: float = 1.5
    instant_s: float = 5.0
    utc_offset_ms: int = 0
