"""Events in, exact counts out: the COUNT half of Funnelwatch.

The rooms, in the order in which an event walks through them::

    formats/   bytes of one input format  ->  Event, or a reason to reject it      pure
    core/      dedupe, order, attribute, count; merge of the partitions' counts     pure
    worker/    Faust at the edge: batches in, rollups and dead letters out
    metrics/   the catalogue of metrics and the endpoint that serves them
    demo/      a shop, a broker and a worker on one machine
    cli.py     parses, builds, runs; the only room that knows them all

Beside them: ``config`` (one frozen settings tree), ``events``, ``funnel``, ``topics`` (plain
data), ``clock`` (the one reader of the time of day), ``errors`` and ``logs``.

Importing this package imports none of them, and no Faust.
"""

from __future__ import annotations
