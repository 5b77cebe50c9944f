"""Coordination of processes that train one network together; in a single process, each of these is a plain call.

A process that fails by itself leaves the others waiting for it. So what can fail before the first step is tried by all
and then agreed upon, what one of them requests reaches all, and a process that is gone ends the run. The first
process writes and prints for all.
"""

from __future__ import annotations

import atexit
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn, TypeVar

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hand.errors import HandliveError

T = TypeVar("T")

ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class LostProcessError(HandliveError):
    """One of the processes that train together is gone."""


def run_on_all_ranks(fabric: Fabric, make: Callable[[], T]) -> T:
    """Makes something in every process; where one cannot, all end and the first reports the error.

    Args:
        fabric: launched.
        make: does not communicate with the other processes.

    Raises:
        HandliveError: in the first process, if any could not make it.
        SystemExit: in the others.
    """
    made: list[T] = []
    problem: HandliveError | None = None
    try:
        made.append(make())
    except HandliveError as own:
        problem = own
    rank = first_rank_with(fabric, problem is not None)
    if rank is not None:
        shared = fabric.broadcast(problem, src=rank)
        assert shared is not None
        leave(fabric, shared)
    return made[0]


def made_by_first(fabric: Fabric, make: Callable[[], T]) -> T | None:
    """Makes something in the first process alone, as where a file is read that the others' machines may not have.

    Args:
        fabric: launched.
        make: as for :func:`run_on_all_ranks`.

    Returns:
        The same in all processes.
    """
    return fabric.broadcast(run_on_all_ranks(fabric, lambda: make() if fabric.is_global_zero else None))


def first_rank_with(fabric: Fabric, holds: bool) -> int | None:
    """The first process in which a condition holds, or None.

    Args:
        fabric: launched.
        holds: whether it does in this process.
    """
    if fabric.world_size == 1:
        return 0 if holds else None
    number = torch.tensor(float(fabric.global_rank if holds else fabric.world_size), device=fabric.device)
    smallest = fabric.all_reduce(number, reduce_op="min")
    assert isinstance(smallest, Tensor)
    first = int(smallest)
    return first if first < fabric.world_size else None


def averaged(fabric: Fabric, numbers: Tensor) -> Tensor:
    """The means of each process's numbers; the numbers themselves are overwritten.

    Args:
        fabric: launched.
        numbers: as many in every process, without a gradient.
    """
    means = fabric.all_reduce(numbers)
    assert isinstance(means, Tensor)
    return means


def leave(fabric: Fabric, problem: HandliveError) -> NoReturn:
    """Ends all processes because of an error that all of them have."""
    if fabric.is_global_zero:
        raise problem
    raise SystemExit(2)


@contextmanager
def outliving_the_others(fabric: Fabric, keep: Callable[[], None]) -> Iterator[None]:
    """Ends this process in order when another one is gone.

    On CPUs (gloo) the death of a process breaks the exchange of gradients at once. On GPUs NCCL does not detect it and
    waits; there the launcher ends the processes that are left, and the last regular checkpoint is what remains.

    Args:
        fabric: launched.
        keep: saves, in the first process; between two steps, the exchange of gradients included, every process has
            the same network, so that what is saved is whole.

    Raises:
        LostProcessError: another process is gone; in the first process, or the other one of two.
        SystemExit: the same, in the others, so that it is reported once.
    """
    try:
        yield
    except RuntimeError as problem:
        if fabric.world_size == 1 or not _is_lost_contact(problem):
            raise
        if fabric.is_global_zero:
            keep()
        elif fabric.world_size > 2:
            raise SystemExit(2) from None
        raise LostProcessError(
            f"Another one of the {fabric.world_size} processes of this training has ended, so it cannot go on; see "
            "the last output of that one, and give the same command again: it goes on from the last checkpoint."
        ) from None


def _is_lost_contact(problem: RuntimeError) -> bool:
    # gloo has no error type of its own
    return isinstance(problem, torch.distributed.DistError) or "gloo" in str(problem)


class Termination:
    """Turns a request to end (SIGTERM, Ctrl+C) into a request to save first, from its first call on.

    Batch systems send SIGTERM some time before they kill, torchrun when one of its processes has died. Before training
    has begun there is nothing to save, and the request ends the process as usual; so does a second one. On leaving the
    context the process is as it was.
    """

    def __init__(self) -> None:
        self._requested = False
        self._before: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Termination:
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Whether the end of this process was requested."""
        if not self._before:
            self._before = {number: signal.signal(number, self._hear) for number in ENDING_SIGNALS}
        return self._requested

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._requested = True
        signal.signal(number, self._before[signal.Signals(number)])


def leave_ending_to_the_parent(worker: int) -> None:
    """Makes a process that makes samples ignore requests to end, which terminals and batch systems send to all.

    Its parent would otherwise lose it in the middle of the step that has to be finished and saved. It ends with its
    parent, however that one ends (:func:`end_workers_at_exit`).

    Args:
        worker: its number, given by the loader.
    """
    del worker
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_workers_at_exit() -> None:
    """Lets the processes that make samples end with this one when an exception ends it while they still work.

    ``multiprocessing`` then sends them SIGTERM, which they ignore, and waits for them without an end. A function that
    is registered later than its own runs before it.
    """
    atexit.unregister(_kill_workers)
    atexit.register(_kill_workers)


def _kill_workers() -> None:
    for worker in multiprocessing.active_children():
        worker.kill()
