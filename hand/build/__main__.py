"""``python -m hand.build``: writes the embedded hand model, or checks that the file is what this code makes."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from hand.build.assemble import build_model
from hand.build.write import model_arrays, npz_bytes, sha256, write_if_changed
from hand.embedded import EMBEDDED_MODEL_FILE


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, or 1 when ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m hand.build", description=__doc__)
    parser.add_argument("--output", type=Path, default=EMBEDDED_MODEL_FILE, help="npz file to write")
    parser.add_argument("--check", action="store_true", help="build, write nothing, compare with the file's bytes")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    data = npz_bytes(model_arrays(build_model()))
    print(f"built in {time.perf_counter() - started:.0f} s, {len(data)} bytes, sha256 {sha256(data)}")
    if options.check:
        same = options.output.exists() and options.output.read_bytes() == data
        print(f"{options.output}: {'the same bytes' if same else 'DIFFERENT'}")
        return 0 if same else 1
    written = write_if_changed(options.output, data)
    print(f"{options.output}: {'written' if written else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
