"""``python -m trainer synthesize``: rendered hands with perfect labels, in any number, on all cores.

A series depends on its seed alone: any number of processes, and any number of interruptions, give the same files. The
same command goes on where a stopped one was. The files are described in trainer/dataset_writers/recorded_series.py,
freihand_series.py, ho3d_series.py and interhand_series.py; the last three are data sets that a recipe can learn from.

    python -m trainer synthesize --count 1000 --seed 3 --out data/rendered --crops 128
    python -m trainer synthesize --count 2000 --seed 3 --out data/rendered_freihand --format freihand
    python -m trainer synthesize --count 500 --seed 3 --out data/rendered_freihand --format freihand --split evaluation
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import cv2

from hand.errors import ConfigError, DataError
from trainer.arguments import whole_number
from trainer.dataset_writers.freihand_series import FreihandSeries
from trainer.dataset_writers.ho3d_series import Ho3dSeries
from trainer.dataset_writers.interhand_series import InterHandSeries
from trainer.dataset_writers.label_lines import LabelLines, hold, lock_of
from trainer.dataset_writers.recorded_series import RecordedSeries
from trainer.dataset_writers.series import Series, SeriesWriter
from trainer.progress_bar import ProgressBar
from trainer.synthetic.backgrounds import BackgroundPool

LAYOUTS: Final[dict[str, Callable[[Series], SeriesWriter]]] = {
    "recording": RecordedSeries,
    "freihand": FreihandSeries,
    "ho3d": Ho3dSeries,
    "interhand": InterHandSeries,
}
_DEFAULT_SIZE: Final = {"recording": (640, 480), "freihand": (224, 224), "ho3d": (640, 480), "interhand": (512, 334)}
_LARGEST_SIDE_PX: Final = 8192
_WAITING_PER_JOB: Final = 4
"""Samples given out ahead of the one that is written next: enough that no process ever waits."""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line and renders.

    Raises:
        HandliveError: the values cannot be used, or the folder cannot be written.
    """
    options = _parser().parse_args(arguments)
    layout = _layout(options)
    try:
        synthesize(layout, options.jobs)
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        raise SystemExit(130) from None
    print(f"{options.count} samples are in {options.out}.")


def synthesize(layout: SeriesWriter, jobs: int) -> None:
    """Renders what is still missing of a series.

    Args:
        layout: what to render and how to lay it out.
        jobs: processes that draw; 1 draws in this one.

    Raises:
        HandliveError: the folder holds something else or cannot be written, or a background cannot be read.
    """
    series, lock = layout.series, lock_of(layout.labels_path)
    with ExitStack() as held:
        # preparing removes half-written files, which may be a running process's; where there are no labels yet, none
        # runs, and the folder may be another's, in which not even a lock is left
        if layout.labels_path.exists():
            hold(lock, layout.labels_path)
            held.callback(lock.release)
        layout.prepare()
        lines = held.enter_context(LabelLines(layout.labels_path, lock))
        if lines.count > series.count:
            raise DataError(f"{series.out} holds {lines.count} samples, more than {series.count}; request more.")
        missing = range(lines.count, series.count)
        with ProgressBar(
            total=series.count, initial=lines.count, unit=" samples", mininterval=0.5, miniters=1
        ) as progress:
            for line in _drawn(layout, missing, jobs):
                lines.append(line)
                progress.update()
    layout.finish()


def _drawn(layout: SeriesWriter, indices: Iterable[int], jobs: int) -> Iterator[dict[str, Any]]:
    """The label lines of samples in order, drawn side by side."""
    if jobs == 1:
        cv2.setNumThreads(1)
        yield from map(layout.draw, indices)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    waiting: deque[Future[dict[str, Any]]] = deque()
    # fresh processes: a fork would copy locks of threads that it does not copy
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start_drawing, (layout,))
    try:
        for index in indices:
            waiting.append(pool.submit(_draw, index))
            if len(waiting) >= jobs * _WAITING_PER_JOB:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise DataError(
            "A drawing process was ended from outside, perhaps for lack of memory; "
            "give the same command with fewer --jobs to go on."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_own_layout: SeriesWriter | None = None


def _start_drawing(layout: SeriesWriter) -> None:
    """Runs first in each drawing process."""
    global _own_layout
    _own_layout = layout
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A killed parent cannot end its children."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _draw(index: int) -> dict[str, Any]:
    assert _own_layout is not None
    return _own_layout.draw(index)


def _layout(options: argparse.Namespace) -> SeriesWriter:
    """The layout from the options.

    Raises:
        ConfigError: they do not go together.
        DataError: the background folder holds no picture.
    """
    width, height = options.size or _DEFAULT_SIZE[options.format]
    if options.format == "freihand" and (width != height or options.crops):
        raise ConfigError("FreiHAND's pictures are square crops already: give --size like 224x224, and no --crops.")
    if options.format in ("ho3d", "interhand") and options.crops:
        raise ConfigError(f"The layout {options.format} has no place for crops; leave --crops out.")
    if options.format == "recording" and options.split != "training":
        raise ConfigError("A recording has no splits: give --split with another --format, or another --seed instead.")
    if options.backgrounds is not None:
        BackgroundPool(options.seed, folder=options.backgrounds)
    series = Series(
        out=options.out,
        count=options.count,
        seed=options.seed,
        width_px=width,
        height_px=height,
        crop_px=options.crops,
        backgrounds=options.backgrounds,
        split=options.split,
    )
    return LAYOUTS[options.format](series)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer synthesize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=whole_number(1), required=True, help="samples in the whole series")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of the series (default: 0)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to, or to go on in")
    parser.add_argument("--format", choices=sorted(LAYOUTS), default="recording", help="layout (default: recording)")
    parser.add_argument("--split", choices=("training", "evaluation"), default="training", help="of a data set")
    parser.add_argument("--size", type=_size, metavar="WxH", help="picture size (default: the layout's own)")
    parser.add_argument(
        "--crops", type=whole_number(16, 4096), metavar="PX", help="also write square crops of this side"
    )
    parser.add_argument("--backgrounds", type=Path, metavar="DIR", help="photographs without hands")
    parser.add_argument("--jobs", type=whole_number(1, 512), default=_cores(), help="processes (default: %(default)s)")
    return parser


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    side = whole_number(16, _LARGEST_SIDE_PX)
    if len(sides) != 2:
        raise argparse.ArgumentTypeError(f"needs WIDTHxHEIGHT like 640x480, got {text[:40]!r}")
    return side(sides[0]), side(sides[1])


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
