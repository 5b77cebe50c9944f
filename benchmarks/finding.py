"""Are hands found, and only hands? MediaPipe, the network's own search, and both as ``predict`` combines them.

    python -m benchmarks.finding [--pictures 100] [--shorter-side 480] [--network DIR] [--hand-free DIR]

Whole pictures, each without a past: rendered ones with a hand in them, and as many made-up ones without. With
``--hand-free`` the latter are the photographs in a folder. A hand counts as found where its joints are near enough
(``benchmarks.realism``); anything found where no hand is counts as false. MediaPipe and the network's search are each
each run without and with the parts of a picture that show small hands (``ik_baseline.picture_tiles``, and the small
squares of ``app.pipeline.paths.crop_search``): the differences are what these find, and what they take for a hand. The
last columns are the final result of each path of ``predict``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from app.machine import describe_machine
from app.pipeline.paths.crop_search import SMALL_SIZES, SlidingWindowDetector
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, network_path_factory
from benchmarks.realism import FOUND_WITHIN, error_over_box
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.types import Frame
from ik_baseline.detector import ALL_TILES, HandDetector
from ik_baseline.tracker import IkTracker
from inference.runtime import load_network
from trainer.progress_bar import ProgressBar
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.camera_effects import draw_effects, take_picture
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import FRAME_SETTINGS, SceneSettings

SEED = 900_005
FREE_POSES = SceneSettings(pose="free", view="any", held_share=0.3)

COLUMNS: Final = ("MediaPipe", "with tiles", "own search", "with small", "ik path", "network")


class Finders:
    """The detectors that are compared, in the order of :data:`COLUMNS`."""

    def __init__(self, network: Path) -> None:
        """Loads the networks.

        Args:
            network: folder of the trained network.
        """
        model, runtime = load_embedded_model(), load_network(network)
        self._detectors = (
            HandDetector(1, still=True),
            HandDetector(1, still=True, tiles_per_picture=ALL_TILES),
            SlidingWindowDetector(runtime, small_sizes=()),
            SlidingWindowDetector(runtime, small_sizes=SMALL_SIZES),
        )
        self._paths = (IkTracker(model, still=True), network_path_factory(network, model, 1, still=True)())

    def detect(self, picture: np.ndarray, camera: Intrinsics, joints_px: np.ndarray | None) -> list[bool]:
        """Whether each of them finds the hand; without one, whether it finds anything.

        Args:
            picture: RGB.
            camera: that took it.
            joints_px: 21 joints of the hand, None where there is no hand.
        """
        frame = Frame(0, 0, picture, camera, "finding")
        found = [detector.detect(picture) for detector in self._detectors]
        found += [path.process(frame).observations for path in self._paths]
        if joints_px is None:
            return [bool(hands) for hands in found]
        return [any(error_over_box(hand.landmarks_px, joints_px) < FOUND_WITHIN for hand in hands) for hands in found]

    def close(self) -> None:
        """Frees the networks."""
        for part in (*self._detectors, *self._paths):
            part.close()


def main() -> None:
    """Prints the share of hands found, and of hand-free pictures in which something is found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finding")
    parser.add_argument("--pictures", type=int, default=100, help="of each kind (default: 100)")
    parser.add_argument(
        "--shorter-side",
        type=int,
        default=480,
        metavar="PX",
        help="of hand-free pictures, to which photographs are scaled too (default: 480; tiles need 480 or more)",
    )
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR, metavar="DIR")
    parser.add_argument("--hand-free", type=Path, metavar="DIR", help="photographs without hands, and nothing else")
    options = parser.parse_args()
    finders = Finders(options.network)
    machine = describe_machine()
    print(f"{machine['processor']}; share of pictures in which a hand is found")
    print(f"{'pictures':24s} " + " ".join(f"{column:>10s}" for column in COLUMNS))
    if options.hand_free is None:
        renderer = SceneRenderer(load_embedded_model(), SEED, levels=2, backgrounds=BackgroundPool(SEED))
        for name, settings in (("natural poses", FRAME_SETTINGS), ("any pose, any view", FREE_POSES)):
            seen = []
            for index in ProgressBar(range(options.pictures), unit="picture", leave=False):
                sample = renderer.frame(index, settings=settings)
                seen.append(finders.detect(sample.image_rgb, sample.intrinsics, sample.joints_px))
            _print_row(name, seen)
        pictures = _made_up(options.pictures, options.shorter_side)
    else:
        pictures = _photographs(options.hand_free, options.shorter_side)
    seen = [
        finders.detect(picture, Intrinsics.from_fov(picture.shape[1], picture.shape[0]), None)
        for picture in ProgressBar(pictures, unit="picture", leave=False)
    ]
    _print_row(f"without a hand ({len(seen)})", seen)
    finders.close()


def _made_up(count: int, shorter_side_px: int) -> Iterator[np.ndarray]:
    pool, rng = BackgroundPool(SEED, face_share=0.5), np.random.default_rng(SEED)
    for _ in range(count):
        yield take_picture(pool.draw(rng, shorter_side_px, shorter_side_px * 4 // 3), 1.0, draw_effects(rng))


def _photographs(folder: Path, shorter_side_px: int) -> Iterator[np.ndarray]:
    for file in sorted(folder.rglob("*")):
        picture = cv2.imread(str(file)) if file.is_file() else None
        if picture is not None:
            scale = shorter_side_px / min(picture.shape[:2])
            interpolation = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=interpolation)
            yield np.ascontiguousarray(picture[..., ::-1])


def _print_row(name: str, seen: Sequence[Sequence[bool]]) -> None:
    shares = np.mean(seen, axis=0)
    print(f"{name:24s} " + " ".join(f"{share:10.1%}" for share in shares))


if __name__ == "__main__":
    main()
