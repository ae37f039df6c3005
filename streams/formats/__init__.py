"""Bytes of one input format in, :class:`streams.events.Event` out. Pure.

::

    registry.py     name of a format -> ready Format; the only place that knows them all
    base.py         the contract of a format and the checks all formats share
    keys.py         which texts may become keys
    native.py       Funnelwatch's own JSON, the fast path
    ga4.py          Google Analytics 4, Measurement Protocol
    segment.py      Segment (and RudderStack) e-commerce spec v2
    snowplow.py     Snowplow e-commerce, analytics-SDK JSON
    sensorsdata.py  SensorsData 神策
    cloudevents.py  CloudEvents 1.0 envelope around any of the others
    mapping.py      dotted paths from the configuration, for one's own JSON

Every way in which a record can be wrong ends in one :class:`streams.errors.RejectedRecord` with a closed reason and
the dotted field; nothing else leaves a format.
"""
