"""The demo clip that ships with the product: what plays where there is no camera."""

from __future__ import annotations

import numpy as np

from app.sources.video import VideoSource
from assets import ASSETS_DIR
from hand.camera import Intrinsics

DEMO_CLIP = ASSETS_DIR / "demo" / "demo.mp4"
"""A few seconds of our own rendered hand."""


DEMO_TRUTH = ASSETS_DIR / "demo" / "demo_truth.npz"
"""What was rendered in each of its frames, and through which camera."""

DEMO_TITLE = "Demo clip"


def demo_source(*, loop: bool = True) -> VideoSource:
    return VideoSource(DEMO_CLIP, loop=loop, kind="demo", title=DEMO_TITLE, intrinsics=_demo_intrinsics())


def _demo_intrinsics() -> Intrinsics | None:
    if not DEMO_TRUTH.is_file():
        return None
    with np.load(DEMO_TRUTH) as truth:
        width, height = truth["picture_size_px"]
        fx, fy, cx, cy = (float(number) for number in truth["intrinsics"])
        return Intrinsics(fx, fy, cx, cy, int(width), int(height))
