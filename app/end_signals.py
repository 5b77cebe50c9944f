"""Requests to end the program: Ctrl+C, ``kill``, the end of the session, a closed terminal.

All of them mean the same: save and exit. In a run without a window they become
:class:`KeyboardInterrupt` in the main thread.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

ENDING_SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


def on_end_signal(act: Callable[[], object]) -> None:
    """Calls a function in the main thread at the first request to end; after it only Ctrl+C has an effect.

    A signal that was ignored when the program started, as with ``nohup``, stays ignored.

    Args:
        act: may raise, which interrupts the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        # a closed terminal sends one signal and the shell another: the second must not interrupt the saving
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_IGN)
        act()

    for number in ENDING_SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


@contextmanager
def interrupted_by_end_signals() -> Iterator[None]:
    """Inside, every signal to end the program raises :class:`KeyboardInterrupt`, unless taken over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    on_end_signal(_interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def print_line(sentence: str, *, error: bool = False) -> None:
    """Prints a line; a closed pipe is ignored, because the data that is saved afterwards must not be lost."""
    with suppress(OSError, ValueError):
        print(sentence, file=sys.stderr if error else sys.stdout, flush=True)


def leave_process(code: int) -> NoReturn:
    """Ends the process at once, when everything is saved and closed.

    The interpreter's own way out waits for threads that a driver or an engine holds, and takes libraries apart beneath
    them, which has crashed.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _interrupt() -> None:
    raise KeyboardInterrupt
