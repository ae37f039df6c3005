"""Incidents and silences as the topics tell them."""

from __future__ import annotations

import pytest

from alerts.control import Ack, Silence, Unsilence, Watches, encode_control
from alerts.incident import encode_incident
from alerts.model import State
from streams.web.board import Board
from tests.support.live import told as record


def told(board: Board, name: str, revision: int = 1, **fields: object) -> None:
    """A record comes."""
    board.tell(encode_incident(record(id=name, revision=revision, **fields)))


def test_the_newest_record_stands() -> None:
    """Also if an older one comes after it."""
    board = Board()
    for revision in (1, 3, 2):
        told(board, "a", revision)
    found = board.incident("a")
    assert found is not None
    assert found.revision == 3
    assert b'"revision":3' in found.record


def test_the_last_opened_is_first() -> None:
    """So a list shows what is new."""
    board = Board()
    told(board, "old", opened_at_ms=1_000)
    told(board, "new", opened_at_ms=2_000)
    assert [one.id for one in board.incidents()] == ["new", "old"]


def test_it_is_bounded_and_keeps_what_is_open() -> None:
    """The one that ended first goes."""
    board = Board(limit=2)
    told(board, "open", state=State.FIRING, updated_at_ms=1)
    told(board, "over", state=State.RESOLVED, updated_at_ms=2)
    told(board, "over too", state=State.RESOLVED, updated_at_ms=3)
    assert {one.id for one in board.incidents()} == {"open", "over too"}


def test_what_cannot_be_read_changes_nothing() -> None:
    """Nor does what is not about incidents or silences."""
    board = Board()
    board.tell(b"{}")
    board.tell(None)
    board.hear(b"\xff")
    board.hear(encode_control(Ack("a", "li", 1)))
    assert board.revision == 0
    assert not board.incidents()


def test_silences_until_they_end() -> None:
    """By time, or because somebody says so; the one that ends first is first."""
    board = Board()
    for name, ends_ms in (("late", 300), ("soon", 200), ("gone", 250)):
        board.hear(encode_control(Silence(id=name, by="li", ends_ms=ends_ms)))
    board.hear(encode_control(Unsilence("gone", "li", 100)))
    assert [one.id for one in board.silences(100)] == ["soon", "late"]
    assert [one.id for one in board.silences(200)] == ["late"]


def test_the_last_to_begin_watches() -> None:
    """There is one watcher, and who says so last is it."""
    assert Board().watcher is None
    board = Board()
    for at_ms, host in enumerate(("a", "b")):
        board.hear(encode_control(Watches(host, f"http://{host}:8080/", at_ms)))
    assert board.watcher is not None
    assert (board.watcher.host, board.watcher.url) == ("b", "http://b:8080/")
    assert board.revision == 2


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://a:80/<b>",
        "http://a:80/page",
        "http://u:p@a:80/",
        "http://a",
        "//a:80/",
        "",
    ],
)
def test_only_a_workers_page_becomes_a_link(url: str) -> None:
    """Whoever may write to the topic is not to lead people anywhere."""
    board = Board()
    board.hear(encode_control(Watches("a", url, 1)))
    assert board.watcher is None


def test_addresses_of_ipv6_are_addresses() -> None:
    """Written in brackets, as in a browser."""
    board = Board()
    board.hear(encode_control(Watches("a", "http://[::1]:8080/", 1)))
    assert board.watcher is not None
