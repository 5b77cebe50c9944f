"""How many pictures of each set of photographs were labelled, how many labels are used, and how far the copies agree.

Run ``python -m benchmarks.photograph_labels data/labels/*.json`` on files of ``main_v2.py predict --looks N``. A
label's confidence falls where the detections in turned and mirrored copies of its picture disagree, so that its median
measures their agreement; recipes learn from labels above a floor.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

FLOOR = 0.4
"""Least confidence of a label in ``configs/shipped.yaml``."""


def main() -> None:
    """Prints one line a set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photograph_labels")
    parser.add_argument("labels", type=Path, nargs="+", metavar="FILE")
    print(f"| set | pictures | with a hand | hands | used (>= {FLOOR}) | refused | median confidence |")
    print("|---|---|---|---|---|---|---|")
    for file in parser.parse_args().labels:
        images = json.loads(file.read_text(encoding="utf-8"))["images"]
        seen = sum(bool(image["hands"]) for image in images)
        confidences = [hand["confidence"] for image in images for hand in image["hands"]]
        used = sum(value >= FLOOR for value in confidences)
        middle = f"{median(confidences):.2f}" if confidences else "-"
        counts = f"{len(images)} | {seen} | {len(confidences)} | {used} | {len(confidences) - used}"
        print(f"| {file.stem} | {counts} | {middle} |")


if __name__ == "__main__":
    main()
