"""How hard the properties search.

The default finds the same examples every time, so that a red run is red again. For more,
``pytest tests/property --hypothesis-profile=nightly --timeout=900`` looks elsewhere each night and
prints how to repeat what it found.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=40,
    deadline=None,
    derandomize=True,
    # Bodies of 64 KiB and more are part of the traffic.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "nightly", parent=settings.get_profile("quick"), max_examples=1_000, derandomize=False, print_blob=True
)
settings.load_profile("quick")
