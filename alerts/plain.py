"""Findings and identities from what a codec made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alerts.identity import Identity
from alerts.model import Finding, Kind, Place, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def step_from(state: Sequence[str] | None) -> Step | None:
    """A step."""
    return Step(*state) if state else None


def identity_from(state: Sequence[Any]) -> Identity:
    """An identity."""
    family, scope, step, detail = state
    return Identity(family, tuple(Place(*place) for place in scope), step_from(step), detail)


def finding_from(state: Finding | Mapping[str, Any]) -> Finding:
    """A finding; one that no codec has seen is as it was."""
    if isinstance(state, Finding):
        return state
    scope = tuple(Place(*place) for place in state["scope"])
    step = step_from(state["step"])
    return Finding(**{**state, "kind": Kind(state["kind"]), "scope": scope, "step": step})
