"""Two calibrated cameras: where the second stands, and how far two pixels are from being one point."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.checked_files import finite_array


@dataclass(frozen=True, slots=True, eq=False)
class CameraPair:
    """The geometry of two cameras.

    Attributes:
        first: intrinsics of the first camera; its axes are the pair's world axes.
        second: intrinsics of the second camera.
        rotation: from the first camera's axes to the second's.
        translation_m: added after the rotation: X_second = rotation @ X_first + translation.
    """

    first: Intrinsics
    second: Intrinsics
    rotation: Float[np.ndarray, "3 3"]
    translation_m: Float[np.ndarray, "3"]

    @property
    def intrinsics(self) -> tuple[Intrinsics, Intrinsics]:
        """Of the first camera and of the second."""
        return self.first, self.second

    @property
    def baseline_m(self) -> float:
        """Distance between the two cameras."""
        return float(np.linalg.norm(self.translation_m))

    @property
    def views(self) -> tuple[tuple[Intrinsics, np.ndarray, np.ndarray], tuple[Intrinsics, np.ndarray, np.ndarray]]:
        """Intrinsics, rotation and translation from the first camera's axes, of both views."""
        return (self.first, np.eye(3), np.zeros(3)), (self.second, self.rotation, self.translation_m)

    def to_second(self, points_m: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Points in the first camera's axes, in the second's."""
        return points_m @ self.rotation.T + self.translation_m

    def angle_at(self, point_m: Float[np.ndarray, "3"]) -> float:
        """Angle in degrees between the directions from a point (first camera's axes) to the two cameras."""
        centre = -self.rotation.T @ self.translation_m
        one, other = -point_m, centre - point_m
        cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))

    def fundamental(self) -> Float[np.ndarray, "3 3"]:
        """F with x_second^T F x_first = 0 in pixels (Hartley and Zisserman 2004, eq. 9.12)."""
        x, y, z = self.translation_m
        cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        return np.asarray(
            np.linalg.inv(self.second.matrix()).T @ cross @ self.rotation @ np.linalg.inv(self.first.matrix())
        )

    def epipolar_errors_px(
        self, first_px: Float[np.ndarray, "*batch 2"], second_px: Float[np.ndarray, "*batch 2"]
    ) -> Float[np.ndarray, "*batch"]:
        """Signed Sampson distance of pixel pairs: one standard deviation where both have that error on each axis.

        Hartley and Zisserman 2004, eq. 11.9, before squaring; NaN where either pixel is.
        """
        fundamental = self.fundamental()
        ones = np.ones((*first_px.shape[:-1], 1))
        one, other = np.concatenate([first_px, ones], -1), np.concatenate([second_px, ones], -1)
        lines_in_second, lines_in_first = one @ fundamental.T, other @ fundamental
        gradient = (lines_in_second[..., :2] ** 2).sum(-1) + (lines_in_first[..., :2] ** 2).sum(-1)
        return np.asarray((other * lines_in_second).sum(-1) / np.sqrt(np.maximum(gradient, 1e-18)))


def pair_to_json(pair: CameraPair) -> dict[str, Any]:
    """Both cameras as plain values, for a file."""
    return {
        "intrinsics": [asdict(pair.first), asdict(pair.second)],
        "rotation": pair.rotation.tolist(),
        "translation_m": pair.translation_m.tolist(),
    }


def pair_from_json(content: Any) -> CameraPair:
    """The cameras in a file's content; other entries are ignored.

    Raises:
        KeyError, TypeError, ValueError, IntrinsicsError: it is something else.
    """
    first, second = (Intrinsics(**camera) for camera in content["intrinsics"])
    rotation = finite_array(content["rotation"], (3, 3))
    translation_m = finite_array(content["translation_m"], (3,))
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6) or np.linalg.det(rotation) < 0.0:
        raise ValueError("its rotation is none")
    return CameraPair(first, second, rotation, translation_m)
