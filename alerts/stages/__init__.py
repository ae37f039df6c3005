"""Whom to tell what, and when: a chain of small deciders. Pure.

Each takes a batch, gives back what survives, and says of everything else why it does not. Order:
silence, inhibit, route, escalate, dedupe, quiet hours, group, throttle (:mod:`alerts.stages.pipeline`).
"""
