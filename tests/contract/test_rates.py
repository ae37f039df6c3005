"""How often each vendor takes a message, over real HTTP, on a clock of the test's own: its limits and its penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.support.bots import bot
from tests.support.channels import plan
from tests.support.clock import ManualClock
from tests.support.deliveries import incident
from tests.support.findings import T0
from tests.support.telling import Office, plan_of
from tests.support.vendor_limits import LIMITS, SECOND, LimitedBot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MANY: Final = 45
# So wide that only the vendor's own limits hold.
WIDE: Final = {"messages": 10_000, "per_ms": 60_000, "burst": 5_000, "reserve": 1}


class Desk(NamedTuple):
    """A vendor's robot, and the office that speaks through it."""

    robot: LimitedBot
    office: Office


@pytest.fixture(params=LIMITS)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """Every vendor that counts."""
    robot = LimitedBot(request.param, ManualClock(T0))
    async with bot(robot) as server:
        office = Office(plan_of(plan(request.param, server.url), budget=WIDE), robot.clock)
        async with office:
            yield Desk(robot, office)


async def test_a_crowd_is_told_within_the_rate(desk: Desk) -> None:
    """Each of many at once, and the vendor has nothing to complain of."""
    await desk.office.turn(*(incident(str(number)) for number in range(MANY)))
    assert (len(desk.robot.taken), desk.robot.refused) == (MANY, [])


async def test_a_block_is_sat_out(desk: Desk) -> None:
    """Somebody else used the limit up: one attempt, none while it lasts if that is known, and told once."""
    robot, office = desk.robot, desk.office
    robot.fill()
    others = len(robot.taken)
    await office.turn(incident())
    (began_ms, *_) = robot.refused
    while len(robot.taken) == others and office.clock.now_ms() < began_ms + 3 * robot.limit.block_ms:
        await office.turn(after_ms=5 * SECOND)
    assert len(robot.taken) == others + 1
    assert robot.taken[-1] >= began_ms + robot.limit.block_ms
    tries = len(robot.refused)
    assert tries == 1 if robot.limit.told else tries <= 8
