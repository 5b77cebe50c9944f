"""One hand from the poses and the 2D joints of two paths that saw the same hand.

The estimate is a maximum a posteriori one: the mean of both poses, weighted by their precisions in the situation at hand,
is the prior, and the 2D joints of both, weighted by theirs, are the measurement (docs/fusion.md has the equations).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from hand.anatomy import anatomical_frames, angles_from_rotations, joint_limits, rotations_from_angles
from hand.camera import Intrinsics, project
from hand.errors import ConfigError
from hand.joints import MANO_FINGERS
from hand.layer import HandLayer
from hand.metrics import aligned
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose
from hand.model import HandModel
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from hand.types import HandState
from inference.fusion_kernel import (
    HAND_FEATURES,
    JOINT_FEATURES,
    combine_places,
    describe_pair,
    ik_shares,
    mean_rotations,
)
from trainer.settling import believed_precisions, settle

SCHEMA: Final = 1

GROUPS: Final = ("wrist", "knuckles", "hinges", "thumb")
"""Joints that share how their weights change with the situation."""


def joint_groups() -> Int[np.ndarray, "16"]:
    """The number in :data:`GROUPS` of each of the 16 MANO joints."""
    groups = np.zeros(16, np.int64)
    for joint in range(1, 16):
        thumb = MANO_FINGERS[(joint - 1) // 3] == "thumb"
        groups[joint] = 3 if thumb else 1 if joint % 3 == 1 else 2
    return groups


@dataclass(frozen=True, slots=True, eq=False)
class FusionWeights:
    """What each path is worth, as ``benchmarks.fit_fusion_weights`` measured it.

    Attributes:
        bias: log of IK's precision over the network's about each anatomical axis, in an average situation.
        slopes: how it changes with the features of hand and joint, by group of joints.
        shape_share: IK's share of the shape.
        network_sigma_factor: the network's expected 2D errors are multiplied by this.
        ik_deviation: expected 2D error of the hand finder's joints, over the hand's box.
        prior_factor: the prior's deviations are those of the network's refinement times this.
        confidence: offset, and slope for each feature of the hand and the paths' mean distance, of the logistic curve of
            the fused hand's confidence.
        credible_network: offset and slope of the probability that the network's hand is right, over its log odds.
        credible_ik: the same of IK's.
        contradiction_mm: mean distance of the aligned joints from which the paths contradict each other.
    """

    bias: Float[np.ndarray, "16 3"]
    slopes: Float[np.ndarray, "G F"]
    shape_share: float
    network_sigma_factor: float
    ik_deviation: Float[np.ndarray, "21"]
    prior_factor: float
    confidence: Float[np.ndarray, "10"]
    credible_network: tuple[float, float]
    credible_ik: tuple[float, float]
    contradiction_mm: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "schema": SCHEMA,
            "groups": list(GROUPS),
            "features": [*HAND_FEATURES, *JOINT_FEATURES],
            "bias": np.round(self.bias, 4).tolist(),
            "slopes": np.round(self.slopes, 4).tolist(),
            "shape_share": round(self.shape_share, 4),
            "network_sigma_factor": round(self.network_sigma_factor, 4),
            "ik_deviation": np.round(self.ik_deviation, 5).tolist(),
            "prior_factor": round(self.prior_factor, 4),
            "confidence": np.round(self.confidence, 4).tolist(),
            "credible_network": [round(value, 4) for value in self.credible_network],
            "credible_ik": [round(value, 4) for value in self.credible_ik],
            "contradiction_mm": round(self.contradiction_mm, 2),
        }
