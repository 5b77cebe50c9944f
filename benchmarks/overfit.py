"""Whether every family of networks can learn 64 rendered pictures by heart: below 1 mm PA-MPJPE, 2 mm from the wrist.

    python -m benchmarks.overfit                           the quickest family
    python -m benchmarks.overfit --family all              every family, one after the other
    python -m benchmarks.overfit --family handformer --trunk resnet50 --input-px 128 --accelerator cuda

Prints the curve and the verdict of each family; the exit code is 1 where one fails. There is no peer: the answer is
known. A network that stays above the line has a mistake in it, whatever its figures on large data.

Measured with the defaults on one thread of an Intel Xeon (64 pictures of 64 px, batches of all 64):

    family              network                           steps   PA mm   from the wrist mm
    mobilenet           mobilenet_v3_large + transformer    140    0.95                1.88
    efficientnet-lite   efficientnet_lite0 + transformer    140    0.77                1.39
    handformer          resnet18 + transformer              140    0.73                1.56
    resnet-mlp          resnet18 + mlp                      160    0.99                1.63
    vit                 vit_tiny_16 + mlp                   300    0.94                1.93
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from app.machine import describe_machine
from trainer.evaluation.held_out import rendered_crops
from trainer.overfit import FAMILIES, PA_TARGET_MM, ROOT_RELATIVE_TARGET_MM, learned, overfit

SEED = 900_003
"""Of the pictures."""


def main() -> int:
    """Prints curves and verdicts."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overfit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", choices=[*FAMILIES, "all"], default="mobilenet")
    parser.add_argument("--trunk", help="another trunk for the family's head, for example resnet50")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--input-px", type=int, default=64)
    parser.add_argument("--steps", type=int, default=400, help="at most; it stops once the pictures are known")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    crops = rendered_crops(options.input_px, options.pictures, seed=SEED)
    print(f"{describe_machine()['processor']}, {options.accelerator}")
    print(
        f"{options.pictures} pictures of {options.input_px} px; target: below {PA_TARGET_MM} mm PA "
        f"and {ROOT_RELATIVE_TARGET_MM} mm from the wrist"
    )
    failed = []
    for family in FAMILIES if options.family == "all" else [options.family]:
        config = replace(FAMILIES[family], input_px=options.input_px)
        config = replace(config, trunk=options.trunk or config.trunk)
        print(f"{family}: {config.trunk} + {config.head}\n{'step':>6} {'PA mm':>9} {'root mm':>9} {'2D':>8} {'s':>7}")
        started = time.monotonic()

        def report(values: dict[str, float], started: float = started) -> None:
            print(
                f"{values['step']:>6.0f} {values['pa_mpjpe_mm']:>9.3f} {values['mpjpe_mm']:>9.3f} "
                f"{values['epe_2d']:>8.4f} {time.monotonic() - started:>7.0f}",
                flush=True,
            )

        with tempfile.TemporaryDirectory() as scratch:
            values = overfit(
                config,
                crops,
                Path(scratch),
                steps=options.steps,
                learning_rate=options.learning_rate,
                accelerator=options.accelerator,
                report=report,
            )
        print(f"{family} {'fits its pictures' if learned(values) else 'DOES NOT fit its pictures'}", flush=True)
        failed += [] if learned(values) else [family]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
