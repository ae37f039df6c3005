"""What the engine goes by, in one place. The composition root makes it from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerts.detectors.budget import BudgetSettings
from alerts.detectors.components import SequentialSettings
from alerts.expectation.settings import ExpectationSettings
from alerts.lifecycle import LifecycleSettings
from streams.funnel import CORE_DIMENSIONS, DEFAULT_NODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.rules import Rule


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """See the module.

    Attributes:
        nodes: of the funnel, in its order; the last is the payment.
        dimensions: that are watched, ``all`` first.
        order_nodes: nodes that the orders topic tells of.
        max_rows: so many keys are watched.
        sequential: what is looked for.
        budget: how many false alarms.
        expectation: how fast things are learnt.
        rules: lines that an operator drew.
        aov_fallback: what an order is worth by currency, minor units, before one was paid.
        lifecycle: when something is told.
    """

    nodes: tuple[str, ...] = DEFAULT_NODES
    dimensions: tuple[str, ...] = CORE_DIMENSIONS
    order_nodes: frozenset[str] = frozenset({"order", "paid"})
    max_rows: int = 30_000
    sequential: SequentialSettings = field(default_factory=SequentialSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    expectation: ExpectationSettings = field(default_factory=ExpectationSettings)
    rules: tuple[Rule, ...] = ()
    aov_fallback: Mapping[str, int] = field(default_factory=dict)
    lifecycle: LifecycleSettings = field(default_factory=LifecycleSettings)
