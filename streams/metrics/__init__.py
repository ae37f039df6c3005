"""What Funnelwatch tells Prometheus.

::

    catalog     every metric as data; what is not in it is not exported
    held        counters that begin at a value Prometheus has seen             pure
    labels      which keys of a dimension are shown by name                    pure
    key_series  the counts of keys, from the owner of their shard              pure
    pipeline    what one worker knows about itself
    exposition  both, as text
    http        /metrics, /livez, /readyz

Importing this package imports none of them, and no client library.
"""

from __future__ import annotations
