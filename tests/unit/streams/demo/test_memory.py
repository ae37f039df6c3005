"""Free memory goes back to the system."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from streams.demo.memory import give_back

BLOCKS, BLOCK = 2_000, 32_768


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives free memory back on demand")
def test_what_is_free_is_given_back() -> None:
    """Of blocks below one that is still held, which the C library keeps, most of the memory is gone after."""
    blocks = [bytearray(BLOCK) for _ in range(BLOCKS)]
    last = bytearray(BLOCK)
    blocks.clear()
    before = _resident()
    assert give_back()
    assert before - _resident() > BLOCKS * BLOCK / 2
    assert len(last) == BLOCK
