"""Processor time of a running window, by stage and by thread, and the same window on a machine made slower.

Functions of the product are wrapped from outside, without a change of the product. A stage's time is that of its
thread's processor clock, without that of stages inside it: waiting for a core or for the interpreter lock is not
counted, and a busy machine does not hide what the work costs.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numba

_TASKS = Path("/proc/self/task")
_NS_PER_MS = 1e6


class StageClock:
    """Adds up what wrapped functions take, by stage; safe to use from any thread."""

    def __init__(self, slowdown: float = 1.0) -> None:
        """Nothing wrapped.

        Args:
            slowdown: factor by which every stage takes longer, in processor time.
        """
        self._slowdown = slowdown
        self._lock = threading.Lock()
        self._spent_ns: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._local = threading.local()

    def wrap(self, owner: Any, name: str, stage: str, *, holds_lock: bool = False) -> None:
        """Measures a function of a class or module from now on.

        Args:
            owner: the class or module.
            name: of the function.
            stage: what its time counts for.
            holds_lock: when slowed down, it burns its time with the interpreter lock held, as Python code does;
                otherwise without, as compiled code does.
        """
        function: Callable[..., Any] = getattr(owner, name)

        @wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            inside = self._inside()
            inside.append(0)
            started_ns = time.thread_time_ns()
            try:
                return function(*arguments, **named)
            finally:
                whole_ns = time.thread_time_ns() - started_ns
                own_ns = whole_ns - inside.pop()
                if self._slowdown > 1.0:
                    _burn(started_ns + whole_ns + int(own_ns * (self._slowdown - 1.0)), holds_lock=holds_lock)
                    whole_ns = time.thread_time_ns() - started_ns
                if inside:
                    inside[-1] += whole_ns
                with self._lock:
                    self._spent_ns[stage] += own_ns
                    self._calls[stage] += 1

        setattr(owner, name, measured)

    def spent_ms(self) -> dict[str, float]:
        """Milliseconds by stage since it was made."""
        with self._lock:
            return {stage: spent_ns / _NS_PER_MS for stage, spent_ns in self._spent_ns.items()}

    def calls(self) -> dict[str, int]:
        """How often each stage was entered."""
        with self._lock:
            return dict(self._calls)

    def _inside(self) -> list[int]:
        """Nanoseconds of the stages inside each stage that this thread is in."""
        stack: list[int] | None = getattr(self._local, "stack", None)
        if stack is None:
            stack = self._local.stack = []
        return stack


def thread_times_ms() -> dict[str, float]:
    """Processor time of the process's threads by name; threads that Python did not start are one, "engines".

    Empty where the system has no such list (it is read from Linux's /proc).
    """
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    names[threading.main_thread().native_id] = "GUI"
    times: Counter[str] = Counter()
    if _TASKS.is_dir():
        for task in _TASKS.iterdir():
            try:
                spent_ns = int((task / "schedstat").read_text().split()[0])
            except (OSError, ValueError, IndexError):  # it ended meanwhile, or the kernel keeps no statistics
                continue
            times[names.get(int(task.name), "engines")] += spent_ns / _NS_PER_MS  # type: ignore[assignment]
    return dict(times)


def _burn(until_ns: int, *, holds_lock: bool) -> None:
    """Computes until the thread's processor clock has reached a time."""
    while True:
        left_ns = until_ns - time.thread_time_ns()
        if left_ns <= 0:
            return
        if holds_lock:
            sum(range(min(max(left_ns // 20, 10), 5_000)))  # some microseconds to a hundred
        else:
            _compute(min(max(left_ns // 4, 100), 2_000_000))


@numba.njit(cache=True, nogil=True)
def _compute(rounds: int) -> float:
    """Work that no compiler leaves out; a round takes some nanoseconds."""
    total = 1.0
    for index in range(rounds):
        total = total * 0.999 + index
    return total
