"""Who is elected is told what he may do: in order, once, and only while the group answers."""

from __future__ import annotations

import asyncio

import pytest

from streams.worker.mandate import Mandate

LEASE_S = 10.0


class Office:
    """Notes what it is told, and fails or takes its time if that is asked of it; a clock of its own."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failures: list[Exception] = []
        self.now = 100.0
        self.error: Exception | None = None
        self.going = asyncio.Event()
        self.going.set()
        self.mandate = Mandate(self, LEASE_S, self.failures.append, lambda: self.now)

    async def revoked(self) -> None:
        """Hold still."""
        await self._note("hold still")

    async def assigned(self, *, mine: bool) -> None:
        """Act, or be done."""
        await self._note("act" if mine else "done")

    async def _note(self, what: str) -> None:
        await self.going.wait()
        if self.error is not None:
            raise self.error
        self.told.append(what)

    async def elected(self, term: int) -> None:
        """The group elects it, and has just answered."""
        self.mandate.heard(self.now)
        await self.mandate.give(term)


@pytest.fixture
async def office() -> Office:
    """One that is nobody's yet."""
    return Office()


async def test_who_is_not_elected_is_told_nothing(office: Office) -> None:
    """Elections that others win change nothing for him."""
    await office.mandate.withhold()
    await office.mandate.end()
    assert office.told == []
    assert office.mandate.term is None


async def test_elections_that_he_wins_are_a_pause(office: Office) -> None:
    """From one generation to the next he holds still and goes on."""
    await office.elected(3)
    await office.mandate.withhold()
    await office.elected(4)
    assert office.told == ["act", "hold still", "act"]
    assert office.mandate.term == 4


async def test_another_is_elected(office: Office) -> None:
    """Then he is done, and told so once."""
    await office.elected(3)
    await office.mandate.withhold()
    await office.mandate.end()
    await office.mandate.end()
    assert office.told == ["act", "hold still", "done"]
    assert office.mandate.term is None


@pytest.mark.parametrize("term", [1, 5, 9])
async def test_generations_without_him(office: Office, term: int) -> None:
    """Another may have been elected meanwhile: he forgets what he knows before he acts again."""
    await office.elected(3)
    await office.mandate.withhold()
    await office.elected(term)
    assert office.told == ["act", "hold still", "done", "act"]


async def test_without_an_answer_for_too_long(office: Office) -> None:
    """He holds still when another may be elected, and goes on if the group knows him yet."""
    await office.elected(3)
    office.now += LEASE_S - 0.1
    await office.mandate.look()
    assert office.told == ["act"]
    office.now += 0.2
    await office.mandate.look()
    await office.mandate.look()
    assert not office.mandate.answered
    assert office.told == ["act", "hold still"]
    office.mandate.heard(office.now - 1)
    await office.mandate.look()
    assert office.told == ["act", "hold still", "act"]


async def test_an_answer_counts_from_when_it_was_asked_for(office: Office) -> None:
    """The group's patience began anew then, and not when the answer came; an old one takes nothing back."""
    await office.elected(3)
    office.mandate.heard(office.now - 5)
    office.now += LEASE_S - 0.1
    assert office.mandate.answered


async def test_he_is_told_one_thing_at_a_time(office: Office) -> None:
    """What has changed while he was being told is told next, and nothing that is over by then."""
    await office.elected(3)
    office.going.clear()
    holding = asyncio.create_task(office.mandate.withhold())
    await asyncio.sleep(0)
    rest = [asyncio.create_task(office.elected(4)), asyncio.create_task(office.mandate.end())]
    await asyncio.sleep(0)
    office.going.set()
    await asyncio.gather(holding, *rest)
    assert office.told == ["act", "hold still", "done"]


async def test_he_fails(office: Office) -> None:
    """His error is handed on, and he is not told the same again."""
    office.error = ZeroDivisionError()
    await office.elected(3)
    await office.mandate.look()
    assert office.failures == [office.error]


async def test_telling_that_is_broken_off(office: Office) -> None:
    """It is done again."""
    await office.elected(3)
    office.going.clear()
    holding = asyncio.create_task(office.mandate.withhold())
    await asyncio.sleep(0)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    office.going.set()
    await office.mandate.look()
    assert office.told == ["act", "hold still"]
