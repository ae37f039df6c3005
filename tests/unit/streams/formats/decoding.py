"""Records into columns, and what is in them, in names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.core.lines import open_lines
from streams.core.sku_lists import SkuLists
from streams.events import RecordBatch
from streams.formats.native import NativeFormat
from streams.funnel import Funnel
from tests.support.builders import T0, stream

if TYPE_CHECKING:
    from streams.core.rows import Decoded
    from streams.core.vocabulary import Vocabulary
    from streams.formats.columns import BatchDecoder


FUNNEL = Funnel(extra_dimensions=("channel",))
NATIVE = NativeFormat(funnel=FUNNEL, extra_fields=("channel",))


def decode(decoder: BatchDecoder, *values: bytes | None) -> Decoded:
    """The columns of values."""
    return decoder.decode(RecordBatch.of(stream(values)))


def names(decoded: Decoded, vocabulary: Vocabulary, row: int = 0) -> list[str]:
    """Keys of a row by name: slot, banner, SKU, channel."""
    codes = decoded.rows.keys[:, row].tolist()
    return [table.names[code] for table, code in zip(vocabulary.tables, codes, strict=True)]


def lines(decoded: Decoded, vocabulary: Vocabulary, row: int = 0) -> list[tuple[str, str, str, int]]:
    """(SKU, slot, banner, amount) of a row that has lines."""
    opened = open_lines(decoded.rows, decoded.details, lists_of(decoded))
    slots, banners, skus = opened.keys[:, opened.row == row].tolist()
    detail = decoded.details.get(int(decoded.rows.detail[row]))
    amounts = [line.amount_minor for line in detail.lines] if detail else [0] * len(skus)
    return [
        (vocabulary.sku.names[sku], vocabulary.slot.names[slot], vocabulary.banner.names[banner], amount)
        for sku, slot, banner, amount in zip(skus, slots, banners, amounts, strict=True)
    ]


def lists_of(decoded: Decoded) -> SkuLists:
    """The batch's lists of SKUs, as if it were the first to come in."""
    lists = SkuLists()
    assert lists.adopt(decoded.skus, decoded.rows.detail, T0).tolist() == decoded.rows.detail.tolist()
    return lists
