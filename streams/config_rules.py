"""The section ``rules``: fixed lines that an operator draws by hand, without a language of their own.

What is looked at is a step (``click>paid``, the visitors who came on), a node (``click``, its traffic)
or ``revenue`` with its currency. The line is absolute, or relative to what was expected or was there
before. What a rule decides is told in :mod:`alerts.rules`, which takes :meth:`RuleEntry.plain`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from streams.config_errors import wrong, wrong_all
from streams.config_section import Section
from streams.config_types import (
    Currency,
    FromText,
    Name,
    PhaseName,
    SeverityName,
    Text,
    WindowName,
    number,
    span,
    whole,
)
from streams.funnel import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.config_promotions import PromotionEntry
    from streams.config_source import KeyPath
    from streams.funnel import Funnel

    Finding = tuple[KeyPath, str]

REVENUE: Final = "revenue"
Comparison = Literal["expected", "previous", "yesterday", "last_week"]
Line = Annotated[float, number(0.000_001, 10**15)]


class RuleEntry(Section):
    """One rule; ``keys`` are those of ``dimension``, none given are all of them."""

    name: Text
    step: Text
    currency: Currency | None = None
    dimension: Name = ALL
    keys: Annotated[tuple[Text, ...], FromText, Field(max_length=10_000)] = ()
    below: Line | None = None
    above: Line | None = None
    relative_to: Comparison | None = None
    window: WindowName = "5m"
    minimum: Annotated[int, whole(1, 10**12)] | None = None
    hold_ms: Annotated[int, span("0s", "1d")] = 0
    severity: SeverityName = "warning"
    promotion: Text | None = None
    phases: Annotated[tuple[PhaseName, ...], FromText, Field(max_length=4)] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes of its step, the one of its traffic, or none."""
        return () if self.step == REVENUE else tuple(part.strip() for part in self.step.split(">"))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.below is None) == (self.above is None):
            raise wrong("needs one of below and above", at=("below",) if self.below is not None else ())
        if (self.step == REVENUE) != (self.currency is not None):
            raise wrong("stands with step: revenue, which needs it", at=("currency",))
        if self.dimension == ALL and self.keys:
            raise wrong("needs a dimension: slot, banner, sku or one of yours", at=("keys",))
        if len(self.nodes) != 2 and self.relative_to is None:
            self._check_fixed_line()
        return self

    def _check_fixed_line(self) -> None:
        """A fixed line on a count: whatever is idle is below it, and it is a minimum itself."""
        if self.minimum is not None:
            raise wrong("goes with conversion, or with relative_to", at=("minimum",))
        if self.below is not None and self.dimension != ALL and not self.keys:
            raise wrong("needs keys or relative_to: every idle key is below a fixed count", at=("below",))

    def plain(self) -> dict[str, Any]:
        """What it says, as plain data: the fields of :class:`alerts.rules.Rule`."""
        *upstream, downstream = self.nodes or (REVENUE,)
        return {
            "name": self.name,
            "from_node": upstream[0] if upstream else None,
            "to_node": downstream if self.nodes else None,
            "currency": self.currency,
            "dimension": self.dimension,
            "keys": self.keys,
            "line": _given(self.below, self.above),
            "above": self.above is not None,
            "relative_to": self.relative_to,
            "window": self.window,
            "minimum": DEFAULT_MINIMUM if self.minimum is None else self.minimum,
            "hold_ms": self.hold_ms,
            "severity": self.severity,
            "promotion": self.promotion,
            "phases": self.phases,
        }


# Of this many the share itself is uncertain by half of what a usual rule looks for.
DEFAULT_MINIMUM: Final = 100


def _given(below: float | None, above: float | None) -> float | None:
    return above if below is None else below


def check_names(section: str, entries: Iterable[PromotionEntry | RuleEntry]) -> None:
    """Each name once, since incidents, metrics and the log go by it.

    Raises:
        PydanticCustomError: the findings.
    """
    seen: set[str] = set()
    findings: list[Finding] = []
    for index, entry in enumerate(entries):
        if entry.name in seen:
            findings.append(((index, "name"), f"must differ from those of the other {section}"))
        seen.add(entry.name)
    wrong_all(findings)


def check_places(funnel: Funnel, promotions: Sequence[PromotionEntry], rules: Sequence[RuleEntry]) -> None:
    """What promotions and rules name must be there: dimensions, nodes, promotions.

    Raises:
        PydanticCustomError: the findings.
    """
    names = [promotion.name for promotion in promotions]
    findings: list[Finding] = []
    for index, promotion in enumerate(promotions):
        at: KeyPath = ("promotions", index, "scope")
        findings += _unknown_dimensions(funnel, promotion.scope, at)
    for index, rule in enumerate(rules):
        found = (*_wrong_step(funnel, rule), *_wrong_place(funnel, rule, names))
        findings += [(("rules", index, key), allowed) for key, allowed in found]
    wrong_all(findings)


def _unknown_dimensions(funnel: Funnel, scope: Iterable[str], at: KeyPath) -> Iterator[Finding]:
    known = [name for name in funnel.dimensions if name != ALL]
    for dimension in scope:
        if dimension not in known:
            yield (*at, dimension), f"must be one of {', '.join(known)}"


def _wrong_step(funnel: Funnel, rule: RuleEntry) -> Iterator[tuple[str, str]]:
    unknown = [node for node in rule.nodes if node not in funnel.nodes]
    if len(rule.nodes) > 2 or unknown:
        nodes = ", ".join(funnel.nodes)
        yield "step", f"must be a node, node>node or revenue; nodes are {nodes}"
    elif len(rule.nodes) == 2:
        first, second = map(funnel.nodes.index, rule.nodes)
        if second <= first:
            yield "step", "must lead on in the funnel"
        elif first == 0 and second > 1:
            # Exposures have no visitors, and those of later nodes are no part of them.
            yield "step", f"must not lead from {funnel.nodes[0]} beyond {funnel.nodes[1]}"


def _wrong_place(funnel: Funnel, rule: RuleEntry, promotions: Sequence[str]) -> Iterator[tuple[str, str]]:
    if rule.dimension not in funnel.dimensions:
        yield "dimension", f"must be one of {', '.join(funnel.dimensions)}"
    if rule.promotion is not None and rule.promotion not in promotions:
        yield "promotion", "must be the name of one of the promotions"
