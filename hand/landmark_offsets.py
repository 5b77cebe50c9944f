"""Where the hand-landmark network's landmarks lie on the hand model: measured offsets from the model's joints."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.joints import MANO_PARENTS

OFFSETS_FILE: Final = Path(__file__).resolve().parent.parent / "assets" / "hand_finder" / "landmark_offsets.json"
"""Offsets of the landmarks on a model hand; the file names the command that measured them."""

BONE_OF_LANDMARK: Final = np.array((0, 0, 13, 14, 15, 0, 1, 2, 3, 0, 4, 5, 6, 0, 10, 11, 12, 0, 7, 8, 9))
"""The MANO joint with the bone that ends at each landmark: its offset, and a tip, moves with that bone."""


def measured_offsets_m() -> Float[np.ndarray, "21 3"]:
    """Landmark minus model joint, in the rest axes of the bone that ends at it, for an average hand."""
    return np.array(_offsets_mm(), dtype=np.float64) / 1e3


def landmarks_of_joints(
    rotations: Float[np.ndarray, "16 3 3"], joints_m: Float[np.ndarray, "21 3"]
) -> Float[np.ndarray, "21 3"]:
    """Where the landmark network would see the landmarks of a posed right hand if it made no errors.

    Args:
        rotations: of the MANO joints, each relative to its parent, the first in the axes of ``joints_m``.
        joints_m: the hand model's joints.
    """
    absolute = np.array(rotations, np.float64)
    for joint in range(1, len(absolute)):
        absolute[joint] = absolute[MANO_PARENTS[joint]] @ absolute[joint]
    offsets_m = np.einsum("kij,kj->ki", absolute[BONE_OF_LANDMARK], measured_offsets_m())
    return np.asarray(joints_m, np.float64) + offsets_m


@lru_cache(maxsize=1)
def _offsets_mm() -> list[list[float]]:
    content: dict[str, list[list[float]]] = json.loads(OFFSETS_FILE.read_text(encoding="utf-8"))
    return content["landmark_offsets_mm"]
