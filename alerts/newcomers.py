"""Keys that do worse as a campaign fills them: most of their visitors are not who came there before.

A campaign brings a slot many times its visitors. How those convert is what the shift of the total's mix is
about; of the slot itself, and of all that it shows, nothing broke. So as long as the total's change is
mostly mix, the drop of a key is withheld if most of its visitors are beyond what its slots usually have.

Promises: a break is said, and what was said before is left alone. Refuses to tell a campaign's visitors
from others in the slot that it fills: what drops there meanwhile is not known to be another matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.model import EVERYWHERE, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from alerts.combinations import Carried
    from alerts.judges.spoken import Series, Spoken
    from alerts.model import Step

    # Of a step since a moment: of each key, the share of visitors that are new; None if the mix is as usual.
    Campaign = Callable[[Step, int], Carried | None]

# Change points are taken together by the minute; at most an hour is known. A campaign's first minutes must not
# be mixed with those before it.
_MINUTE_MS: Final = 60_000
_MOST_MS: Final = 3_600_000
# Share of new visitors from which on a key's conversion is theirs.
_MOST: Final = 0.5


def of_newcomers(
    spoken: Iterable[Spoken], known: Collection[Series], at_ms: int, campaign: Campaign
) -> frozenset[Series]:
    """Series of one closing whose drops are those of a campaign's visitors.

    Args:
        spoken: all findings of the closing.
        known: series of what was said before.
        at_ms: end of the bucket.
        campaign: who is new; findings that began at about the same time share an answer.
    """
    answers: dict[tuple[Step, int], Carried | None] = {}
    found = set()
    for finding, series in spoken:
        alone = len(finding.scope) == 1 and finding.scope != EVERYWHERE and not finding.detail
        if series in known or finding.kind is not Kind.CONVERSION_DROP or finding.step is None or not alone:
            continue
        ago = -(-(at_ms - finding.since_ms) // _MINUTE_MS) * _MINUTE_MS
        asked = finding.step, at_ms - min(ago, _MOST_MS)
        if asked not in answers:
            answers[asked] = campaign(*asked)
        carried = answers[asked]
        if carried is not None and carried.of(finding.scope[0]) >= _MOST:
            found.add(series)
    return frozenset(found)
