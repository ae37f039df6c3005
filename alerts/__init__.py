"""Counts in, chat messages out: the WATCH and NOTIFY half of Funnelwatch.

Takes from ``streams`` only its contract (results, topics, codec, clock, errors, logs, metrics,
events, funnel); ``streams`` takes nothing from here.
"""

from __future__ import annotations
