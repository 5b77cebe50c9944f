"""Joint orders: the one table that every other file translates through.

Two orders meet in this field, and confusing them costs tens of millimetres without any error message:

* **MANO order**, 16 joints: wrist, then index, middle, *pinky*, ring, thumb, three joints each.
* **The 21 joints** shared by FreiHAND, OpenPose and MediaPipe: wrist, then thumb, index, middle, ring, pinky, four each
  from the base to the tip.

The reordering table was read in manopth and HaMeR; tests check it against the names below.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int

FINGERS: Final = ("thumb", "index", "middle", "ring", "pinky")
"""Fingers in the order of the 21 joints, and of every list of five finger tips."""

MANO_FINGERS: Final = ("index", "middle", "pinky", "ring", "thumb")
"""Fingers in the order of MANO's 15 articulated joints."""

MANO_JOINT_NAMES: Final = ("wrist", *(f"{finger}{k}" for finger in MANO_FINGERS for k in (1, 2, 3)))
"""Names of the 16 MANO joints; finger joints count from the palm outwards."""

MANO_PARENTS: Final = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
"""Parent of each MANO joint, -1 for the wrist (MANO's ``kintree_table[0]``)."""

JOINT_NAMES: Final = (
    "wrist",
    "thumb_cmc",
    "thumb_mcp",
    "thumb_ip",
    "thumb_tip",
    "index_mcp",
    "index_pip",
    "index_dip",
    "index_tip",
    "middle_mcp",
    "middle_pip",
    "middle_dip",
    "middle_tip",
    "ring_mcp",
    "ring_pip",
    "ring_dip",
    "ring_tip",
    "pinky_mcp",
    "pinky_pip",
    "pinky_dip",
    "pinky_tip",
)
"""Names of the 21 joints in the common order."""

FROM_MANO_WITH_TIPS: Final = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
"""Index into [16 MANO joints + tips thumb, index, middle, ring, pinky] for each of the 21 joints."""

TO_MANO_WITH_TIPS: Final = tuple(FROM_MANO_WITH_TIPS.index(k) for k in range(21))
"""The inverse of :data:`FROM_MANO_WITH_TIPS`; HO-3D is annotated and submitted in that order."""

BONES: Final = tuple(
    (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1) for finger in range(5) for joint in range(4)
)
"""The 20 bones of the 21-joint skeleton as (nearer the wrist, nearer the tip)."""

TIP_JOINTS: Final = (4, 8, 12, 16, 20)
"""The five finger tips among the 21 joints, thumb to pinky."""

TIP_VERTICES: Final = {
    "manopth": (745, 317, 444, 556, 673),
    "manotorch": (745, 317, 444, 556, 673),
    "manopth-left": (745, 317, 445, 556, 673),
    "manotorch-left": (745, 317, 445, 556, 673),
    "smplx": (744, 320, 443, 554, 671),
    "hamer": (744, 320, 443, 554, 671),
    "freihand": (744, 320, 443, 555, 672),
    "ho3d": (744, 333, 444, 555, 672),
}
"""Tip vertices of the 778-vertex MANO mesh, thumb to pinky: a property of the data set or library compared with."""


def from_mano_order(joints_with_tips: Float[np.ndarray, "*batch 21 3"]) -> Float[np.ndarray, "*batch 21 3"]:
    """Reorders 16 MANO joints followed by five tips (thumb to pinky) into the common 21-joint order."""
    return joints_with_tips[..., FROM_MANO_WITH_TIPS, :]


def to_mano_order(joints: Float[np.ndarray, "*batch 21 3"]) -> Float[np.ndarray, "*batch 21 3"]:
    """Reorders the common 21 joints into 16 MANO joints followed by five tips (thumb to pinky)."""
    return joints[..., TO_MANO_WITH_TIPS, :]


def mano_joint_to_common() -> Int[np.ndarray, "16"]:
    """Position of each of the 16 MANO joints among the 21 joints."""
    return np.array(TO_MANO_WITH_TIPS[:16])
