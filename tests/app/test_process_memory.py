"""Unused memory is returned to the system."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
import pytest

from app.process_memory import return_free_memory

BLOCKS, BLOCK_BYTES = 2000, 64 * 1024


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="concerns glibc's allocator")
def test_free_pages_between_used_ones_are_returned() -> None:
    return_free_memory()
    blocks = [np.ones(BLOCK_BYTES, np.uint8) for _ in range(BLOCKS)]
    kept = blocks[:: BLOCKS // 20]
    full = resident_bytes()
    del blocks
    return_free_memory()
    assert resident_bytes() < full - 0.8 * BLOCKS * BLOCK_BYTES
    assert all(block.all() for block in kept)


def test_allocator_other_than_glibc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.process_memory.ctypes.CDLL", lambda _name: object())
    return_free_memory()
