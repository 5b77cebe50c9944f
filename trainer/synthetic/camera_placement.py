"""Where the camera stands: how a hand is turned, how far away it is, and where in the picture.

A palm that faces the camera with the fingers up is the starting view; from there a hand turns about its own length
(yaw), tilts towards or away from the camera (pitch) and leans in the picture (roll).
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
from jaxtyping import Float

from hand.anatomy import palm_frame
from hand.camera import Intrinsics
from hand.rotations import matrix_from_quaternion

ViewKind = Literal["palm", "back", "natural", "any"]

NEAREST_M: Final = 0.28
"""No hand comes closer: webcams do not focus there and perspective becomes grotesque."""


def facing_camera(rest_joints_m: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "3 3"]:
    """The global rotation that shows the palm to the camera, fingers up.

    Args:
        rest_joints_m: joints of a right hand at rest.
    """
    # palm axes (radial, distal, palmar) go to camera axes right, up (-y), towards the camera (-z)
    return np.asarray(np.diag([1.0, -1.0, -1.0]) @ palm_frame(rest_joints_m).T)


def turned(
    base: Float[np.ndarray, "3 3"], yaw_rad: float, pitch_rad: float, roll_rad: float
) -> Float[np.ndarray, "3 3"]:
    """The starting view turned about the hand's length, then tilted, then rolled in the picture."""
    return _about_z(roll_rad) @ _about_x(pitch_rad) @ _about_y(yaw_rad) @ base


def draw_orientation(
    rng: np.random.Generator, base: Float[np.ndarray, "3 3"], kind: ViewKind = "natural"
) -> Float[np.ndarray, "3 3"]:
    """A global rotation.

    Args:
        rng: random generator.
        base: the starting view, :func:`facing_camera`.
        kind: "palm" and "back" stay near those; "natural" has any yaw, moderate tilt and roll, and no hand that points
            away from the camera with the arm in front; "any" is uniform over all rotations.
    """
    if kind == "any":
        quaternion = rng.normal(size=4)
        return matrix_from_quaternion(quaternion / np.linalg.norm(quaternion))
    if kind == "natural":
        while True:
            rotation = turned(
                base,
                rng.uniform(-math.pi, math.pi),
                math.radians(float(np.clip(rng.normal() * 28.0, -65.0, 65.0))),
                math.radians(float(np.clip(rng.normal() * 35.0, -110.0, 110.0))),
            )
            # the forearm must not come out of the camera: its direction is minus the palm's distal axis
            distal_depth = (rotation @ base.T @ np.array([0.0, -1.0, 0.0]))[2]
            if distal_depth < 0.5:
                return rotation
    yaw, pitch, roll = np.radians(rng.normal(size=3) * [15.0, 12.0, 15.0])
    return turned(base, yaw + (math.pi if kind == "back" else 0.0), pitch, roll)


def place(
    joints_m: Float[np.ndarray, "21 3"],
    intrinsics: Intrinsics,
    cover: float,
    center_px: tuple[float, float],
) -> Float[np.ndarray, "3"]:
    """The translation that brings a hand to a place and size in the picture.

    Args:
        joints_m: joints of the turned hand, anywhere.
        intrinsics: the camera.
        cover: longer side of the joints' box over the picture's height; kept smaller where the hand would come closer
            than :data:`NEAREST_M`.
        center_px: where the middle of the hand goes.
    """
    low, high = joints_m.min(0), joints_m.max(0)
    extent = max(float((high - low)[:2].max()) * 1.12, 0.06)
    depth = max(intrinsics.fx_px * extent / (cover * intrinsics.height_px), NEAREST_M)
    middle = (low + high) / 2.0
    return np.array(
        [
            (center_px[0] - intrinsics.cx_px) * depth / intrinsics.fx_px - middle[0],
            (center_px[1] - intrinsics.cy_px) * depth / intrinsics.fy_px - middle[1],
            depth - middle[2],
        ]
    )


def _about_x(angle_rad: float) -> Float[np.ndarray, "3 3"]:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _about_y(angle_rad: float) -> Float[np.ndarray, "3 3"]:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _about_z(angle_rad: float) -> Float[np.ndarray, "3 3"]:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
