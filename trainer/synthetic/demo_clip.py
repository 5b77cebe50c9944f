"""The demo clip: our own hand moving through poses before a desk, for everybody who starts without a camera.

Ground truth is written beside the clip, and a card that describes how both were made. The clip ends as it begins, so
that it can be played in a loop.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.atomic_file import folder_renewed
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.poses import NAMED_POSES
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from trainer.arguments import whole_number
from trainer.synthetic.camera_effects import CameraEffects
from trainer.synthetic.camera_placement import turned
from trainer.synthetic.clothing import sleeve
from trainer.synthetic.lighting import Lighting
from trainer.synthetic.noise import soft_step
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import Scene

FRAMES_PER_SECOND: Final = 30
WIDTH_PX: Final = 640
HEIGHT_PX: Final = 480
FRAME_COUNT: Final = 180

_POSES: Final = (
    "relaxed", "open_hand", "spread_hand", "pointing", "victory",
    "open_hand", "pinch", "ok_sign", "flat_hand", "relaxed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class DemoClip:
    """All frames of the clip.

    Attributes:
        samples: pictures with labels, in order.
        seed: what they were made from.
        hand_model_digest: of the hand that was drawn.
    """

    samples: tuple[SyntheticSample, ...]
    seed: int
    hand_model_digest: str


def render_demo_clip(seed: int = 2, levels: int = 3) -> DemoClip:
    """Renders every frame.

    Args:
        seed: determines skin and cloth.
        levels: subdivision of the hand, see :class:`trainer.synthetic.scene.SceneRenderer`.
    """
    model = load_embedded_model()
    renderer = SceneRenderer(model, seed, levels=levels, samples=3)
    rng = np.random.default_rng((seed, 31))
    skin = renderer.new_skin(rng, darkness=0.22)
    clothing = sleeve(rng, renderer.surface, first_ring=8, color=np.array([0.035, 0.075, 0.14]))
    intrinsics = Intrinsics.from_fov(WIDTH_PX, HEIGHT_PX, 60.0)
    background = _desk(rng)
    samples = []
    for index in range(FRAME_COUNT):
        pose, translation = hand_at(renderer, index)
        samples.append(
            renderer.render(
                Scene(
                    pose_rad=pose,
                    shape=np.zeros(10),
                    translation_m=translation,
                    forearm_bend=_forearm_at(index / FRAME_COUNT),
                    skin=skin,
                    clothing=clothing,
                    lighting=_WINDOW_LIGHT,
                    effects=_effects(rng),
                    intrinsics=intrinsics,
                    background=background,
                ),
                index,
            )
        )
    return DemoClip(tuple(samples), seed, model.digest)


def hand_at(renderer: SceneRenderer, index: int) -> tuple[Float[np.ndarray, "48"], Float[np.ndarray, "3"]]:
    """Pose and translation of one frame's hand.

    Args:
        renderer: draws the hand in question.
        index: number of the frame.
    """
    time = index / FRAME_COUNT
    pose = renderer.poses.pose(_angles_at(time))
    pose[:3] = axis_angle_from_matrix(_orientation_at(renderer, time))
    return pose, _translation_at(renderer, pose, time)


def write_demo_clip(clip: DemoClip, folder: Path) -> None:
    """Writes demo.mp4 and demo_truth.npz.

    Args:
        clip: the frames.
        folder: where to; made if needed.

    Raises:
        DataError: OpenCV cannot write the video.
    """
    with folder_renewed(folder) as new:
        _write_video(clip, new / "demo.mp4")
        _write_truth(clip, new / "demo_truth.npz")


def _write_video(clip: DemoClip, path: Path) -> None:
    # MPEG-4 part 2: every OpenCV wheel reads and writes it on every platform, unlike H.264
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FRAMES_PER_SECOND, (WIDTH_PX, HEIGHT_PX))
    if not writer.isOpened():
        raise DataError(f"The demo clip {path} cannot be written: this OpenCV has no MPEG-4 encoder.")
    for sample in clip.samples:
        writer.write(cv2.cvtColor(sample.image_rgb, cv2.COLOR_RGB2BGR))
    writer.release()


def _write_truth(clip: DemoClip, path: Path) -> None:
    first = clip.samples[0].intrinsics
    np.savez_compressed(
        path,
        pose_rad=np.stack([sample.pose_rad for sample in clip.samples]).astype(np.float32),
        shape=np.stack([sample.shape for sample in clip.samples]).astype(np.float32),
        translation_m=np.stack([sample.translation_m for sample in clip.samples]).astype(np.float32),
        joints_m=np.stack([sample.joints_m for sample in clip.samples]).astype(np.float32),
        joints_px=np.stack([sample.joints_px for sample in clip.samples]).astype(np.float32),
        intrinsics=np.array([first.fx_px, first.fy_px, first.cx_px, first.cy_px]),
        picture_size_px=np.array([first.width_px, first.height_px]),
        frames_per_second=np.array(FRAMES_PER_SECOND),
        side=np.array("right"),
        seed=np.array(clip.seed),
        hand_model_digest=np.array(clip.hand_model_digest),
    )


_WINDOW_LIGHT: Final = Lighting(
    key_direction=(-0.66, -0.46, -0.59),
    key=(1.34, 1.24, 1.12),
    key_softness=0.55,
    fill_direction=(0.82, 0.05, -0.57),
    fill=(0.16, 0.18, 0.22),
    sky=(0.30, 0.32, 0.36),
    ground=(0.20, 0.165, 0.13),
    gloss=0.55,
)
"""A window on the upper left, a room around it."""


def _effects(rng: np.random.Generator) -> CameraEffects:
    """A good webcam in good light; only its noise changes from frame to frame."""
    return CameraEffects(
        brightness=0.4,
        white_balance=np.ones(3),
        blur_px=0.45,
        motion_px=0.0,
        motion_angle_rad=0.0,
        noise=0.002,
        noise_place=(int(rng.integers(512)), int(rng.integers(512))),
        jpeg_quality=0,
        fixed_gain=0.85,
    )


def _angles_at(time: float) -> Float[np.ndarray, "16 3"]:
    """Anatomical angles at a time between 0 and 1: each pose is held a moment, fingers arrive one after another."""
    keys = [NAMED_POSES[name].radians() for name in _POSES]
    place = time * (len(keys) - 1)
    step = min(int(place), len(keys) - 2)
    share = np.empty(16)
    for joint in range(16):
        # index, middle, pinky, ring, thumb in MANO order: the thumb leads, the little finger comes last
        delay = (0.0, 0.06, 0.09, 0.15, 0.12, 0.03)[(joint + 2) // 3]
        share[joint] = soft_step(np.array(place - step), 0.05 + delay, 0.85 + delay)
    return keys[step] + share[:, None] * (keys[step + 1] - keys[step])


def _orientation_at(renderer: SceneRenderer, time: float) -> Float[np.ndarray, "3 3"]:
    phase = 2.0 * np.pi * time
    yaw = np.radians(6.0 + 30.0 * np.sin(phase))
    pitch = np.radians(4.0 + 9.0 * np.sin(3.0 * phase + 0.6))
    roll = np.radians(-4.0 + 11.0 * np.sin(2.0 * phase + 0.3))
    return turned(renderer.starting_view, yaw, pitch, roll)


def _forearm_at(time: float) -> Float[np.ndarray, "3 3"]:
    """The arm stays behind when the hand turns, as an elbow on a desk makes it."""
    phase = 2.0 * np.pi * time
    return matrix_from_axis_angle(
        np.array([-0.10 - 0.08 * np.sin(3.0 * phase + 0.6), 0.0, 0.12 + 0.13 * np.sin(2.0 * phase + 0.3)])
    )


def _translation_at(renderer: SceneRenderer, pose_rad: Float[np.ndarray, "48"], time: float) -> Float[np.ndarray, "3"]:
    """Moves the palm, not the box of the joints, on a slow figure of eight."""
    phase = 2.0 * np.pi * time
    turn = matrix_from_axis_angle(pose_rad[:3])
    rest = renderer.surface.rest_joints_m
    palm = turn @ (0.5 * (rest[9] - rest[0])) + rest[0]
    wanted = np.array([0.024 * np.sin(phase), 0.022 + 0.010 * np.sin(2.0 * phase), 0.385 + 0.025 * np.cos(phase)])
    return wanted - palm


def _desk(rng: np.random.Generator) -> Float[np.ndarray, "480 640 3"]:
    """A wall, a shelf, a plant, a lamp and a desk, out of focus; linear light."""
    height, width = HEIGHT_PX, WIDTH_PX
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    glow = np.exp(-(((x - 40) / 420) ** 2 + ((y - 40) / 330) ** 2))[..., None]
    picture = np.array([0.23, 0.28, 0.29], np.float32) * (0.8 + 0.1 * (y / height)[..., None])
    picture = picture + glow * np.array([0.30, 0.28, 0.24], np.float32)

    def paint(mask: UInt8[np.ndarray, "480 640"], color: tuple[float, float, float], blur: float) -> None:
        share = cv2.GaussianBlur(mask.astype(np.float32) / 255.0, (0, 0), blur)[..., None]
        picture[:] = picture * (1.0 - share) + share * np.array(color, np.float32)

    def box(x0: int, y0: int, x1: int, y1: int) -> UInt8[np.ndarray, "480 640"]:
        mask = np.zeros((height, width), np.uint8)
        cv2.rectangle(mask, (x0, y0), (x1, y1), 255, -1)
        return mask

    # window frame, shelf with books, plant, desk, a lamp's glow
    paint(box(-10, -10, 92, 250), (0.95, 0.93, 0.86), 11.0)
    paint(box(36, -10, 43, 250), (0.36, 0.34, 0.31), 5.0)
    paint(box(430, 128, 660, 139), (0.16, 0.11, 0.075), 5.0)
    left = 446
    for color in (
        (0.30, 0.07, 0.05), (0.06, 0.14, 0.20), (0.46, 0.36, 0.20), (0.09, 0.16, 0.10),
        (0.36, 0.33, 0.29), (0.30, 0.16, 0.05), (0.07, 0.08, 0.15), (0.42, 0.14, 0.09),
    ):  # fmt: skip
        thickness, tall = int(rng.integers(13, 27)), int(rng.integers(58, 98))
        paint(box(left, 128 - tall, left + thickness, 128), color, 4.0)
        left += thickness + 2
    leaves = np.zeros((height, width), np.uint8)
    for _ in range(26):
        tip = (int(566 + rng.normal() * 34), int(288 + rng.normal() * 36))
        cv2.ellipse(leaves, tip, (23, 8), float(rng.uniform(0, 180)), 0, 360, (255,), -1)
    paint(leaves, (0.055, 0.13, 0.055), 5.0)
    pot = np.zeros((height, width), np.uint8)
    cv2.fillPoly(pot, [np.array([[528, 322], [606, 322], [594, 404], [540, 404]], np.int32)], (255,))
    paint(pot, (0.44, 0.22, 0.13), 5.0)
    paint(box(-20, 398, 660, 500), (0.27, 0.165, 0.095), 6.0)
    grain = cv2.resize(
        rng.standard_normal((120, 10)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    picture[:] *= 1.0 + 0.05 * grain[..., None] * soft_step(y, 396.0, 412.0)[..., None]
    picture[:] *= (1.0 - 0.25 * soft_step(np.hypot((x - 300) / 480, (y - 220) / 400), 0.6, 1.3))[..., None]
    return np.asarray(picture / 0.9 * 0.85, np.float32)


def main(arguments: Sequence[str]) -> None:
    """The command ``python -m trainer demo-clip``."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer demo-clip",
        description="Renders the demo clip: demo.mp4 and demo_truth.npz.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("assets/demo"), metavar="DIR", help="folder to write to")
    parser.add_argument("--seed", type=whole_number(0), default=2, help="determines skin and cloth")
    parser.add_argument(
        "--levels",
        type=whole_number(0, 4),
        default=3,
        help="subdivision of the hand; 3 is the shipped quality, 1 is a quick preview",
    )
    options = parser.parse_args(arguments)
    clip = render_demo_clip(options.seed, options.levels)
    write_demo_clip(clip, options.out)
    size = (options.out / "demo.mp4").stat().st_size
    print(f"{options.out / 'demo.mp4'}: {len(clip.samples)} frames, {size / 1e6:.2f} MB")
