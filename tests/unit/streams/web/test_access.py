"""Who may ask and who may write: over real requests on loopback."""

from __future__ import annotations

import pytest

from streams.web.access import READS, WRITES, Buckets, Rate, is_this_machine
from streams.web.problems import Problem
from tests.support.live import TOKEN, Stage, bearer, served

HEALTH, ACK = "/api/v1/health", "/api/v1/incidents/i1/ack"
BODY = {"by": "li"}


async def test_reads_are_open_on_this_machine_and_writes_are_not() -> None:
    """Every write needs the token."""
    stage = Stage()
    stage.opens()
    async with served(stage) as client:
        assert (await client.get(HEALTH)).status == 200
        refused = await client.post(ACK, json=BODY)
        assert refused.status == 401
        assert refused.content_type == "application/problem+json"
        assert (await client.post(ACK, json=BODY, headers=bearer("another-token-here"))).status == 401
        assert not stage.said
        assert (await client.post(ACK, json=BODY, headers=bearer())).status == 202
    assert len(stage.said) == 1


@pytest.mark.parametrize("path", ["/", "/live", HEALTH, "/api/v1/incidents", "/api/v1/openapi.json"])
async def test_beyond_this_machine_reads_need_the_token(path: str) -> None:
    """Whatever is read; the page shows a form then."""
    async with served(Stage(), host="0.0.0.0") as client:
        refused = await client.get(path)
        assert refused.status == 401
        assert "6.45" not in await refused.text()
        if path != "/live":
            assert (await client.get(path, headers=bearer())).status == 200


async def test_without_a_token_in_the_settings_nobody_writes() -> None:
    """Not with an empty one either; and from beyond this machine nobody reads."""
    stage = Stage()
    stage.opens()
    async with served(stage, None) as client:
        for headers in ({}, bearer(""), bearer("None")):
            assert (await client.post(ACK, json=BODY, headers=headers)).status == 403
        assert (await client.post("/login", json={"token": "x"})).status == 403
    async with served(stage, None, host="0.0.0.0") as client:
        assert (await client.get(HEALTH, headers=bearer("x"))).status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::2]:80"])
async def test_a_name_of_somebody_else_leads_nowhere(host: str) -> None:
    """DNS rebinding: the browser thinks it is at home there."""
    stage = Stage()
    async with served(stage) as client:
        for path in ("/", HEALTH, "/live"):
            assert (await client.get(path, headers={"Host": host} | bearer())).status == 403


async def test_a_proxy_s_name_needs_the_token() -> None:
    """It is let in by name, and is not this machine."""
    async with served(Stage(), hosts=("watch.example",)) as client:
        assert (await client.get(HEALTH, headers={"Host": "watch.example"})).status == 401
        assert (await client.get(HEALTH, headers={"Host": "watch.example"} | bearer())).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"])
async def test_another_site_cannot_write(origin: str) -> None:
    """Even if it had the token."""
    stage = Stage()
    stage.opens()
    async with served(stage) as client:
        answer = await client.post(ACK, json=BODY, headers=bearer() | {"Origin": origin})
        assert answer.status == 403
    assert not stage.said


async def test_signing_in_gives_a_cookie_that_writes_from_this_site_only() -> None:
    """HttpOnly, SameSite=Strict, not the token itself; it ends after half a day."""
    stage = Stage()
    stage.opens()
    async with served(stage) as client:
        assert (await client.post("/login", json={"token": "wrong"})).status == 401
        entered = await client.post("/login", json={"token": TOKEN})
        assert entered.status == 204
        cookie = entered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        origin = {"Origin": f"http://{entered.url.host}:{entered.url.port}"}
        assert (await client.post(ACK, json=BODY)).status == 403
        assert (await client.post(ACK, json=BODY, headers=origin)).status == 202
        stage.clock.advance(13 * 3_600_000)
        assert (await client.post(ACK, json=BODY, headers=origin)).status == 401


async def test_a_made_up_cookie_is_none() -> None:
    """Neither one that ends later, nor one that is no text of ours."""
    stage = Stage()
    stage.opens()
    async with served(stage) as client:
        entered = await client.post("/login", json={"token": TOKEN})
        name, value = next(iter(entered.cookies.items()))
        origin = {"Origin": f"http://{entered.url.host}:{entered.url.port}"}
        signed = value.value.partition(".")[2]
        for forged in (f"99999999999.{signed}", "99999999999.", "x", "1" * 400):
            client.cookie_jar.clear()
            headers = origin | {"Cookie": f"{name}={forged}"}
            assert (await client.post(ACK, json=BODY, headers=headers)).status == 401


async def test_wrong_tokens_are_slowed_down() -> None:
    """After ten there is a pause, for the right one as well."""
    async with served(Stage()) as client:
        statuses = [(await client.post("/login", json={"token": "no"})).status for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        refused = await client.post("/login", json={"token": TOKEN})
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) >= 1


def test_a_bucket_fills_with_time() -> None:
    """So many at once, then one per pause; clients have one each, and not more than a thousand."""
    now = [0.0]
    buckets = Buckets(Rate(2, 0.5), lambda: now[0])
    for client in ("a", "a", "b"):
        buckets.take(client)
    with pytest.raises(Problem) as refused:
        buckets.take("a")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "3")
    now[0] += 2.0
    buckets.take("a")
    for number in range(2_000):
        buckets.take(f"client {number}")
    assert len(buckets) <= 1_000


def test_what_is_allowed_suits_a_page() -> None:
    """A browser that loads the page and acknowledges a few incidents is not stopped."""
    assert READS.burst >= 50
    assert WRITES.burst >= 10


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("a.b", False),
        ("", False),
    ],
)
def test_names_of_this_machine(name: str, is_one: bool) -> None:  # noqa: FBT001  # of a table
    """Everything that listens on all addresses is open to others."""
    assert is_this_machine(name) is is_one
