"""Static membership (``kafka.instance_id``): what aiokafka lacks of it.

Promises: of two workers with one instance id the older one ends and says why. aiokafka's heartbeats and
commits do not name the instance, so a replaced member is told no more than that it is unknown; it would
join again and replace its replacement, and so on for ever.
"""

from __future__ import annotations

from typing import Any, ClassVar

from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Int16, Int32, Schema, String

_FENCED_INSTANCE_ID = 82


class InstanceIdTaken(KafkaError):  # type: ignore[misc]  # noqa: N818  # aiokafka is not typed; says what happened
    """Another worker has joined the group under this one's instance id."""


class _HeartbeatAnswer(Response):  # type: ignore[misc]  # aiokafka is not typed
    API_KEY = 12
    API_VERSION = 3
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16))


class _NamedHeartbeat(RequestStruct):  # type: ignore[misc]  # likewise
    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = _HeartbeatAnswer
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class _Heartbeat(Request[_NamedHeartbeat]):  # type: ignore[misc]  # likewise
    API_KEY: ClassVar[int] = 12

    def __init__(self, *values: object) -> None:
        self._values = values

    def build(self, request_struct_class: type[_NamedHeartbeat]) -> _NamedHeartbeat:
        """The request in the only version that names the instance."""
        return request_struct_class(*self._values)


def end_if_replaced(coordinator: Any) -> None:  # noqa: ANN401  # aiokafka is not typed
    """Have aiokafka's coordinator ask, before it joins again, who has its instance id now.

    It raises :class:`InstanceIdTaken` to its user if that is another member. A session that has merely
    expired leaves the id free: then it joins again.
    """
    instance = coordinator._group_instance_id  # noqa: SLF001  # aiokafka has no public way
    if instance is None:
        return
    reset, join = coordinator.reset_generation, coordinator._do_rejoin_group  # noqa: SLF001  # likewise
    lost: list[tuple[int, str]] = []

    def note_and_reset() -> None:
        if coordinator.member_id:
            lost[:] = [(coordinator.generation, coordinator.member_id)]
        reset()

    async def ask_and_join(subscription: Any) -> Any:  # noqa: ANN401  # likewise
        if lost:
            request = _Heartbeat(coordinator.group_id, *lost[0], instance)
            try:
                answer = await coordinator._send_req(request)  # noqa: SLF001  # likewise
            except KafkaError:
                return False  # the coordinator is away: tried again
            if answer.error_code == _FENCED_INSTANCE_ID:
                raise InstanceIdTaken(f"another worker has joined the group as {instance!r}")
            lost.clear()
        return await join(subscription)

    coordinator.reset_generation, coordinator._do_rejoin_group = note_and_reset, ask_and_join  # noqa: SLF001  # likewise
