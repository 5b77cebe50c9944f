"""Left and right: everything runs on right hands, left hands are mirrored in and out.

The mirror plane is x = 0 of the rest frame or of the camera. A reflection M = diag(-1, 1, 1) takes a rotation R to
M R M, with the axis-angle vector (x, -y, -z): the axis is reflected like a pseudo-vector, the angle kept.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

Side = Literal["left", "right"]


def other_side(side: Side) -> Side:
    """The other hand."""
    return "left" if side == "right" else "right"


def mirror_axis_angle(axis_angle_rad: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Axis-angle vectors of the mirrored hand."""
    return axis_angle_rad * np.array([1.0, -1.0, -1.0], dtype=axis_angle_rad.dtype)


def mirror_pose(pose_rad: Float[np.ndarray, "*batch 48"]) -> Float[np.ndarray, "*batch 48"]:
    """Pose vectors (16 axis-angle triples) of the mirrored hand."""
    return (mirror_axis_angle(pose_rad.reshape(*pose_rad.shape[:-1], 16, 3))).reshape(pose_rad.shape)


def mirror_points(points_m: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Points with x negated."""
    return points_m * np.array([-1.0, 1.0, 1.0], dtype=points_m.dtype)


def mirror_pixels(points_px: Float[np.ndarray, "*batch 2"], width_px: int) -> Float[np.ndarray, "*batch 2"]:
    """Pixels of the left-right mirrored picture; pixel centres are integers, so column 0 becomes column W - 1."""
    mirrored = points_px.copy()
    mirrored[..., 0] = (width_px - 1) - mirrored[..., 0]
    return mirrored


def mirror_faces(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "F 3"]:
    """Triangles with reversed winding, so that a mirrored mesh keeps its normals outside."""
    return np.ascontiguousarray(faces[:, ::-1])
