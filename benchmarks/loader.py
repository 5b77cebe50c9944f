"""How fast a data set becomes training crops: pictures per second and core, decoded, cut out and augmented.

    python -m benchmarks.loader [--set DIR] [--kind freihand] [--input-px 128] [--seconds 4] [--workers 2]

Without --set a small FreiHAND is rendered first, in a temporary folder; its pictures are in the page cache, so that
this measures the processor and not the disk. The peer is the least that any loader does: decoding and resizing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from app.machine import describe_machine
from hand.embedded import load_embedded_model
from trainer.__main__ import main as trainer
from trainer.datasets.hand_set import HandSet
from trainer.datasets.opening import open_set, recognised
from trainer.datasets.pose_fit import fitter_for
from trainer.datasets.shards import pack
from trainer.recipe.config import build_recipe
from trainer.recipe.sources import SET_KINDS
from trainer.samples.labelled_crop import LabelledCrop, collate
from trainer.training.mixture import build_samples

ROUNDS = 5


def rate(step: Callable[[int], object], seconds: float, warm_up: int = 20) -> float:
    """Calls per second of processor time, so that a busy machine does not show: the median of some rounds."""
    for index in range(warm_up):
        step(index)
    rates, index = [], warm_up
    for _ in range(ROUNDS):
        start, count = time.process_time(), 0
        while time.process_time() - start < seconds / ROUNDS:
            step(index)
            index, count = index + 1, count + 1
        rates.append(count / (time.process_time() - start))
    return float(np.median(rates))


def stream(kind: str, folder: Path, input_px: int, new_background: float = 0.0) -> Dataset[LabelledCrop]:
    """The training stream of a recipe with this source alone."""
    source = {"kind": kind, "path": str(folder), "new_background": new_background}
    return build_samples(build_recipe({"sources": [source], "network": {"input_px": input_px}}, "the benchmark"))


def decoder(hands: HandSet, input_px: int) -> Callable[[int], object]:
    """Decodes and resizes pictures, and does nothing else."""

    def step(index: int) -> object:
        data = np.frombuffer(hands.picture_bytes(index % len(hands)), np.uint8)
        return cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (input_px, input_px))

    return step


def workers_rate(samples: Dataset[LabelledCrop], workers: int, seconds: float) -> float:
    """Pictures per second that a DataLoader with worker processes hands over in batches of 64."""
    loader = DataLoader(
        samples,
        batch_size=64,
        sampler=range(10_000_000),
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=4,
        multiprocessing_context="fork",
    )
    batches = iter(loader)
    for _ in range(2 * workers):
        next(batches)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += len(next(batches).image)
    return count / (time.perf_counter() - start)


def measure(kind: str, folder: Path, options: argparse.Namespace) -> None:
    """Prints all figures."""
    hands = open_set(kind, folder, "training")
    picture = cv2.imdecode(np.frombuffer(hands.picture_bytes(0), np.uint8), cv2.IMREAD_COLOR)
    print(f"{hands.facts.title}, {len(hands)} hands, pictures of {picture.shape[1]} x {picture.shape[0]}")
    px, fitter = options.input_px, fitter_for(hands, load_embedded_model())

    def labels(index: int) -> object:
        hand = hands.hand(index % len(hands))
        return None if hand is None or fitter is None else fitter.check(hand)

    with tempfile.TemporaryDirectory() as packed:
        pack(hands, Path(packed) / "training")
        crops, shards = stream(kind, folder, px), stream("shards", Path(packed), px)
        peer = rate(decoder(hands, px), options.seconds)
        rows = [
            (f"decoded and resized to {px} px (the peer)", peer),
            ("labels read, posed and held against joints", rate(labels, options.seconds)),
            ("crops, augmented", rate(crops.__getitem__, options.seconds)),
            ("crops, augmented, from shards", rate(shards.__getitem__, options.seconds)),
        ]
        if hands.mask_bytes(0) is not None:
            replaced = stream(kind, folder, px, 1.0)
            # the backgrounds are made at their first use, and kept
            value = rate(replaced.__getitem__, options.seconds, warm_up=600)
            rows.append(("crops, augmented, all before new backgrounds", value))
        for name, value in rows:
            print(f"  {name:<46} {value:8.0f} /s on one core   {value / peer:5.2f} of the peer")
        if hasattr(os, "fork"):
            value = workers_rate(crops, options.workers, options.seconds)
            print(f"  {f'batches of 64 from {options.workers} worker processes':<46} {value:8.0f} /s in all")


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, help="a data set on disk; a small one is rendered when left out")
    parser.add_argument("--kind", choices=SET_KINDS, help="which set it is (default: judged by its files)")
    parser.add_argument("--input-px", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each figure")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}")
    if options.set is not None:
        measure(options.kind or recognised(options.set), options.set, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        trainer(["synthesize", "--format", "freihand", "--count", "40", "--seed", "4", "--out", folder])
        measure("freihand", Path(folder), options)


if __name__ == "__main__":
    main()
