"""A parcel becomes the message that its channel renders: language, links and picture of that channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.addresses import links_of
from alerts.content.writing import write
from alerts.links import Signer
from alerts.message import Language

if TYPE_CHECKING:
    from alerts.message import Message
    from alerts.notify_plan import NotifyPlan
    from alerts.stages.stage import Parcel


def message_of(parcel: Parcel, plan: NotifyPlan) -> Message:
    """The message; the same parcel gives the same."""
    links = links_of(parcel, plan.addresses)
    if plan.links is not None and len(parcel.told) == 1:
        links |= Signer(plan.links).links(parcel.told[0].incident, parcel.channel)
    language = plan.languages.get(parcel.channel, Language.EN)
    return write(parcel, language, plan.writing, links)
