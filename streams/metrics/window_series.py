"""Conversion of keys in every window, as gauges: each ratio with its interval, its counts and what was expected.

Promises: at most ``max_keys`` keys of a dimension, those with most traffic in the hour; a key that is
shown stays for the local day unless a clearly busier one needs its place. A ratio of which nothing went
in is absent, and so is an expectation that nobody has. :meth:`WindowSeries.refresh` copies what is to
be shown, where windows are kept; collecting and rendering may run in any thread. They are many, so
there is a renderer of our own for :class:`streams.metrics.exposition.Exposition`, equal to the client
library to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.core.ratios import ratios
from streams.core.window_history import KeptKeys
from streams.core.windows import DAY, columns_of
from streams.metrics.catalog import WINDOW_FAMILIES
from streams.metrics.exposition import PLAIN_BELOW, family_head, long_line, series_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from streams.core.windows import Windows
    from streams.metrics.catalog import MetricSpec

    # Expected conversion of some keys, for a window, dimension and step; those of which it is not known are left out.
    Expected: TypeAlias = Callable[[str, str, int, Sequence[str]], Mapping[str, float]]

# Places change hands no more often.
_REVIEW_MS: Final = 300_000


# Labels and value of each series, family by family. Nobody changes it once it is whole.
_Samples: TypeAlias = tuple[list[tuple[tuple[str, ...], float]], ...]


@dataclass(slots=True)
class _Shown:
    """Keys of one dimension that are shown in the present day."""

    keys: KeptKeys
    day_ms: int
    reviewed_ms: int
    numbers: NDArray[np.int64]


def _nothing_expected(*_: object) -> Mapping[str, float]:
    return {}


class WindowSeries(Collector):
    """See the module.

    Args:
        max_keys: of a dimension.
        expected: expected conversion of some keys, for a window, dimension and step.
        windows: which are shown; ``promotion`` is every promotion's. None for all.
    """

    def __init__(
        self,
        max_keys: int = 50,
        expected: Expected = _nothing_expected,
        windows: Collection[str] | None = None,
    ) -> None:
        self._max_keys = max_keys
        self._expected = expected
        self._windows = windows
        self._shown: dict[str, _Shown] = {}
        self._samples: _Samples = tuple([] for _ in WINDOW_FAMILIES)
        self._prefixes: dict[tuple[str, ...], str] = {}

    def shown(self, dimension: str) -> int:
        """Keys that are shown."""
        return self._shown[dimension].numbers.size if dimension in self._shown else 0

    def refresh(self, windows: Windows) -> None:
        """Copy what is to be shown from now on; for after a bucket was taken in."""
        samples: _Samples = tuple([] for _ in WINDOW_FAMILIES)
        for dimension in windows.dimensions:
            numbers = self._choose(windows, dimension)
            for window in filter(self._is_shown, windows.windows):
                self._add(samples, windows, window, dimension, numbers)
        self._samples = samples

    def _is_shown(self, window: str) -> bool:
        return self._windows is None or window.partition(":")[0] in self._windows

    def describe(self) -> Iterator[Metric]:
        """The families, so that no other may take their names."""
        yield from (_family(spec) for spec in WINDOW_FAMILIES)

    def collect(self) -> Iterator[Metric]:
        """The families with their samples."""
        for spec, samples in zip(WINDOW_FAMILIES, self._samples, strict=True):
            family = _family(spec)
            for labels, value in samples:
                family.add_metric(labels, value)
            yield family

    def capture(self) -> Callable[[bool], str]:
        """Holds what is to be shown now; the result renders it, as OpenMetrics or not."""
        samples = self._samples

        def render(openmetrics: bool) -> str:  # noqa: FBT001  # a Callable has no names
            return self._render(samples, openmetrics=openmetrics)

        return render

    def _render(self, samples: _Samples, *, openmetrics: bool) -> str:
        """All families, without an end mark; keeps what precedes each value for the next time."""
        known, used, lines = self._prefixes, dict[tuple[str, ...], str](), list[str]()
        for spec, series in zip(WINDOW_FAMILIES, samples, strict=True):
            lines.append(family_head(spec, openmetrics=openmetrics))
            for labels, value in series:
                name = (spec.name, *labels)
                prefix = known.get(name) or series_prefix(spec, labels)
                used[name] = prefix
                lines.append(f"{prefix}{value!r}\n" if value < PLAIN_BELOW else long_line(prefix, value))
        self._prefixes = used
        return "".join(lines)

    def _choose(self, windows: Windows, dimension: str) -> NDArray[np.int64]:
        """Numbers of the keys that are shown."""
        day_ms, now_ms = windows.span(DAY).start_ms, windows.end_ms
        shown = self._shown.get(dimension)
        if shown is None or shown.day_ms != day_ms:
            shown = self._shown[dimension] = _Shown(KeptKeys(), day_ms, 0, np.zeros(0, dtype=np.int64))
        room = shown.numbers.size < min(self._max_keys, len(windows.names(dimension)))
        if room or now_ms - shown.reviewed_ms >= _REVIEW_MS:
            mask = shown.keys.choose(windows.traffic(dimension), now_ms, self._max_keys)
            shown.keys.forget_before(now_ms + 1)
            shown.numbers, shown.reviewed_ms = np.flatnonzero(mask), now_ms
        return shown.numbers

    def _add(
        self,
        samples: _Samples,
        windows: Windows,
        window: str,
        dimension: str,
        numbers: NDArray[np.int64],
    ) -> None:
        names, nodes = windows.names(dimension), windows.nodes
        keys = [names[number] for number in numbers.tolist()]
        counts = windows.counts(window, dimension, numbers)
        for step, node in enumerate(nodes):
            entries = counts[:, columns_of(step)[0]].astype(np.float64).tolist()
            samples[4].extend(
                ((dimension, key, node, window), entered) for key, entered in zip(keys, entries, strict=True)
            )
        for step, (before, after) in enumerate(pairwise(nodes)):
            entered, arrived = columns_of(step)
            labels = [(dimension, key, before, after, window) for key in keys]
            _, _, *columns = ratios(counts[:, arrived], counts[:, entered])
            known = self._expected(window, dimension, step, keys)
            expected = np.array([known.get(key, np.nan) for key in keys])
            for into, column in zip(samples, (*columns, expected), strict=False):
                values = column.tolist()
                into.extend((labels[at], values[at]) for at in np.flatnonzero(np.isfinite(column)).tolist())


def _family(spec: MetricSpec) -> GaugeMetricFamily:
    return GaugeMetricFamily(spec.family, spec.help, labels=spec.labels, unit=spec.unit)
