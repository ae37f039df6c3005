"""A parcel becomes the message that its channel renders: language, links, words and picture of that channel."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.addresses import links_of
from alerts.content.templates import TemplateFailed
from alerts.content.writing import write
from alerts.links import Signer
from alerts.message import Language, Picture
from alerts.notify.registry import ChannelKind
from alerts.sparkline import sparkline

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerts.message import Message
    from alerts.notify_plan import NotifyPlan
    from alerts.stages.stage import Parcel

_LOG: Final = logging.getLogger(__name__)
# The others want an address that they can reach (``Message.picture``), or take none; see alerts/notify/NOTES.md.
_SHOWS_PICTURES: Final = frozenset({ChannelKind.DISCORD, ChannelKind.TELEGRAM, ChannelKind.WEBHOOK})


def message_of(parcel: Parcel, plan: NotifyPlan, failed: Callable[[str], object] = bool) -> Message:
    """The message; the same parcel gives the same.

    Args:
        parcel: what is told.
        plan: by what.
        failed: is told the state of a message of which a template made nothing; the built-in words are said.
    """
    links = links_of(parcel, plan.addresses)
    picture = None
    if plan.links is not None and len(parcel.told) == 1:
        signer, incident = Signer(plan.links), parcel.told[0].incident
        links |= signer.links(incident, parcel.channel)
        picture = signer.picture(incident, parcel.channel)
    language = plan.languages.get(parcel.channel, Language.EN)
    message = write(parcel, language, plan.writing, links, _picture(parcel, plan))
    if picture is not None:
        message = msgspec.structs.replace(message, picture=Picture(picture))
    try:
        return plan.templates.word(message)
    except TemplateFailed as error:
        _LOG.warning(
            "template failed, built-in words are said", extra={"state": parcel.state, "error": str(error)}
        )
        failed(parcel.state.value)
        return message


def _picture(parcel: Parcel, plan: NotifyPlan) -> bytes | None:
    """Of one incident whose course is known; a course that cannot be drawn is no reason to say nothing."""
    course = parcel.told[0].incident.course if len(parcel.told) == 1 else None
    shown = any(one.name == parcel.channel and one.kind in _SHOWS_PICTURES for one in plan.channels)
    try:
        return sparkline(course) if course is not None and shown else None
    except ValueError:
        return None
