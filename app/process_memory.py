"""Keeps the memory of a process that runs for hours from growing where what it holds does not.

Pictures are made in one thread and freed in another, and each source has its own sizes, so that glibc's allocator keeps
pages that nothing uses any more. Other allocators (macOS, Windows, musl) are left as they are.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2


def limit_memory_arenas() -> None:
    """Keeps the allocator to few arenas; called before the first thread starts.

    By default every thread allocates from an arena of its own, up to eight for each core, and none can use the pages
    that another one keeps. Source of the parameter: mallopt(3), ``M_ARENA_MAX`` in glibc's malloc.h.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def return_free_memory() -> None:
    """Gives pages that nothing uses back to the system (malloc_trim(3)); takes milliseconds, so not for every frame."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
