"""The demo: a simulated shop, an embedded broker, sinks and a live table.

A composition root's parts: they may import the other rooms, no other room imports them. They need
the extra ``funnelwatch[demo]``.
"""
