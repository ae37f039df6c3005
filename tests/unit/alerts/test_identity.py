"""What makes two findings one thing."""

from __future__ import annotations

from alerts.identity import identity_of, incident_id, says_more, topics_behind, wider
from alerts.model import EVERYWHERE, Kind, Place
from tests.support.findings import DROP, PAIR, PAY, SLOT, finding

NODES = frozenset({"order", "paid"})


def test_an_id_is_of_what_it_is_about() -> None:
    """The same whatever order the places come in; another for another kind, scope, step, detail or time."""
    one = finding(scope=PAIR)
    others = [
        finding(scope=PAIR[::-1], evidence=99.0, observed=0.0),
        finding(Kind.NODE_BREAK, PAIR),
        finding(scope=SLOT),
        finding(scope=PAIR, step=PAY._replace(to_node="order")),
        finding(scope=PAIR, step=None),
        finding(scope=PAIR, detail="card"),
    ]
    ids = [incident_id(other, 5) for other in others]
    assert ids[0] == incident_id(one, 5)
    assert len({*ids, incident_id(one, 6), incident_id(one, 5, 6)}) == 8


def test_ids_do_not_change_between_builds() -> None:
    """A restart with a newer build goes on with the same incidents."""
    assert incident_id(finding(), 1_762_689_600_000) == "e74ab5bfe9ff2a5f10e1"


def test_words_cannot_be_shifted_between_fields() -> None:
    """A key that reads like two places is another."""
    assert incident_id(finding(scope=(Place("a", "bc"),)), 0) != incident_id(
        finding(scope=(Place("ab", "c"),)), 0
    )
    assert incident_id(finding(scope=(Place("a", "\ud800"),)), 0)


def test_fewer_is_one_family() -> None:
    """Slower, dropped, broken, sold out: each says more than the one before."""
    kinds = [Kind.SLOWER, DROP, Kind.NODE_BREAK, Kind.OUT_OF_STOCK]
    assert len({identity_of(finding(kind)) for kind in kinds}) == 1
    assert [says_more(b, a) for a, b in zip(kinds, kinds[1:], strict=False)] == [True] * 3
    assert not says_more(Kind.SLOWER, DROP)
    assert not says_more(Kind.TRAFFIC_DROP, DROP)


def test_a_symptom_of_data_is_no_identity() -> None:
    """A topic that is silent and then without heartbeat is one outage; payment methods are two breaks."""
    outages = {identity_of(finding(Kind.DATA_OUTAGE, detail=word)) for word in ("silent", "heartbeat")}
    assert len(outages) == 1
    assert len({identity_of(finding(detail=word)) for word in ("card", "cash")}) == 2


def test_wider_scopes() -> None:
    """Everywhere, and every choice of fewer places; nothing is wider than everywhere."""
    pair = identity_of(finding(scope=PAIR))
    assert {one.scope for one in wider(pair)} == {EVERYWHERE, PAIR[:1], PAIR[1:]}
    assert {(one.family, one.step) for one in wider(pair)} == {(pair.family, pair.step)}
    assert list(wider(identity_of(finding(scope=EVERYWHERE)))) == []


def test_topics_behind_a_finding() -> None:
    """Orders need clicks too; clicks need no orders; data needs nothing."""
    both = {"clickstream", "orders"}
    assert topics_behind(DROP, ("click", "order"), NODES) == both
    assert topics_behind(DROP, ("click", "view"), NODES) == {"clickstream"}
    assert topics_behind(Kind.TRAFFIC_DROP, (), NODES) == {"clickstream"}
    assert topics_behind(Kind.REVENUE_DROP, (), NODES) == both
    assert topics_behind(Kind.DATA_OUTAGE, (), NODES) == set()
