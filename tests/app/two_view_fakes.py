"""Two cameras and a moving hand in front of them."""

from __future__ import annotations

import numpy as np

from app.two_views.camera_pair import CameraPair
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.rotations import matrix_from_axis_angle

FIRST = Intrinsics(620.0, 620.0, 319.5, 239.5, 640, 480)
SECOND = Intrinsics(540.0, 540.0, 319.5, 239.5, 640, 480)
RATE = 30.0


def pair_of(angle_deg: float = 60.0) -> CameraPair:
    rotation = matrix_from_axis_angle(np.radians([3.0, angle_deg, -2.0]))
    middle = np.array([0.0, 0.0, 0.6])
    return CameraPair(FIRST, SECOND, rotation, middle - rotation @ middle)


def moving_joints(frames: int, seed: int = 0) -> np.ndarray:
    """Joints of a hand that opens, closes, turns and moves at a distance of 0.6 m."""
    layer, rng = HandLayer(load_embedded_model()), np.random.default_rng(seed)
    phases, rates = rng.uniform(0, 6.28, 30), rng.uniform(0.15, 0.9, 30)
    joints = []
    for n in range(frames):
        waves = np.sin(6.28 * rates * n / RATE + phases)
        pose = np.zeros(48)
        pose[:3] = [2.6 + 0.4 * waves[0], 0.6 * waves[1], 0.5 * waves[2]]
        for finger in range(5):
            for joint in range(3):
                pose[3 + 9 * finger + 3 * joint + 2] = 0.5 + 0.5 * waves[3 + finger]
        place = np.array([0.08 * waves[10], 0.06 * waves[11], 0.6 + 0.08 * waves[12]])
        at = layer(pose, np.zeros(10)).joints_m.astype(np.float64)
        joints.append(at - at.mean(0) + place)
    return np.stack(joints)
