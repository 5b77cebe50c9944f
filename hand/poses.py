"""Named poses of the right hand, as anatomical angles, and their conversion to the canonical 48 pose numbers.

Angles are degrees from the rest pose in the sense of ``hand.anatomy``: flexion towards the palm, abduction towards
the thumb side. They were found on the embedded model: fingers by hand, thumbs and the last few degrees by letting a
solver bring pulps to their targets (thumb on index, thumb over the fist) and push crossing surfaces apart. They
suit any model in MANO's rest frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.anatomy import rotations_from_angles
from hand.joints import MANO_FINGERS
from hand.rotations import axis_angle_from_matrix


@dataclass(frozen=True, slots=True)
class FingerAngles:
    """Bend of one finger in degrees: knuckle flexion and abduction, then flexion of PIP and DIP."""

    mcp_flexion: float = 0.0
    mcp_abduction: float = 0.0
    pip_flexion: float = 0.0
    dip_flexion: float = 0.0

    def table(self) -> list[tuple[float, float, float]]:
        """(flexion, abduction, twist) of the three joints."""
        return [(self.mcp_flexion, self.mcp_abduction, 0.0), (self.pip_flexion, 0.0, 0.0), (self.dip_flexion, 0.0, 0.0)]


@dataclass(frozen=True, slots=True)
class ThumbAngles:
    """Bend of the thumb in degrees: CMC flexion, abduction and twist, then flexion of MCP and IP."""

    cmc_flexion: float = 0.0
    cmc_abduction: float = 0.0
    cmc_twist: float = 0.0
    mcp_flexion: float = 0.0
    ip_flexion: float = 0.0

    def table(self) -> list[tuple[float, float, float]]:
        """(flexion, abduction, twist) of the three joints."""
        return [
            (self.cmc_flexion, self.cmc_abduction, self.cmc_twist),
            (self.mcp_flexion, 0.0, 0.0),
            (self.ip_flexion, 0.0, 0.0),
        ]


@dataclass(frozen=True, slots=True)
class HandAngles:
    """A pose of the whole hand; a digit that is not given stays at rest."""

    index: FingerAngles = FingerAngles()
    middle: FingerAngles = FingerAngles()
    ring: FingerAngles = FingerAngles()
    pinky: FingerAngles = FingerAngles()
    thumb: ThumbAngles = ThumbAngles()

    def radians(self) -> Float[np.ndarray, "16 3"]:
        """(flexion, abduction, twist) of the 16 joints in MANO order; the wrist is left alone."""
        rows = [(0.0, 0.0, 0.0)]
        for finger in MANO_FINGERS:
            digit: FingerAngles | ThumbAngles = getattr(self, finger)
            rows.extend(digit.table())
        return np.radians(np.array(rows))


_F, _T = FingerAngles, ThumbAngles
# POSES-BEGIN
NAMED_POSES: Final[dict[str, HandAngles]] = {
    "open_hand": HandAngles(),
    "flat_hand": HandAngles(
        index=_F(0, -5, 0, 0),
        ring=_F(0, 4, 0, 0),
        pinky=_F(0, 10, 0, 0),
    ),
    "spread_hand": HandAngles(
        index=_F(-4, 8, 0, 0),
        middle=_F(-4, 0, 0, 0),
        ring=_F(-4, -8, 0, 0),
        pinky=_F(-4, -16, 0, 0),
        thumb=_T(-8, 4, 0, -4, -8),
    ),
    "relaxed": HandAngles(
        index=_F(18, -2, 25, 12),
        middle=_F(24, 0, 30, 15),
        ring=_F(28, 2, 34, 16),
        pinky=_F(30, 5, 34, 16),
        thumb=_T(5, -8, 0, 10, 15),
    ),
    "fist": HandAngles(
        index=_F(80, -4, 98, 60),
        middle=_F(84, -1, 102, 62),
        ring=_F(86, 3, 102, 62),
        pinky=_F(86, 8, 98, 60),
        thumb=_T(19.2, -3.2, -15.3, 37.5, 37.8),
    ),
    "fist_thumb_beside": HandAngles(
        index=_F(80, -4, 98, 60),
        middle=_F(84, -1, 102, 62),
        ring=_F(86, 3, 102, 62),
        pinky=_F(86, 8, 98, 60),
        thumb=_T(3.6, 0.8, -13.2, 40.2, 45),
    ),
    "pinch": HandAngles(
        index=_F(48, -3, 51.1, 27.4),
        middle=_F(30, -1, 35, 18),
        ring=_F(24, 2, 28, 14),
        pinky=_F(18, 4, 22, 12),
        thumb=_T(17.9, 0.9, -10, 16.6, 20.6),
    ),
    "middle_pinch": HandAngles(
        index=_F(20, 0, 25, 15),
        middle=_F(54.1, 0, 55.3, 29),
        ring=_F(28, 2, 34, 16),
        pinky=_F(30, 5, 34, 16),
        thumb=_T(29.7, -1.4, -9.9, 20.8, 20.5),
    ),
    "ok_sign": HandAngles(
        index=_F(47.6, -4, 51.5, 30.3),
        middle=_F(12, 0, 12, 6),
        ring=_F(5, -2, 8, 5),
        pinky=_F(-2, -6, 6, 4),
        thumb=_T(17.1, 0.5, -10.4, 17.4, 21.9),
    ),
    "pointing": HandAngles(
        index=_F(2, -3, 4, 3),
        middle=_F(82, -1, 100, 60),
        ring=_F(85, 3, 102, 62),
        pinky=_F(85, 8, 98, 60),
        thumb=_T(18.2, -2.8, -15.3, 40.2, 39.8),
    ),
    "victory": HandAngles(
        index=_F(0, 8, 0, 0),
        middle=_F(0, -8, 0, 0),
        ring=_F(82, 3, 100, 60),
        pinky=_F(82, 8, 98, 60),
        thumb=_T(32.3, -5.9, -16.6, 39.9, 35),
    ),
    "three": HandAngles(
        index=_F(0, -5, 0, 0),
        ring=_F(15, 3, 20, 10),
        pinky=_F(82, 6, 85, 50),
        thumb=_T(46.3, -8.4, -16.5, 40.6, 31.2),
    ),
    "four": HandAngles(
        index=_F(0, -5, 0, 0),
        ring=_F(0, 4, 0, 0),
        pinky=_F(0, 10, 0, 0),
        thumb=_T(0.1, -20.5, -30, 51.3, 51.9),
    ),
    "gun": HandAngles(
        index=_F(0, 0, 2, 2),
        middle=_F(84, -1, 102, 62),
        ring=_F(86, 3, 102, 62),
        pinky=_F(86, 8, 98, 60),
        thumb=_T(-8, 0, 0, -5, -10),
    ),
    "shaka": HandAngles(
        index=_F(80, -4, 98, 60),
        middle=_F(84, -1, 102, 62),
        ring=_F(86, 3, 102, 62),
        pinky=_F(0, -4, 3, 3),
        thumb=_T(-6, 0, 0, -3, -8),
    ),
    "horns": HandAngles(
        index=_F(0, 2, 3, 2),
        middle=_F(84, -1, 102, 62),
        ring=_F(86, 3, 102, 62),
        pinky=_F(0, -4, 3, 3),
        thumb=_T(16.8, -2.6, -15.8, 43.7, 42.3),
    ),
    "thumb_up": HandAngles(
        index=_F(80, -4, 98, 60),
        middle=_F(84, -1, 102, 62),
        ring=_F(86, 3, 102, 62),
        pinky=_F(86, 8, 98, 60),
        thumb=_T(-8, 0, 0, -5, -10),
    ),
    "claw": HandAngles(
        index=_F(10, 2, 60, 40),
        middle=_F(10, 0, 62, 42),
        ring=_F(10, -2, 62, 42),
        pinky=_F(12, -5, 60, 40),
        thumb=_T(8, 0, -8, 15, 35),
    ),
    "grasp": HandAngles(
        index=_F(35, 0, 40, 25),
        middle=_F(38, 0, 42, 25),
        ring=_F(42, 0, 45, 28),
        pinky=_F(45, 2, 45, 28),
        thumb=_T(15, 18, -5, 12, 20),
    ),
    "key_grip": HandAngles(
        index=_F(45, -2, 70, 40),
        middle=_F(55, 0, 75, 45),
        ring=_F(60, 2, 75, 45),
        pinky=_F(60, 5, 75, 45),
        thumb=_T(17, -6.5, -11.7, 3.5, -8.4),
    ),
}
"""The poses that the contact sheet shows and that tests hold free of crossings; ``open_hand`` is the rest pose."""
# POSES-END


def pose_from_angles(angles: HandAngles, joint_axes: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "48"]:
    """Canonical pose numbers (axis-angle, absolute, MANO order, no global rotation) of anatomical angles.

    Args:
        angles: the pose.
        joint_axes: anatomical frames of the model, ``HandModel.joint_axes`` or ``hand.anatomy.anatomical_frames``.
    """
    return axis_angle_from_matrix(rotations_from_angles(angles.radians(), joint_axes)).reshape(48)


def named_pose(name: str, joint_axes: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "48"]:
    """Canonical pose numbers of one of :data:`NAMED_POSES`.

    Raises:
        KeyError: there is no pose of that name.
    """
    return pose_from_angles(NAMED_POSES[name], joint_axes)
