"""Detectors: arrays of counts and what they should have been in, evidence out.

Pure: no I/O, no clock, no chance. All evidence is *calibrated*: ``exp(evidence)`` expected events pass,
nothing being wrong, between two times that evidence so large is reached.
"""

from __future__ import annotations
