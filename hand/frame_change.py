"""A posed hand in another coordinate frame: why its translation changes along with its rotation.

MANO turns a hand about its own root joint j and adds the translation t afterwards: x = R (v - j) + j + t. In a frame
that maps a point x to A x + b the same hand has the rotation A R, and its translation is not A t + b, because j itself
is not turned by R: A x + b = (A R) (v - j) + A (j + t) + b, so that t' = A (j + t) + b - j. Leaving the root out costs
the length of (A j - j), some 10 cm of a MANO hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from hand.mirror import mirror_points
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle

_MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True, eq=False)
class FrameChange:
    """From one frame to another: ``point' = rotation @ point + shift_m``.

    Attributes:
        rotation: proper rotation.
        shift_m: added afterwards.
    """

    rotation: Float[np.ndarray, "3 3"]
    shift_m: Float[np.ndarray, "3"]

    def points(self, points_m: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Points in the other frame."""
        return points_m @ self.rotation.T + self.shift_m

    def pose(self, pose_rad: Float[np.ndarray, "48"]) -> Float[np.ndarray, "48"]:
        """A pose in the other frame: the global rotation turns along, the fingers stay."""
        turned = pose_rad.copy()
        turned[:3] = axis_angle_from_matrix(self.rotation @ matrix_from_axis_angle(pose_rad[:3]))
        return turned

    def translation(
        self, translation_m: Float[np.ndarray, "3"], root_m: Float[np.ndarray, "3"]
    ) -> Float[np.ndarray, "3"]:
        """MANO's translation in the other frame.

        Args:
            translation_m: in this frame.
            root_m: the root joint of the person's rest hand (``ShapedHand.joints_m[0]``).
        """
        return self.points(root_m + translation_m) - root_m

    def inverse(self) -> FrameChange:
        """The way back."""
        return FrameChange(self.rotation.T, -self.rotation.T @ self.shift_m)

    def mirrored(self) -> FrameChange:
        """The same change between the mirror images (x negated) of both frames."""
        return replace(self, rotation=_MIRROR @ self.rotation @ _MIRROR, shift_m=mirror_points(self.shift_m))


OPENGL_TO_OPENCV = FrameChange(np.diag([1.0, -1.0, -1.0]), np.zeros(3))
"""From OpenGL's camera axes (y up, z backwards) to OpenCV's, and back: half a turn about x."""
