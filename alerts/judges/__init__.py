"""Who says that something is wrong: one judge for each kind of count. Pure.

A judge learns what is normal, holds every closed bucket against it, and says findings as long as their
evidence stands; what it has said, it takes back by the mirror test only. ``steps`` judges
conversions, ``payments`` the ends of payment attempts, ``traffic`` entries, ``order_value`` money.
What they say goes to ``alerts.engine``, which makes incidents of it.
"""

from __future__ import annotations
