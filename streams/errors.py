"""The exception tree of Funnelwatch.

::

    FunnelwatchError
    +-- ConfigError        a setting is wrong; names file, line, field and what is allowed
    +-- RejectedRecord     one record cannot be counted; carries outcome, reason and field
    +-- CodecError         bytes written by Funnelwatch itself cannot be read back
    +-- TopicError         a topic is missing or shaped wrongly
    |   +-- KafkaUnreachable   no broker answers; it may later
    +-- DeadLetterLimit    too many records were rejected in a row to be bad luck
    +-- Stalled            there is work, and the worker stands still

An exception carries fields; its text holds neither payload nor secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.events import Outcome, Reason


class FunnelwatchError(Exception):
    """Root of every error raised on purpose."""


class ConfigError(FunnelwatchError):
    """A setting is wrong.

    Attributes:
        field: dotted path of the setting, e.g. ``counting.max_out_of_orderness``.
        allowed: what may stand there, for a human.
        file: path of the file, or None for defaults and environment.
        line: 1-based line in the file, or None when it has none.
        others: what else is wrong in the same settings, each an error of its own.
    """

    def __init__(
        self,
        field: str,
        allowed: str,
        *,
        file: str | None = None,
        line: int | None = None,
        others: tuple[ConfigError, ...] = (),
    ) -> None:
        self.field = field
        self.allowed = allowed
        self.file = file
        self.line = line
        self.others = others
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(f"{place}{field}: {allowed}")


class RejectedRecord(FunnelwatchError):  # noqa: N818 - named for what it is, a record turned away
    """One record cannot be counted.

    Attributes:
        outcome: ``Outcome.INVALID``, ``Outcome.UNMAPPED``, or ``Outcome.HEARTBEAT``, which is no event at all.
        reason: word from the closed set :class:`streams.events.Reason`.
        field: dotted path of the offending field, or an empty string.
    """

    def __init__(self, outcome: Outcome, reason: Reason, field: str = "") -> None:
        self.outcome = outcome
        self.reason = reason
        self.field = field
        super().__init__(f"{outcome}: {reason} {field}".rstrip())


class CodecError(FunnelwatchError):
    """Bytes written by Funnelwatch itself cannot be read back."""


class TopicError(FunnelwatchError):
    """A topic is missing or shaped wrongly."""


class KafkaUnreachable(TopicError):  # noqa: N818 - named for what it is, a state of things that may pass
    """No broker answers, or none that leads; it may later."""


class DeadLetterLimit(FunnelwatchError):  # noqa: N818 - a limit that was reached
    """So many records were rejected that going on would divert the whole stream."""


class Stalled(FunnelwatchError):  # noqa: N818 - a state the worker is in
    """There is work, and for too long nothing of it was done.

    Attributes:
        reason: what stands still, a word of the closed set ``streams.worker.watchdog.Stall``.
        seconds: for how long.
        place: the topic-partition, or an empty string.
    """

    def __init__(self, reason: str, seconds: float, place: str = "") -> None:
        self.reason = reason
        self.seconds = seconds
        self.place = place
        super().__init__(f"stalled for {seconds:.0f} s: {reason} {place}".rstrip())
