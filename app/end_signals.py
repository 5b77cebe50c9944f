"""What asks the program to end: Ctrl+C, ``kill``, a session that is closed, a terminal that is gone.

All of them mean the same: save what there is, and leave. In a run without a window they become
:class:`KeyboardInterrupt` in the main thread, which is where the run takes its end.
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
    """Calls a function in the main thread when the program is asked to end, once; then only Ctrl+C does something.

    A signal that whoever started the program had ignored, as ``nohup`` does, stays ignored.

    Args:
        act: may raise, which breaks off what the main thread is doing.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        # a closed terminal sends one signal and the shell another: the second must not break off the saving
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_IGN)
        act()

    for number in ENDING_SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


@contextmanager
def interrupted_by_end_signals() -> Iterator[None]:
    """Inside, every signal that asks the program to end raises :class:`KeyboardInterrupt`, unless taken over."""
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


def say(sentence: str, *, error: bool = False) -> None:
    """Prints a line; whoever would read it may be gone, which is no reason to lose what is saved afterwards."""
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
