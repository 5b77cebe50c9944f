"""Are hands found, and only hands? MediaPipe, the network's own search, and both as the program asks them.

    python -m benchmarks.finding [--pictures 100] [--network DIR] [--hand-free DIR]

Whole pictures, each without a past: rendered ones with a hand in them, and as many made-up ones without. With
``--hand-free`` the latter are the photographs in a folder. A hand counts as found where its joints are near enough
(``benchmarks.realism``); anything found where no hand is counts as false.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from app.machine import describe_machine
from app.pipeline.paths.crop_search import SlidingWindowDetector
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, network_path_factory
from benchmarks.realism import FOUND_WITHIN, error_over_box
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.types import Frame
from ik_baseline.detector import HandDetector
from inference.runtime import load_network
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.camera_effects import draw_effects, take_picture
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import FRAME_SETTINGS, SceneSettings

SEED = 900_005
FREE_POSES = SceneSettings(pose="free", view="any", held_share=0.3)


def main() -> None:
    """Prints the share of hands found, and of hand-free pictures in which something is found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finding")
    parser.add_argument("--pictures", type=int, default=100, help="of each kind (default: 100)")
    parser.add_argument("--network", type=Path, default=SHIPPED_NETWORK_DIR, metavar="DIR")
    parser.add_argument("--hand-free", type=Path, metavar="DIR", help="photographs without hands")
    options = parser.parse_args()
    model = load_embedded_model()
    detector, search = HandDetector(1, still=True), SlidingWindowDetector(load_network(options.network))
    path = network_path_factory(options.network, model, 1, still=True)()
    renderer = SceneRenderer(model, SEED, levels=2, backgrounds=BackgroundPool(SEED))
    tqdm.monitor_interval = 0
    machine = describe_machine()
    print(f"{machine['processor']}; share of pictures in which a hand is found")
    print(f"{'pictures':24s} {'MediaPipe':>10s} {'own search':>10s} {'program':>10s}")

    def look(picture: np.ndarray, camera: Intrinsics, joints_px: np.ndarray | None) -> list[bool]:
        """Whether each of the three finds the hand; without one, whether it finds anything."""
        frame = Frame(0, 0, picture, camera, "finding")
        found: list[Sequence[np.ndarray]] = [
            [hand.landmarks_px for hand in detector.detect(picture)],
            [hand.landmarks_px for hand in search.detect(picture)],
            [hand.landmarks_px for hand in path.process(frame).observations],
        ]
        if joints_px is None:
            return [bool(hands) for hands in found]
        return [any(error_over_box(hand, joints_px) < FOUND_WITHIN for hand in hands) for hands in found]

    for name, settings in (("natural poses", FRAME_SETTINGS), ("any pose, any view", FREE_POSES)):
        seen = []
        for index in tqdm(range(options.pictures), unit="picture", leave=False):
            sample = renderer.frame(index, settings=settings)
            seen.append(look(sample.image_rgb, sample.intrinsics, sample.joints_px))
        _print_row(name, seen)
    pictures = _made_up(options.pictures) if options.hand_free is None else _photographs(options.hand_free)
    seen = [
        look(picture, Intrinsics.from_fov(picture.shape[1], picture.shape[0]), None)
        for picture in tqdm(pictures, unit="picture", leave=False)
    ]
    _print_row("without a hand (false)", seen)
    detector.close()
    path.close()


def _made_up(count: int) -> Iterator[np.ndarray]:
    pool, rng = BackgroundPool(SEED, face_share=0.5), np.random.default_rng(SEED)
    for _ in range(count):
        yield take_picture(pool.draw(rng, 480, 640), 1.0, draw_effects(rng))


def _photographs(folder: Path) -> Iterator[np.ndarray]:
    for file in sorted(folder.rglob("*")):
        picture = cv2.imread(str(file)) if file.is_file() else None
        if picture is not None:
            yield np.ascontiguousarray(picture[..., ::-1])


def _print_row(name: str, seen: Sequence[Sequence[bool]]) -> None:
    shares = np.mean(seen, axis=0)
    print(f"{name:24s} " + " ".join(f"{share:10.1%}" for share in shares))


if __name__ == "__main__":
    main()
