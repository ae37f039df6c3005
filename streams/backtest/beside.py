"""Buckets closed in a process beside the one that judges them, so that a backtest has two cores.

Promises: the same buckets in the same order as without it; what goes wrong there is raised here. The
other process is no more than a few buckets ahead, and ends when nobody reads on.
"""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.core.closing_cells import Counted, Late, Names
from streams.core.merge import MoneyKey
from streams.errors import FunnelwatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from multiprocessing.connection import Connection

    from streams.closed import ClosedBucket

    # Dimension, key, currency, kind, orders and amount.
    _Money = tuple[str, str, str, str, int, int]
    _Sums = Mapping[MoneyKey, tuple[int, int]]

# Sent together: one that takes long is waited for less.
_TOGETHER: Final = 16
_CORES: Final = 2
_ENOUGH_BYTES: Final = 16_000_000


class _Sent(NamedTuple):
    """A bucket without what can be worked out: its counts with the late ones, and names that are new.

    Money is by start of the bucket, the bucket's own first: plain tuples take a third of the time.
    """

    bucket: ClosedBucket
    counted: Counted
    starts: list[int]
    names: dict[str, list[str]]
    money: list[tuple[int, list[_Money]]]


def worthwhile(bytes_to_read: int, cores: int | None = None) -> bool:
    """Whether there are two cores, and so much to read that a second process pays for its start."""
    return (cores or os.cpu_count() or 1) >= _CORES and bytes_to_read >= _ENOUGH_BYTES


@contextmanager
def beside(make: Callable[..., Iterable[ClosedBucket]], *arguments: Any) -> Iterator[Iterator[ClosedBucket]]:
    """The buckets that ``make(*arguments)`` makes in another process.

    Args:
        make: a function of a module.
        arguments: that can be pickled.

    Raises:
        FunnelwatchError: it ended without a word; else whatever it raised.
    """
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(there, make, arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield _received(here)
    finally:
        here.close()
        process.join()


def _received(here: Connection) -> Iterator[ClosedBucket]:
    names: dict[str, list[str]] = {}
    while True:
        try:
            sent: list[_Sent] | Exception | None = here.recv()
        except EOFError:
            raise FunnelwatchError("the process that closes buckets has ended") from None
        if sent is None:
            return
        if isinstance(sent, Exception):
            raise sent
        for each in sent:
            yield _whole(each, names)


def _whole(sent: _Sent, names: dict[str, list[str]]) -> ClosedBucket:
    """The bucket as it was closed."""
    for dimension, new in sent.names.items():
        names.setdefault(dimension, []).extend(new)
    (_, own), *late = sent.money
    return replace(
        sent.bucket,
        money=_named(own),
        late_money=tuple((start, _named(money)) for start, money in late),
        names={dimension: Names(known) for dimension, known in names.items()},
        counts=sent.counted.group(0),
        late=Late(sent.counted, sent.starts),
        whole=sent.counted.whole([sent.bucket.start_ms, *sent.starts]),
    )


def _send(there: Connection, make: Callable[..., Iterable[ClosedBucket]], arguments: tuple[Any, ...]) -> None:
    """All buckets, then None; or what was raised."""
    gc.freeze()  # as whoever reads has done
    try:
        known: dict[str, int] = {}
        parts = (_part(bucket, known) for bucket in make(*arguments))
        while some := [*islice(parts, _TOGETHER)]:
            there.send(some)
        there.send(None)
    except (BrokenPipeError, KeyboardInterrupt):
        return  # nobody reads on
    except Exception as error:  # noqa: BLE001  # it is raised where somebody can say so
        there.send(error)
    finally:
        there.close()


def _part(bucket: ClosedBucket, known: dict[str, int]) -> _Sent:
    if not isinstance(bucket.late, Late):
        raise TypeError("a bucket that was put together otherwise")
    new: dict[str, list[str]] = {}
    for dimension, names in bucket.names.items():
        if dimension not in known or known[dimension] < len(names):
            new[dimension] = [*names[known.get(dimension, 0) :]]
            known[dimension] = len(names)
    bare = replace(bucket, names={}, counts={}, late=(), money={}, late_money=(), whole=None)
    money = [(start, _plain(sums)) for start, sums in ((bucket.start_ms, bucket.money), *bucket.late_money)]
    return _Sent(bare, bucket.late.counted, [*bucket.late.starts], new, money)


def _plain(money: _Sums) -> list[_Money]:
    return [(*key, *sums) for key, sums in money.items()]


def _named(money: Iterable[_Money]) -> _Sums:
    return {MoneyKey(*key): (orders, amount) for *key, orders, amount in money}
