"""The API over real requests: answers, refusals, pages, ETags."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from alerts.control import Ack, Silence, Unsilence, decode_control
from alerts.model import Severity, State
from streams.errors import KafkaUnreachable
from streams.web.moment import Standing
from tests.support.live import T0, Stage, bearer, served
from tests.support.window_oracle import BUCKET

if TYPE_CHECKING:
    import aiohttp

API = "/api/v1"


async def read(client: aiohttp.ClientSession, path: str, **query: Any) -> Any:
    """What is answered, which has to be well."""
    answer = await client.get(API + path, params=query)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def refused(client: aiohttp.ClientSession, path: str, **query: Any) -> tuple[int, str]:
    """Status and detail of a problem document."""
    answer = await client.get(API + path, params=query)
    assert answer.content_type == "application/problem+json"
    document = await answer.json()
    assert document["status"] == answer.status
    return answer.status, document["detail"]


async def test_the_funnel_of_a_window() -> None:
    """Counts of nodes, steps with interval and expectation, conversion from click to payment, money, split."""
    async with served(Stage()) as client:
        found = await read(client, "/funnel", window="5m")
    assert [(node["node"], node["events"], node["visitors"]) for node in found["nodes"]][:2] == [
        ("exposure", 9_000, None),
        ("click", 3_000, 3_000),
    ]
    assert found["conversion"]["ratio"] == 0.1
    assert found["conversion"]["lower"] < 0.1 < found["conversion"]["upper"]
    assert found["conversion"]["expected"] == pytest.approx(0.1)
    assert found["steps"][0]["rate"] | {"lower": 0, "upper": 0} == {
        "entered": 9_000,
        "reached": 3_000,
        "ratio": 0.333333,
        "lower": 0,
        "upper": 0,
        "expected": pytest.approx(1 / 3),
    }
    assert found["money"][0]["paid_minor"] == 30 * 50_000
    split = found["split"]
    assert split["with"] == "previous"
    parts = split["traffic_minor"] + split["conversion_minor"] + split["order_value_minor"]
    assert parts == split["now"]["revenue_minor"] - split["before"]["revenue_minor"] == 0


async def test_keys_page_by_page() -> None:
    """Every key once, ranked, whatever the size of the pages."""
    async with served(Stage()) as client:
        whole = await read(client, "/keys", dimension="sku", window="1h")
        names: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await read(client, "/keys", dimension="sku", window="1h", limit=2, cursor=cursor)
            names += [row["key"] for row in page["keys"]]
            cursor = page["next_cursor"]
        looked_for = await read(client, "/keys", dimension="sku", q="sku_1")
    assert names == [row["key"] for row in whole["keys"]] == ["SKU_0", "SKU_1", "SKU_2"]
    assert [row["key"] for row in looked_for["keys"]] == ["SKU_1"]
    assert whole["keys"][0]["revenue_minor"] == 60 * 50_000


@pytest.mark.parametrize("order", ["clicks", "exposures", "paid", "revenue", "rising", "falling"])
async def test_every_order_of_keys(order: str) -> None:
    """None fails; of a steady shop nothing rises or falls."""
    async with served(Stage()) as client:
        found = await read(client, "/keys", dimension="slot", window="5m", order=order)
    assert found["total"] == (0 if order in ("rising", "falling") else 2)


async def test_a_series_with_its_band() -> None:
    """By ten seconds: what entered, what reached, what was expected."""
    async with served(Stage()) as client:
        found = await read(client, "/series", from_node="order", to_node="paid", minutes=5)
    points = found["points"]
    assert len(points) == 30
    assert points[-1]["start_ms"] == T0 + 59 * BUCKET
    assert all(later["start_ms"] - one["start_ms"] == BUCKET for one, later in pairwise(points))
    assert (points[0]["entered"], points[0]["reached"], points[0]["expected"]) == (12, 10, 10.0)
    assert points[0]["lower"] == pytest.approx(10 - 1.96 * 10**0.5, abs=1e-3)


async def test_the_series_of_a_sku_is_looked_up() -> None:
    """Nothing is expected of it by itself, but what it had is known."""
    async with served(Stage()) as client:
        found = await read(
            client, "/series", dimension="sku", key="SKU_1", from_node="click", to_node="view", minutes=2
        )
    assert [(one["entered"], one["reached"], one["expected"]) for one in found["points"]] == [
        (100, 90, None)
    ] * 12


async def test_places_of_keys() -> None:
    """Counts by place, lines, and the keys."""
    async with served(Stage()) as client:
        found = await read(client, "/scorecard", dimension="sku", window="5m")
    assert found["total"] == sum(found["quadrants"].values()) == 3
    assert found["conversion_line"] == pytest.approx(0.1)


async def test_windows_and_health() -> None:
    """What can be asked for, and whether to believe it."""
    async with served(Stage()) as client:
        windows = await read(client, "/windows")
        health = await read(client, "/health")
    assert [one["name"] for one in windows["windows"]] == ["1m", "5m", "15m", "1h", "day"]
    assert [one["whole"] for one in windows["windows"]] == [True, True, False, False, True]
    assert windows["dimensions"] == {"all": 1, "slot": 2, "sku": 3}
    assert health["behind_ms"] == 5_000


async def test_incidents_by_what_they_are() -> None:
    """Newest first, whole as they were written, filtered, page by page."""
    stage = Stage()
    for number in range(5):
        stage.opens(f"i{number}", opened_at_ms=T0 + number, state=State.FIRING if number else State.RESOLVED)
    stage.opens("worst", opened_at_ms=T0 + 9, severity=Severity.CRITICAL)
    async with served(stage) as client:
        all_ = await read(client, "/incidents")
        still_open = await read(client, "/incidents", state="open", limit=2)
        rest = await read(client, "/incidents", state="open", limit=20, cursor=still_open["next_cursor"])
        worst = await read(client, "/incidents", severity="critical")
        one = await read(client, "/incidents/i3")
    assert [record["id"] for record in all_["incidents"]] == ["worst", "i4", "i3", "i2", "i1", "i0"]
    opened = [record["id"] for page in (still_open, rest) for record in page["incidents"]]
    assert opened == ["worst", "i4", "i3", "i2", "i1"]
    assert "worst" in [record["id"] for record in worst["incidents"]]
    assert one["since"].endswith("Z")


async def test_an_acknowledgement_is_written_down() -> None:
    """Under the incident's key, by whom; what is over or not known is refused."""
    stage = Stage()
    stage.opens()
    stage.opens("over", state=State.RESOLVED)
    async with served(stage) as client:
        for name, status in (("i1", 202), ("over", 409), ("nobody", 404)):
            answer = await client.post(f"{API}/incidents/{name}/ack", json={"by": "li"}, headers=bearer())
            assert answer.status == status
    ((key, record),) = stage.said
    assert (key, decode_control(record)) == (b"ack/i1", Ack("i1", "li", stage.clock.now_ms()))


