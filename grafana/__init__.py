"""Monitoring as source: dashboards, rules and alerts of Funnelwatch are built here and committed beside it.

``mixin`` says what is shown and asked; ``build`` writes it to ``dashboards/`` and ``prometheus/rules/``.
"""
