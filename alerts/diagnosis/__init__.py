"""Why and where: what turns findings of detectors into causes. Pure.

``leaves`` holds counts by combination of keys, ``scan`` names the place, ``contributors`` says who
lost most, ``mix`` tells other visitors from other rates, ``decomposition`` splits GMV, ``money``
weighs, ``fold`` makes one cause one incident, ``scorecard`` says where traffic should go;
``diagnosing`` puts what belongs to one finding together.
"""

from __future__ import annotations