async def test_a_silence_begins_and_ends() -> None:
    """It is listed once the topic told of it, and ended by its id."""
    stage = Stage()
    body = {
        "by": "li",
        "minutes": 60,
        "kinds": ["node_break"],
        "scope": [{"dimension": "slot", "key": "home"}],
    }
    async with served(stage) as client:
        made = await (await client.post(f"{API}/silences", json=body, headers=bearer())).json()
        stage.board.hear(stage.said[-1][1])
        listed = (await read(client, "/silences"))["silences"]
        ended = await client.delete(f"{API}/silences/{made['id']}", headers=bearer())
        assert ended.status == 202
        assert (await client.delete(f"{API}/silences/other", headers=bearer())).status == 404
    said = decode_control(stage.said[0][1])
    assert isinstance(said, Silence)
    assert said.ends_ms == made["ends_ms"] == stage.clock.now_ms() + 3_600_000
    assert [one["id"] for one in listed] == [made["id"]]
    assert isinstance(decode_control(stage.said[1][1]), Unsilence)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"by": "li"}, "ends_ms or minutes"),
        ({"by": "li", "minutes": 5, "ends_ms": T0 + 10**9}, "not both"),
        ({"by": "li", "ends_ms": 5}, "end after"),
        ({"by": "li", "minutes": 5, "kinds": ["nonsense"]}, "kinds"),
        ({"by": "li", "minutes": 5, "colour": "red"}, "colour"),
        ({"by": "", "minutes": 5}, "by"),
        ({"by": "li", "minutes": 5.5}, "minutes"),
    ],
)
async def test_a_silence_that_cannot_be_is_refused(body: dict[str, Any], said: str) -> None:
    """With the field that is wrong; nothing is written."""
    stage = Stage()
    async with served(stage) as client:
        answer = await client.post(f"{API}/silences", json=body, headers=bearer())
        assert answer.status == 422
        assert said in (await answer.json())["detail"]
    assert not stage.said


