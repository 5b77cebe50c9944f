"""How much of its rate the live window keeps while a network is fine-tuned beside it: the target is half.

    xvfb-run -a python -m benchmarks.live_while_training [--recordings reports/own_hand/sessions] [--seconds 10]

``benchmarks.live`` is run before, and once more while a real training process takes its steps; the sessions can be
those that ``benchmarks.own_hand`` made.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.jobs.training import TrainingRun, TrainingRuns
from app.machine import describe_machine
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from trainer.runs.run_folder import FineTuneRequest
from trainer.runs.run_history import RunPhase

LEAST_SHARE = 0.5
LONGEST_START_S = 180.0


def live_rates(seconds: float, scratch: Path) -> dict[str, float]:
    """Frames per second of each path in the real window, from a source of 30."""
    out = scratch / "live.json"
    command = [sys.executable, "-m", "benchmarks.live", "--rates", "30", "--seconds", str(seconds), "--json", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (run,) = json.loads(out.read_text(encoding="utf-8"))["runs"]
    return {name: float(path["frames_per_second"]) for name, path in run["paths"].items()}


def wait_for_steps(run: TrainingRun) -> None:
    """Until the process trains."""
    started = time.monotonic()
    while run.history.step < 1:
        time.sleep(0.5)
        run.refresh()
        if run.phase not in (RunPhase.STARTING, RunPhase.TRAINING) or time.monotonic() - started > LONGEST_START_S:
            raise SystemExit(f"the training did not begin: {run.log_tail()}")


def main() -> int:
    """Prints the rates, and whether enough is left of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, default=Path("reports/own_hand/sessions"))
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR)
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores; {options.recipe} recipe")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        before = live_rates(options.seconds, scratch)
        request = FineTuneRequest(
            base=str(options.network.resolve()),
            recordings=str(options.recordings.resolve()),
            recipe=options.recipe,
            # it has to train until it is stopped
            values={"steps": 100_000, "evaluate_every": 100_000},
        )
        run = TrainingRuns(scratch / "runs").create(request)
        run.start()
        try:
            wait_for_steps(run)
            first, started = run.history.step, time.monotonic()
            during = live_rates(options.seconds, scratch)
            run.refresh()
            steps = (run.history.step - first) / (time.monotonic() - started)
        finally:
            run.kill()
            while run.refresh() or run.running:
                time.sleep(0.2)
    shares = {name: during[name] / rate for name, rate in before.items()}
    for name, rate in before.items():
        print(f"{name}: {rate:.1f} frames/s alone, {during[name]:.1f} while training: {shares[name]:.0%}")
    print(f"the training meanwhile: {steps:.2f} steps/s")
    print(f"at least half is left: {'yes' if min(shares.values()) >= LEAST_SHARE else 'NO'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
