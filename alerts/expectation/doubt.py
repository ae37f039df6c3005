"""Which delay laws are to be reckoned with now: one, or while it is in doubt, all that are plausible.

After a jump of traffic, or when journeys became slower, the law from before holds for who entered
before; who entered since may be slower or faster, as far as their own journeys leave it open. A drop is
then held against the law that expects the least, a surge against the one that expects the most. That is
the slower of old and new law at the start of a sale, and the faster one at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from alerts.expectation import lags, slower
from alerts.expectation.ages import Ages
from alerts.expectation.jumps import MINUTE, Jumps
from alerts.expectation.lags import TAPS
from alerts.expectation.slower import FACTORS, UNCHANGED, Journeys, Plausible, Slower, Stretched
from alerts.packing import pack, unpack
from streams.closed import BUCKET_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.expectation.delay import DelayLaws
    from alerts.expectation.lags import Law
    from alerts.expectation.settings import ExpectationSettings
    from alerts.expectation.slower import Compared

    Bools = NDArray[np.bool_]
    F64 = NDArray[np.float64]
    I64 = NDArray[np.int64]

_CERTAIN: Final = -1
# Changes of speed are looked for since so many buckets ago, once a minute; against a law so fresh.
_SINCE: Final = (10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 60 * MINUTE)
_FRESH: Final = 60 * MINUTE
# Evidence from which on journeys put the law in doubt, and from which on it is told, nats.
_DOUBTED: Final = 6.0
_TOLD: Final = 2.0
# A law that is known to have changed stays stretched for so long, told once in so many buckets; then it
# is the law.
_LONGEST: Final = 6 * 60 * MINUTE
_AGAIN: Final = 10 * MINUTE
_UNCHANGED: Final = Plausible(UNCHANGED, UNCHANGED, UNCHANGED)


class Kernels(NamedTuple):
    """Laws to be reckoned with.

    Attributes:
        taps: mass by buckets since entry, shape (1 or 3, steps, 181): the likeliest first.
        beyond: mass beyond half an hour of the law from before, shape (steps,).
    """

    taps: F64
    beyond: F64


class _Reference:
    """Laws from before, by step, and what comes of them when stretched."""

    def __init__(self, steps: int) -> None:
        self._masses = np.zeros((lags.BINS, steps))
        self._beyond_s = np.ones(steps)
        self._conversion = np.zeros(steps)
        self._known = np.zeros(steps)
        self._stretched: list[Stretched | None] = [None] * steps

    def take(self, step: int, law: Law, conversion: float, known: float) -> None:
        self._masses[:, step], self._beyond_s[step] = lags.bins(law), law.beyond_s
        self._conversion[step], self._known[step] = conversion, known
        self._stretched[step] = None

    def known(self, step: int) -> bool:
        return bool(self._known[step])

    def stretched(self, step: int) -> Stretched:
        found = self._stretched[step]
        if found is None:
            law = lags.law(self._masses[:, step], float(self._beyond_s[step]))
            found = Stretched(law, float(self._conversion[step]), float(self._known[step]))
            self._stretched[step] = found
        return found

    def snapshot(self) -> list[Any]:
        arrays = (self._masses, self._beyond_s, self._conversion, self._known)
        return [pack(array) for array in arrays]

    def restore(self, state: list[Any]) -> None:
        arrays = [unpack(packed) for packed in state]
        self._masses, self._beyond_s, self._conversion, self._known = arrays
        self._stretched = [None] * self._beyond_s.size


class Doubt:
    """See the module."""

    def __init__(self, laws: DelayLaws, settings: ExpectationSettings) -> None:
        steps = laws.steps
        self._laws = laws
        self._lasts = settings.doubt_ms // BUCKET_MS
        self._jumps = Jumps(steps, settings.jump)
        self._journeys = Journeys(steps)
        self._ages = Ages(steps, 0.5 ** (BUCKET_MS / settings.long_half_life_ms))
        self._reference = _Reference(steps)
        self._now = 0
        # Bucket numbers: since when a step's law is in doubt and until when, when it jumped last.
        self._since = np.full(steps, _CERTAIN)
        self._until = np.zeros(steps, dtype=np.int64)
        self._jumped = np.full(steps, _CERTAIN)
        self._plausible = [_UNCHANGED] * steps
        self._slower: dict[int, Slower] = {}
        self._taps: F64 | None = None

    @property
    def in_doubt(self) -> Bools:
        """Whether a step's law is in doubt, shape (steps,)."""
        doubted: Bools = self._since != _CERTAIN
        return doubted

    @property
    def slower(self) -> tuple[Slower, ...]:
        """Steps whose journeys became slower, by the last look."""
        return tuple(self._slower[step] for step in sorted(self._slower))

    def push(self, number: int, entered: F64, arrived: F64, at_risk: F64) -> None:
        """A bucket of the total.

        Args:
            number: of the bucket.
            entered: shape (steps,).
            arrived: by delay, shape (19, steps).
            at_risk: of ``DelayLaws.at_risk``, shape (18, steps).
        """
        self._now = number
        if self._laws.refreshed or self._taps is None:
            self._follow()
        self._ages.push(entered)
        jumps = self._jumps.push(entered)
        for step in range(self._laws.steps):
            self._end(step)
            if jumps[step]:
                self._jump(step)
            self._look(step)
        # Only now: what arrived in a bucket must not say what is expected of it.
        self._journeys.push(arrived[:-1], at_risk)

    def correct(self, ages: I64, steps: I64, counts: F64) -> None:
        """Entries of the total so many buckets ago that were not known; shape (k,) each."""
        mine = steps == self._ages.head
        self._ages.correct(ages[mine], counts[mine])

    def undoubted(self) -> Kernels:
        """The laws of the present, whatever is in doubt."""
        taps = self._follow() if self._taps is None else self._taps
        return Kernels(taps[None], self._laws.beyond())

    def _follow(self) -> F64:
        """Go by the laws of the present from now on; their taps."""
        laws = [self._laws.now(step) for step in range(self._laws.steps)]
        self._taps = lags.taps(np.stack([law.seconds for law in laws]))
        self._ages.follow(laws)
        return self._taps

    def kernels(self) -> Kernels:
        """Laws to be reckoned with for this bucket."""
        present = self.undoubted()
        if not self.in_doubt.any():
            return present
        taps, beyond = np.repeat(present.taps, 3, axis=0), present.beyond
        for step in np.flatnonzero(self.in_doubt).tolist():
            taps[:, step] = self._doubted(step)
            beyond[step] = self._reference.stretched(step).law.beyond
        return Kernels(taps, beyond)

    def _doubted(self, step: int) -> F64:
        stretched = self._reference.stretched(step)
        since = np.arange(TAPS) <= self._now - self._since[step]
        likeliest, fastest, slowest = self._plausible[step]
        # It may have become again what it was.
        range_ = [likeliest, min(fastest, UNCHANGED), max(slowest, UNCHANGED)]
        return np.where(since, stretched.taps[range_], stretched.taps[UNCHANGED])

    def _end(self, step: int) -> None:
        if self._since[step] == _CERTAIN or self._now < self._until[step]:
            return
        likeliest, fastest, slowest = self._plausible[step]
        if not fastest - 1 <= UNCHANGED <= slowest + 1:
            if self._now - self._since[step] < _LONGEST:
                self._until[step] = self._now + _AGAIN
                return
            self._laws.adopt(
                step, lags.scaled(self._reference.stretched(step).law, float(FACTORS[likeliest]))
            )
            self._taps = None
        self._since[step] = _CERTAIN
        self._plausible[step] = _UNCHANGED
        self._renew(step)

    def _jump(self, step: int) -> None:
        """Traffic jumps; what follows within ten minutes belongs to the same jump."""
        again = self._jumped[step] != _CERTAIN and self._now - self._jumped[step] <= 10 * MINUTE
        self._jumped[step] = self._now
        if again and self._since[step] != _CERTAIN:
            return
        if self._since[step] == _CERTAIN:
            known = self._laws.known(step, long=False)
            self._reference.take(step, self._laws.now(step), self._laws.conversion(step), known)
        else:
            old = self._reference.stretched(step)
            law = lags.scaled(old.law, float(FACTORS[self._plausible[step].likeliest]))
            self._reference.take(step, law, old.conversion, old.known)
        self._begin(step, self._now - MINUTE + 1)

    def _begin(self, step: int, since: int) -> None:
        self._since[step], self._until[step] = since, self._now + self._lasts

    def _look(self, step: int) -> None:
        """What the journeys say."""
        if not self._laws.seen(step):
            return
        if self._since[step] != _CERTAIN:
            age = self._now - int(self._since[step])
            found = self._compared(step, age)
            self._tell(step, [(age, found)])
            self._plausible[step] = slower.plausible(found)
        elif self._now % MINUTE == 0:
            if self._now % _FRESH == 0 or not self._reference.known(step):
                self._renew(step)
            self._tell(step, [(age, self._compared(step, age)) for age in _SINCE])
            told = self._slower.get(step)
            if told is not None and told.evidence >= _DOUBTED:
                self._begin(step, told.since_ms // BUCKET_MS)
                age = self._now - int(self._since[step])
                self._plausible[step] = slower.plausible(self._compared(step, age))

    def _renew(self, step: int) -> None:
        known = self._laws.known(step, long=True)
        self._reference.take(step, self._laws.long(step), self._laws.conversion(step), known)

    def _compared(self, step: int, age: int) -> Compared:
        """Journeys of who entered in the last so many buckets against the law from before."""
        arrived, risk = self._journeys.since(age - 1, step)
        return slower.compared(arrived, risk, self._reference.stretched(step))

    def _tell(self, step: int, looks: list[tuple[int, Compared]]) -> None:
        """Note it if journeys became slower, by the look that says so most; an age and what it showed, each."""
        stretched = self._reference.stretched(step)
        self._slower.pop(step, None)
        best = _TOLD
        for age, found in looks:
            factor, evidence = slower.evidence(found, self._ages.longer(age, step))
            if evidence > best:
                best = evidence
                since_ms = (self._now - age) * BUCKET_MS
                medians = stretched.median_s(factor), stretched.median_s()
                self._slower[step] = Slower(step, since_ms, factor, evidence, *medians)

    def snapshot(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "now": self._now,
            "steps": [pack(array) for array in (self._since, self._until, self._jumped)],
            "plausible": [list(each) for each in self._plausible],
            "slower": [list(each) for each in self.slower],
            "taps": None if self._taps is None else pack(self._taps),
            "jumps": self._jumps.snapshot(),
            "journeys": self._journeys.snapshot(),
            "ages": self._ages.snapshot(),
            "reference": self._reference.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; the laws were restored before."""
        self._now = state["now"]
        self._since, self._until, self._jumped = (unpack(packed) for packed in state["steps"])
        self._plausible = [Plausible(*each) for each in state["plausible"]]
        self._slower = {each[0]: Slower(*each) for each in state["slower"]}
        self._taps = None if state["taps"] is None else unpack(state["taps"])
        self._jumps.restore(state["jumps"])
        self._journeys.restore(state["journeys"])
        self._ages.restore(state["ages"])
        if self._taps is not None:
            self._ages.follow([self._laws.now(step) for step in range(self._laws.steps)])
        self._reference.restore(state["reference"])
