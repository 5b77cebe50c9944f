"""What one hand costs the network on a graphics card, and how often data crosses between it and the processor.

Run ``python -m benchmarks.gpu``, with ``--network DIR`` for another network than the shipped one. Where there
is no card that torch can use, it prints so and ends. The step (crop in, parameters out, batch 1) should stay
under 3 ms, with one copy each way. Its peers, in the same run, are the same network in torch without a graph and in
full precision, and ONNX Runtime on one core of the processor.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from app.machine import describe_machine
from app.networks.live_network import load_candidate
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from benchmarks.times_in_turns import CALLS_PER_TURN, ROUNDS, times_in_turns_ms
from hand.errors import CheckpointError
from inference.runtime import load_network
from trainer.serving.cuda_session import load_cuda_network
from trainer.serving.torch_session import network_in_folder, packed

_TARGET_MS = 3.0
_GRAPH = "graph, half precision"


def main() -> int:
    """Prints medians, 95th percentiles, ratios and copies."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR, metavar="DIR")
    folder: Path = parser.parse_args().network
    try:
        card = load_cuda_network(folder)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 0  # nothing to measure is no failure of the benchmarks
    processor = load_network(folder)
    asked = load_candidate(folder, "cuda").runtime
    image = np.random.default_rng(0).integers(0, 256, (1, 3, card.input_px, card.input_px)).astype(np.float32)
    steps: dict[str, Callable[[], object]] = {
        _GRAPH: lambda: card.outputs(image),
        "the same, through the pipe": lambda: asked.outputs(image),
        "kernel by kernel, full precision": _eager(folder, image),
        "ONNX Runtime, one core": lambda: processor.outputs(image),
    }
    times = times_in_turns_ms(steps)
    machine = describe_machine()
    print(f"{torch.cuda.get_device_name()}; {machine['processor']}, {machine['cores']} cores; {machine['system']}")
    print(f"one crop of {card.input_px} px, {ROUNDS * CALLS_PER_TURN} calls in turns of {CALLS_PER_TURN}:")
    for name, values in times.items():
        p50, p95 = np.percentile(values, (50, 95))
        print(f"  {name:34s} p50 {p50:6.2f}  p95 {p95:6.2f} ms   {p50 / np.median(times[_GRAPH]):6.2f} x the graph")
    print(f"copies of one step: {_copies(steps[_GRAPH])}")
    largest = max(
        float(np.abs(here - there).max())
        for here, there in zip(card.outputs(image).values(), processor.outputs(image).values(), strict=True)
    )
    print(f"largest difference of any output to ONNX Runtime: {largest:.4f}")
    met = float(np.median(times[_GRAPH])) <= _TARGET_MS
    print(f"target of {_TARGET_MS:g} ms per step: {'met' if met else 'MISSED'}")
    return 0


def _eager(folder: Path, image: np.ndarray) -> Callable[[], object]:
    """The network in plain torch, without optimisation."""
    network = network_in_folder(folder).eval().to("cuda")

    @torch.inference_mode()
    def run() -> object:
        return packed(network(torch.from_numpy(image).to("cuda"))).cpu()

    return run


def _copies(run: Callable[[], object]) -> str:
    """How often and how much one step copies between processor and card, from the profiler."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as recorded:
        run()
        torch.cuda.synchronize()
    names = [event.name for event in recorded.events() if event.name.startswith("Memcpy")]
    ways = {"to the card": "HtoD", "from the card": "DtoH"}
    return ", ".join(f"{sum(mark in name for name in names)} {way}" for way, mark in ways.items())


if __name__ == "__main__":
    sys.exit(main())
