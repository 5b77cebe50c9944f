"""From measures to joints: rest positions, anatomical axes, finger tips, and forward kinematics.

Anatomical frame, millimetres (see the package docstring); joints in MANO order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hand.build.anthropometry import FingerMeasures, HandMeasures, Proportions
from hand.joints import FINGERS, MANO_FINGERS, MANO_PARENTS

FOUR_FINGERS = ("index", "middle", "ring", "pinky")
"""The fingers side by side, from the thumb outwards."""

FIRST_JOINT = {finger: 1 + 3 * k for k, finger in enumerate(MANO_FINGERS)}
"""MANO index of each digit's first joint."""


_FULL_PALM_BREADTH_MM = 60.0
"""From here on towards the fingers the palm takes its whole breadth factor."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Rest skeleton of one hand.

    Attributes:
        measures: the reference measures it was made from.
        proportions: the factors on them.
        joints_mm: 16 joint centres.
        frames: 16 bone frames; columns are the radial, distal and palmar direction of the bone.
        segments_mm: the three segment lengths of each digit, proportions applied.
        half_breadths_mm: the four half-breadths of each digit, proportions applied.
    """

    measures: HandMeasures
    proportions: Proportions
    joints_mm: Float[np.ndarray, "16 3"]
    frames: Float[np.ndarray, "16 3 3"]
    segments_mm: dict[str, Float[np.ndarray, "3"]]
    half_breadths_mm: dict[str, Float[np.ndarray, "4"]]

    def along(self, digit: str, segment: int, fraction: float) -> Float[np.ndarray, "3"]:
        """The point at a fraction of a segment's length on its axis."""
        joint = FIRST_JOINT[digit] + segment
        return self.joints_mm[joint] + self.frames[joint][:, 1] * (self.segments_mm[digit][segment] * fraction)

    def palm_stretch(self, reference_distal_mm: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n 3"]:
        """Factors on the palm along radial, distal and palmar.

        Args:
            reference_distal_mm: distal coordinate in the reference hand; breadth grows in from the wrist, which has a
                breadth of its own.
        """
        rise = np.clip(reference_distal_mm / _FULL_PALM_BREADTH_MM, 0.0, 1.0)
        breadth = 1.0 + (self.proportions.palm_breadth - 1.0) * rise * rise * (3.0 - 2.0 * rise)
        length = np.full_like(breadth, self.proportions.palm_length)
        return np.stack([breadth, length, np.ones_like(breadth)], axis=1)


def frame_along(distal: Float[np.ndarray, "3"], palmar: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """A right-handed frame whose second column is ``distal`` and whose third is as near to ``palmar`` as it can be."""
    y = distal / np.linalg.norm(distal)
    z = palmar - y * (palmar @ y)
    z = z / np.linalg.norm(z)
    return np.stack([np.cross(y, z), y, z], axis=1)


def build_skeleton(measures: HandMeasures, proportions: Proportions | None = None) -> Skeleton:
    """Rest skeleton of the hand with these measures and proportions.

    ``overall_size`` is left out: it scales the finished surface exactly, see ``hand.build.shape_space``.
    """
    proportions = proportions or Proportions()
    palm = np.array([proportions.palm_breadth, proportions.palm_length, 1.0])
    joints = np.zeros((16, 3))
    frames = np.tile(np.eye(3), (16, 1, 1))
    segments: dict[str, Float[np.ndarray, "3"]] = {}
    breadths: dict[str, Float[np.ndarray, "4"]] = {}
    for digit in FINGERS:
        first = FIRST_JOINT[digit]
        if digit == "thumb":
            thumb = measures.thumb
            joints[first] = np.array(thumb.cmc_mm) * palm
            rotations = [frame_along(np.array(d), np.array(thumb.pulp_direction)) for d in thumb.directions]
            length_factor = proportions.thumb_length
            segment_lengths, half_breadths = thumb.segments_mm, thumb.half_breadths_mm
        else:
            finger = measures.finger(digit)
            joints[first] = np.array(finger.mcp_mm) * palm
            rotations = _finger_frames(finger)
            length_factor = proportions.finger_length * _index_ring_factor(digit, proportions)
            segment_lengths, half_breadths = finger.segments_mm, finger.half_breadths_mm
        segments[digit] = np.array(segment_lengths) * length_factor
        breadths[digit] = np.array(half_breadths) * proportions.finger_breadth
        end = joints[first]
        for k, rotation in enumerate(rotations):
            joints[first + k] = end
            frames[first + k] = rotation
            end = end + rotation[:, 1] * segments[digit][k]
    return Skeleton(measures, proportions, joints, frames, segments, breadths)


def bone_transforms(
    joints_mm: Float[np.ndarray, "16 3"], rotations: Float[np.ndarray, "16 3 3"]
) -> Float[np.ndarray, "16 4 4"]:
    """Rigid motion of each bone from rest to pose, MANO's forward kinematics.

    Args:
        joints_mm: rest joints.
        rotations: rotation of each joint relative to its parent, in the axes of the rest frame.

    Returns:
        For each bone the 4x4 that takes a rest point to its posed place.
    """
    world = np.tile(np.eye(4), (16, 1, 1))
    for joint, parent in enumerate(MANO_PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints_mm[joint] - (joints_mm[parent] if parent >= 0 else 0.0)
        world[joint] = local if parent < 0 else world[parent] @ local
    relative = world.copy()
    relative[:, :3, 3] -= np.einsum("jab,jb->ja", world[:, :3, :3], joints_mm)
    return relative


def _finger_frames(finger: FingerMeasures) -> list[Float[np.ndarray, "3 3"]]:
    """Frames of the three phalanges: spread in the palm plane, then one small rest bend after the other."""
    rotation = _rotation_z(-np.radians(finger.spread_deg))
    frames = []
    for bend_deg in finger.rest_flexion_deg:
        rotation = rotation @ _rotation_x(np.radians(bend_deg))
        frames.append(rotation)
    return frames


def _index_ring_factor(digit: str, proportions: Proportions) -> float:
    """The ratio is shared evenly: the index finger takes its square root, the ring finger the inverse."""
    root = float(np.sqrt(proportions.index_ring_ratio))
    return {"index": root, "ring": 1.0 / root}.get(digit, 1.0)


def _rotation_x(angle_rad: float) -> Float[np.ndarray, "3 3"]:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _rotation_z(angle_rad: float) -> Float[np.ndarray, "3 3"]:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
