"""How long people take, and how a day goes: the laws of the worlds that detection is measured in.

Times in seconds unless said. A law is a mixture of exponentials, cut where attribution ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]

DAY_S: Final = 86_400
ATTRIBUTION_S: Final = 1_800
# Lower edges of the bins of the dimension ``(lag)``.
LAG_EDGES: Final = (0, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800)
_TRAFFIC_SWING: Final = 0.6
_TRAFFIC_ZERO_H: Final = 9  # rises through its mean at 9:00, so at 11:00 it is 1.3 times the mean
_CONVERSION_SWING: Final = 0.15
_CONVERSION_ZERO_H: Final = 4
NOISE_SD: Final = 0.05
NOISE_MEMORY_S: Final = 3_600


class Law(NamedTuple):
    """A mixture of exponential delays: weights that add up to 1, and means in seconds."""

    weights: tuple[float, ...]
    means: tuple[float, ...]

    def stretched(self, factor: float) -> Law:
        """The same, slower by a factor."""
        return Law(self.weights, tuple(mean * factor for mean in self.means))

    def density(self, delays: F64) -> F64:
        """Probability density per second, shape as given."""
        parts = (w / m * np.exp(-delays / m) for w, m in zip(self.weights, self.means, strict=True))
        return np.asarray(np.sum(list(parts), axis=0))

    def draw(self, rng: np.random.Generator, size: int) -> F64:
        """Delays, shape (size,)."""
        means = np.asarray(self.means)
        drawn = rng.exponential(1.0, size) * means[rng.choice(means.size, size, p=self.weights)]
        return np.asarray(drawn)


CLICK_TO_ORDER: Final = Law((0.7, 0.3), (240.0, 2_400.0))
PAYMENT: Final = Law((1.0,), (12.0,))


def joint(law: Law, tick_s: int, span_s: int) -> F64:
    """Probability of (ticks from upstream to downstream, bin of the lag), shape (taps, 19).

    The upstream event lies anywhere in its tick; delays of ``span_s`` and more are left out, so all
    of it adds up to the share that comes in time.
    """
    grain = 0.25
    delays = np.arange(grain / 2, span_s, grain)
    mass = law.density(delays) * grain
    ticks, part = np.divmod(delays / tick_s, 1)
    bins = np.searchsorted(LAG_EDGES, delays, side="right") - 1
    out = np.zeros((span_s // tick_s + 2, len(LAG_EDGES)))
    np.add.at(out, (ticks.astype(np.int64), bins), mass * (1 - part))
    np.add.at(out, (ticks.astype(np.int64) + 1, bins), mass * part)
    return out


def traffic_at(seconds: F64) -> F64:
    """Traffic relative to its daily mean at seconds since midnight."""
    return _swing(seconds, _TRAFFIC_SWING, _TRAFFIC_ZERO_H)


def conversion_at(seconds: F64) -> F64:
    """Conversion relative to its daily mean, where it swings (realistic mode)."""
    return _swing(seconds, _CONVERSION_SWING, _CONVERSION_ZERO_H)


def _swing(seconds: F64, swing: float, zero_h: int) -> F64:
    return 1 + swing * np.sin(2 * np.pi * (seconds / DAY_S - zero_h / 24))


class Noise:
    """AR(1) noise of conversion, one series per key, unit variance; memory of an hour."""

    def __init__(self, keys: int, tick_s: int, rng: np.random.Generator) -> None:
        self._keep = float(np.exp(-tick_s / NOISE_MEMORY_S))
        self._now = rng.standard_normal(keys)

    def draw(self, ticks: int, rng: np.random.Generator) -> F64:
        """The next ticks, shape (ticks, keys)."""
        out = rng.standard_normal((ticks, self._now.size)) * np.sqrt(1 - self._keep**2)
        for tick in range(ticks):
            out[tick] += self._keep * self._now
            self._now = out[tick].copy()
        return np.asarray(out)
