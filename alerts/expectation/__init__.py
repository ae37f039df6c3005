"""What is expected of every watched series in the next ten seconds, and how sure that is.

Promises: an expectation is made of upstream entries, the delay law, a level and a season, all learnt
from closed buckets that came before; it is a fold, so a replay expects as live did; it says nothing
of a series it has not learnt. Refuses: to decide whether anything is wrong.

``series.Expectation`` is the front door. Behind it:

    lags         bins of delays, and a delay law as what arrives per second since entry
    delay        the law of each step, from journeys, right-censored, with a long and a short memory
    jumps        when traffic jumped, so that the law is in doubt
    slower       how much slower or faster journeys became since then: slower, or fewer
    doubt        which laws are to be reckoned with now
    arrivals     the last half hour of upstream entries, convolved with laws
    tail         what arrives after more than half an hour
    season       what the hour of the week does
    level        conversion of each key, shrunk to its dimension and the total
    dispersion   how much more than Poisson counts scatter
    readiness    which series can be judged
    traffic      how many entries are expected
    order_value  what an order is expected to bring
"""

from __future__ import annotations
