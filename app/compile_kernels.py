"""``python -m app.compile_kernels``: compiles the numerical kernels for this processor before the first start.

Numba compiles a function when it is first called and keeps the machine code in a file. ``scripts/setup.sh`` calls this
at its end. Without it, the first start takes about twenty seconds longer than those after it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from app.child_process import PRODUCT_FOLDER

_PROGRAM = PRODUCT_FOLDER / "main_v2.py"
_FRAMES = 3


def main() -> int:
    """Runs each path on a few frames of the demo clip, at once, as compilation keeps one core busy; then both, fused.

    Returns:
        The exit code, always 0: kernels that are not compiled now are compiled when the program starts.
    """
    print("Compiling the numerical kernels for this processor, once.", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for together in (("network", "ik"), ("fused",)):
            runs = {method: _run(method, Path(scratch)) for method in together}
            for method, run in runs.items():
                _, problem = run.communicate()
                if run.returncode != 0:
                    last = problem.strip().splitlines()[-1] if problem.strip() else f"exit code {run.returncode}"
                    print(f"The kernels of --method {method} will be compiled at the first start instead ({last}).")
    return 0


def _run(method: str, scratch: Path) -> subprocess.Popen[str]:
    options = ["--headless", "--source", "demo", "--method", method, "--frames", str(_FRAMES)]
    return subprocess.Popen(
        [sys.executable, str(_PROGRAM), *options, "--report", str(scratch / method)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main())
