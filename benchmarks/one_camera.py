"""Fine-tuning with one camera must not make the hand worse: rendered people with hands that point down over a desk.

    python -m benchmarks.one_camera [--network DIR] [--seconds 8] [key=value ...]

That is where labels of a single view err most in depth. Three sessions of a person with unusual proportions, 0.4 to
0.8 m away, are recorded by both live paths and labelled without the ground truth; the network is trained on two and
measured on the third against the ground truth. Target: an aligned error at most 2 % worse, a 2D error at least 15 %
lower.
"""

from __future__ import annotations

import os

# before NumPy and torch start their thread pools
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import functools

import numpy as np

from app.machine import describe_machine
from benchmarks.own_hand import (
    FRAMES_PER_SECOND,
    SHAPE,
    Person,
    label_error_2d,
    label_error_mm,
    make_person,
    option_parser,
    teach_and_compare,
)
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from trainer.synthetic.moving_hand import MovingHand, MovingHandSettings

DOWN_AND_AWAY_RAD = np.radians(-130.0)
"""Turn of the upright hand about the camera's x axis: the fingers point down and away from the camera."""

NEAREST_M, FARTHEST_M = 0.4, 0.8
ALLOWED_RISE, WANTED_FALL_2D = 0.02, 0.15


@functools.cache
def _layer() -> HandLayer:
    return HandLayer(load_embedded_model())


class DeskPerson(Person):
    """A person whose hand is over a desk."""

    def hand_at(self, moving: MovingHand, index: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Pose and translation in a frame: turned down and away, and nearer and farther in waves."""
        pose, translation = super().hand_at(moving, index, seed)
        before = _layer()(pose, SHAPE, translation).joints_m.astype(np.float64)
        tilt = matrix_from_axis_angle(np.array([DOWN_AND_AWAY_RAD, 0.0, 0.0]))
        pose = pose.copy()
        pose[:3] = axis_angle_from_matrix(tilt @ matrix_from_axis_angle(pose[:3]))
        turned = _layer()(pose, SHAPE).joints_m.astype(np.float64)
        wave = 0.5 + 0.5 * np.sin(2.0 * np.pi * index / (6.0 * FRAMES_PER_SECOND) + seed)
        depth = NEAREST_M + (FARTHEST_M - NEAREST_M) * wave
        ray = before.mean(0) / before[:, 2].mean()
        return pose, ray * depth - turned.mean(0)


def main() -> None:
    """Prints the errors before and after, and whether they meet the targets."""
    options = option_parser("one_camera", seconds=8, general=120, description=__doc__).parse_args()
    usual = make_person()
    movement = MovingHandSettings(yaw_deg=30.0, tilt_deg=20.0, wander=0.1)
    comparison, minutes = teach_and_compare(DeskPerson(usual.renderer, usual.scene, movement), options, first_seed=300)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores; {options.recipe} recipe: {minutes:.1f} minutes")
    for folder in sorted((options.out / "sessions").iterdir()):
        labels, live = label_error_mm(folder)
        print(f"{folder.name}: labels {labels:.1f} mm from the truth, live IK {live:.1f} mm")
        labels, network = label_error_2d(folder)
        print(f"  in the picture: labels {labels:.4f} of the box, the live network {network:.4f}")
    own, flat, general = comparison.own.change, comparison.own.change_2d, comparison.general.change
    interval = f"95 % interval {own.low:+.1%} to {own.high:+.1%}"
    print(f"held-out session, truth: {own.before:.2f} -> {own.after:.2f} mm ({own.share:+.1%}, {interval})")
    print(f"the same in the picture: {flat.before:.4f} -> {flat.after:.4f} of the box ({flat.share:+.1%})")
    print(f"general renderings: {general.before:.2f} -> {general.after:.2f} mm ({general.share:+.1%})")
    print(f"at most {ALLOWED_RISE:.0%} worse: {'yes' if own.share <= ALLOWED_RISE else 'NO'}")
    print(f"2D error at least {WANTED_FALL_2D:.0%} lower: {'yes' if flat.share <= -WANTED_FALL_2D else 'NO'}")


if __name__ == "__main__":
    main()