async def test_bodies_that_are_none() -> None:
    """Not JSON, not said to be, too large."""
    async with served(Stage()) as client:
        statuses = [
            (
                await client.post(f"{API}/silences", headers=bearer() | {"Content-Type": kind}, data=data)
            ).status
            for kind, data in (
                ("application/json", b"{"),
                ("application/json", b"\xff"),
                ("text/plain", b"{}"),
                ("application/json", b" " * 20_000),
            )
        ]
    assert statuses == [400, 400, 415, 413]


async def test_kafka_out_of_reach_is_said() -> None:
    """Nobody is to believe that it was written down."""

    async def fail(key: bytes, record: bytes) -> None:
        raise KafkaUnreachable("away")

    stage = Stage(say=fail)
    stage.opens()
    async with served(stage) as client:
        answer = await client.post(f"{API}/incidents/i1/ack", json={"by": "li"}, headers=bearer())
    assert answer.status == 503
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/funnel", {"window": "2m"}, 404),
        ("/funnel", {"dimension": "planet"}, 404),
        ("/funnel", {"dimension": "slot", "key": "nowhere"}, 404),
        ("/funnel", {"wnidow": "1m"}, 400),
        ("/keys", {}, 400),
        ("/keys", {"dimension": "slot", "limit": "0"}, 400),
        ("/keys", {"dimension": "slot", "limit": "many"}, 400),
        ("/keys", {"dimension": "slot", "cursor": "-1"}, 400),
        ("/keys", {"dimension": "slot", "order": "odd"}, 400),
        ("/series", {"from_node": "click", "to_node": "paid"}, 404),
        ("/incidents/none", {}, 404),
    ],
)
async def test_what_cannot_be_asked(path: str, query: dict[str, str], status: int) -> None:
    """A problem document says what is wrong."""
    async with served(Stage()) as client:
        found, detail = await refused(client, path, **query)
    assert found == status
    assert detail


async def test_an_unchanged_answer_is_not_sent_again() -> None:
    """It has an ETag; who has it already gets 304, until something changes."""
    stage = Stage()
    async with served(stage) as client:
        first = await client.get(f"{API}/incidents")
        tag = {"If-None-Match": first.headers["ETag"]}
        again = await client.get(f"{API}/incidents", headers=tag)
        assert (again.status, await again.read()) == (304, b"")
        stage.opens()
        assert (await client.get(f"{API}/incidents", headers=tag)).status == 200


async def test_a_worker_that_does_not_watch_says_so() -> None:
    """Of counts it knows nothing, of incidents it does."""
    stage = Stage()
    stage.picture, stage.standing = None, Standing(watching=False, ready=True)
    stage.opens()
    async with served(stage) as client:
        for path, query in (
            ("/windows", {}),
            ("/funnel", {}),
            ("/keys", {"dimension": "sku"}),
            ("/scorecard", {}),
        ):
            status, detail = await refused(client, path, **query)
            assert status == 503
            assert "another one" in detail
        assert len((await read(client, "/incidents"))["incidents"]) == 1
        assert (await read(client, "/health"))["watching"] is False


async def test_a_worker_that_does_not_watch_says_who_does() -> None:
    """As that one said itself, unless it is this one, which watched until now; who watches refers to nobody."""
    stage = Stage()
    picture, stage.picture = stage.picture, None
    stage.standing = Standing(watching=False, ready=True, here=("host-b", "http://host-b:8080/"))
    async with served(stage) as client:
        stage.watches("host-b", "http://host-b:8080/")
        assert "host-b" not in (await refused(client, "/funnel"))[1]
        stage.watches("host-a", "http://host-a:8080/")
        assert "it is on host-a, at http://host-a:8080/" in (await refused(client, "/funnel"))[1]
        assert (await read(client, "/health"))["watcher"] == "http://host-a:8080/"
        stage.picture, stage.standing = picture, Standing(watching=True, ready=True)
        stage.bell.ring()
        assert (await read(client, "/health"))["watcher"] is None


async def test_the_document_is_json_and_stands_still() -> None:
    """Made once."""
    async with served(Stage()) as client:
        document = json.loads(await (await client.get(f"{API}/openapi.json")).read())
    assert document["info"]["version"] == "1.2.3"
