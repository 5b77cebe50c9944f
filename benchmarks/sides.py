"""Left or right? MediaPipe's result, the network's, and both as the program weighs them, on rendered right hands.

    python -m benchmarks.sides [--pictures 500] [--network DIR]

Every picture holds one right hand, seen from any side, half of the pictures mirrored so that no bias is rewarded.
What MediaPipe does not find at all is left out; then its landmarks choose the crop for everybody.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.machine import describe_machine
from app.pipeline.paths.network_path import OVERRULING_LOG_ODDS
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from hand.crop import crop_around_hand
from hand.embedded import load_embedded_model
from ik_baseline.detector import HandDetector
from inference.runtime import load_network, log_odds
from trainer.progress_bar import ProgressBar
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import CROP_SETTINGS

SEED = 900_004
PICTURE_PX = 224


def main() -> None:
    """Prints the share of hands whose side is named rightly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sides")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR, metavar="DIR")
    options = parser.parse_args()
    runtime, detector = load_network(options.network), HandDetector(1, still=True)
    renderer = SceneRenderer(load_embedded_model(), SEED, backgrounds=BackgroundPool(SEED))
    rows = []
    for index in ProgressBar(range(options.pictures), unit="picture"):
        sample = renderer.crop(index, PICTURE_PX, CROP_SETTINGS)
        mirrored = index % 2 == 1
        picture = np.ascontiguousarray(sample.image_rgb[:, ::-1]) if mirrored else sample.image_rgb
        intrinsics = sample.intrinsics.mirrored() if mirrored else sample.intrinsics
        found = detector.detect(picture)
        if not found:
            continue
        crop = crop_around_hand(found[0].landmarks_px, runtime.crop_expansion, upright=runtime.upright)
        as_right, as_left = (
            runtime.predict(picture, replace(crop, flipped=flipped), intrinsics).right for flipped in (False, True)
        )
        shown_right = found[0].score if found[0].side == "right" else -found[0].score
        truth = -1.0 if mirrored else 1.0
        rows.append((truth * shown_right, truth * (log_odds(as_right) - log_odds(as_left))))
    detector.close()
    shown_right, odds = np.array(rows).T
    machine = describe_machine()
    print(f"{machine['processor']}; {len(rows)} of {options.pictures} pictures in which MediaPipe finds a hand")
    print(f"MediaPipe            {np.mean(shown_right > 0.0):.1%}")
    print(f"network              {np.mean(odds > 0.0):.1%}")
    for weight in (1.0, 2.0, OVERRULING_LOG_ODDS, 2.0 * OVERRULING_LOG_ODDS):
        mark = "  (the program's)" if weight == OVERRULING_LOG_ODDS else ""
        print(f"overruled from {weight:4.1f}   {np.mean(odds + weight * shown_right > 0.0):.1%}{mark}")


if __name__ == "__main__":
    main()
