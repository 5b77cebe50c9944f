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
NAMED_POSES: Final[dict[str, HandAngles]] = {
    "open_hand": HandAngles(),
    "flat_hand": HandAngles(
        index=_F(0.0, -5.0, 0.0, 0.0),
        ring=_F(0.0, 4.0, 0.0, 0.0),
        pinky=_F(0.0, 10.0, 0.0, 0.0),
    ),
    "spread_hand": HandAngles(
        index=_F(-4.0, 8.0, 0.0, 0.0),
        middle=_F(-4.0, 0.0, 0.0, 0.0),
        ring=_F(-4.0, -8.0, 0.0, 0.0),
        pinky=_F(-4.0, -16.0, 0.0, 0.0),
        thumb=_T(-8.0, 4.0, 0.0, -4.0, -8.0),
    ),
    "relaxed": HandAngles(
        index=_F(18.0, -2.0, 25.0, 12.0),
        middle=_F(24.0, 0.0, 30.0, 15.0),
        ring=_F(28.0, 2.0, 34.0, 16.0),
        pinky=_F(30.0, 5.0, 34.0, 16.0),
        thumb=_T(5.0, -8.0, 0.0, 10.0, 15.0),
    ),
    "fist": HandAngles(
        index=_F(76.2, -5.5, 109.0, 66.2),
        middle=_F(85.0, -2.1, 94.9, 66.0),
        ring=_F(80.0, 1.0, 100.4, 66.7),
        pinky=_F(79.1, 8.2, 96.2, 64.0),
        thumb=_T(37.2, 32.2, -35.3, 38.5, 27.1),
    ),
    "fist_thumb_beside": HandAngles(
        index=_F(77.4, -5.9, 99.8, 66.0),
        middle=_F(80.7, -0.7, 107.6, 66.2),
        ring=_F(83.8, 1.7, 97.1, 66.8),
        pinky=_F(79.1, 8.2, 96.2, 64.0),
        thumb=_T(6.6, 14.6, -38.1, 43.2, 22.3),
    ),
    "pinch": HandAngles(
        index=_F(42.9, -4.5, 47.7, 26.7),
        middle=_F(30.0, -1.0, 35.0, 18.0),
        ring=_F(24.0, 2.0, 28.0, 14.0),
        pinky=_F(18.0, 4.0, 22.0, 12.0),
        thumb=_T(29.2, 7.7, -20.7, 6.3, -5.1),
    ),
    "middle_pinch": HandAngles(
        index=_F(20.0, 0.0, 25.0, 15.0),
        middle=_F(46.9, -1.9, 51.0, 29.3),
        ring=_F(28.0, 2.0, 34.0, 16.0),
        pinky=_F(30.0, 5.0, 34.0, 16.0),
        thumb=_T(42.9, 2.9, -15.1, 5.5, -14.3),
    ),
    "ok_sign": HandAngles(
        index=_F(42.4, -5.5, 47.9, 29.6),
        middle=_F(12.0, 0.0, 12.0, 6.0),
        ring=_F(5.0, -2.0, 8.0, 5.0),
        pinky=_F(-2.0, -6.0, 6.0, 4.0),
        thumb=_T(28.0, 6.9, -20.6, 7.5, -3.6),
    ),
    "pointing": HandAngles(
        index=_F(2.0, -2.8, 4.0, 3.0),
        middle=_F(80.0, -2.4, 97.3, 66.1),
        ring=_F(81.3, 1.6, 100.4, 66.9),
        pinky=_F(79.1, 8.2, 96.3, 64.0),
        thumb=_T(41.5, 35.0, -37.9, 38.2, 14.9),
    ),
    "victory": HandAngles(
        index=_F(0.0, 8.0, 0.0, 0.0),
        middle=_F(-0.3, -8.1, 0.0, 0.0),
        ring=_F(81.0, 1.6, 98.6, 66.7),
        pinky=_F(79.4, 8.2, 96.4, 64.0),
        thumb=_T(43.0, 22.6, -27.7, 46.0, 13.7),
    ),
    "three": HandAngles(
        index=_F(0.0, 2.0, 0.0, 0.0),
        ring=_F(6.0, -2.0, 6.0, 4.0),
        pinky=_F(78.8, 3.1, 89.5, 60.2),
        thumb=_T(55.0, 23.2, -22.3, 54.5, 7.0),
    ),
    "four": HandAngles(
        index=_F(-0.2, -4.9, 0.0, 0.0),
        ring=_F(-1.0, 4.0, 0.0, 0.0),
        pinky=_F(-0.2, 10.0, 0.0, 0.0),
        thumb=_T(16.1, -6.6, -40.0, 62.5, 47.9),
    ),
    "gun": HandAngles(
        index=_F(0.0, 0.0, 2.0, 2.0),
        middle=_F(84.1, -1.1, 98.9, 65.7),
        ring=_F(79.2, 0.8, 100.6, 66.7),
        pinky=_F(79.2, 8.2, 96.3, 64.0),
        thumb=_T(-8.0, 0.1, 0.1, -5.0, -10.0),
    ),
    "shaka": HandAngles(
        index=_F(80.7, -5.3, 109.0, 66.1),
        middle=_F(84.1, -1.2, 98.4, 66.0),
        ring=_F(79.4, 0.9, 100.6, 66.7),
        pinky=_F(0.0, -4.0, 3.0, 3.0),
        thumb=_T(-6.0, 0.0, 0.0, -3.0, -8.0),
    ),
    "horns": HandAngles(
        index=_F(0.0, 2.2, 3.0, 2.0),
        middle=_F(83.8, -2.5, 94.4, 66.0),
        ring=_F(79.1, 1.4, 100.0, 66.7),
        pinky=_F(0.0, -4.0, 3.0, 3.0),
        thumb=_T(36.6, 34.4, -36.9, 46.8, 12.5),
    ),
    "thumb_up": HandAngles(
        index=_F(81.1, -5.3, 109.0, 66.1),
        middle=_F(84.4, -1.1, 99.0, 66.0),
        ring=_F(79.7, 0.5, 100.6, 66.7),
        pinky=_F(79.2, 8.2, 96.3, 64.0),
        thumb=_T(-8.0, 0.0, 0.0, -5.0, -10.0),
    ),
    "claw": HandAngles(
        index=_F(10.0, 2.0, 60.0, 40.0),
        middle=_F(10.0, 0.0, 62.0, 42.0),
        ring=_F(10.0, -2.0, 62.0, 42.0),
        pinky=_F(12.0, -5.0, 60.0, 40.0),
        thumb=_T(8.0, 0.0, -8.0, 15.0, 35.0),
    ),
    "grasp": HandAngles(
        index=_F(35.0, 0.0, 40.0, 25.0),
        middle=_F(38.0, 0.0, 42.0, 25.0),
        ring=_F(42.0, 0.0, 45.0, 28.0),
        pinky=_F(45.0, 2.0, 45.0, 28.0),
        thumb=_T(15.0, 18.0, -5.0, 12.0, 20.0),
    ),
    "key_grip": HandAngles(
        index=_F(46.0, -2.0, 70.7, 40.0),
        middle=_F(55.0, 0.0, 75.0, 45.0),
        ring=_F(60.0, 2.0, 75.0, 45.0),
        pinky=_F(60.0, 5.0, 75.0, 45.0),
        thumb=_T(20.3, -2.9, -14.7, 4.5, -9.1),
    ),
}
"""The poses that the contact sheet shows and that tests hold free of crossings; ``open_hand`` is the rest pose."""


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
