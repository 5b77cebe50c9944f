"""How reliable a label is: its agreement with landmarks, live solution and network, and its weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from app.labelling.evidence import FrameEvidence
from hand.camera import Intrinsics, project
from hand.metrics import aligned
from ik_baseline.solver import IkSolution

LANDMARKS_HALF_MM: Final = 14.0
"""Mean distance from the smoothed hand to the frame's own landmarks at which weight is halved."""

LIVE_HALF_MM: Final = 16.0
"""Distance of the live solution, aligned, at which weight is halved."""

NETWORK_HALF_MM: Final = 30.0
"""The same of the network's hand: the pass exists for networks that were not trained on this hand yet."""

PICTURE_HALF: Final = 0.09
"""Mean distance in the picture over the hand's box at which weight is halved."""

NO_IMAGE: Final = 1e3
"""The same distance of a joint at or behind the camera, which has no place in the picture: far from any."""

LEAST_WEIGHT: Final = 0.12
"""Labels of less weight are rejected."""

TRUSTED_NETWORK: Final = 0.3
"""Confidence from which on the network's hand counts."""


@dataclass(frozen=True, slots=True)
class LabelWeight:
    """Assessment of one label.

    Attributes:
        weight: how reliable it is, 0 to 1; 0 rejects it.
        reasons: what counts against it.
        agreement: how far each estimate is from it, by name.
    """

    weight: float
    reasons: tuple[str, ...]
    agreement: dict[str, float]


def weight_label(evidence: FrameEvidence, solution: IkSolution, intrinsics: Intrinsics) -> LabelWeight:
    """Compares a solved hand with all estimates of it.

    Args:
        evidence: of the hand.
        solution: of the whole session, at this frame.
        intrinsics: of the picture.
    """
    joints = solution.joints_m
    box_px = max(float(np.ptp(evidence.observation.landmarks_px, axis=0).max()), 1.0)
    in_picture = np.linalg.norm(project(solution.landmarks_m, intrinsics) - evidence.observation.landmarks_px, axis=1)
    agreement = {
        "landmarks_mm": float(solution.world_residual_m.mean()) * 1e3,
        "picture": float(np.nan_to_num(in_picture / box_px, nan=NO_IMAGE).mean()),
    }
    doubts = [
        ("landmarks jump away from the movement", agreement["landmarks_mm"] / LANDMARKS_HALF_MM),
        ("the hand does not lie on the picture", agreement["picture"] / PICTURE_HALF),
    ]
    if evidence.live is not None:
        agreement["ik_mm"] = apart_mm(evidence.live.joints_m, joints)
        doubts.append(("the live solution differs", agreement["ik_mm"] / LIVE_HALF_MM))
    if evidence.network is not None and evidence.network.side == solution.side:
        agreement["network_mm"] = apart_mm(evidence.network.joints_m, joints)
        if evidence.network.confidence >= TRUSTED_NETWORK:
            doubts.append(("the network differs", agreement["network_mm"] / NETWORK_HALF_MM))
    weight = evidence.observation.score**0.5 * (1.0 - 0.5 * solution.pressed)
    for _, doubt in doubts:
        weight /= 1.0 + doubt**2
    reasons = [phrase for phrase, doubt in doubts if doubt > 1.0]
    if evidence.side_changed:
        weight, reasons = 0.5 * weight, [*reasons, "taken for the other hand for a moment"]
    if evidence.observation.score < 0.35:
        reasons.append("hardly evidence as a hand")
    if weight < LEAST_WEIGHT:
        return LabelWeight(0.0, tuple(reasons) or ("several small doubts",), agreement)
    return LabelWeight(float(min(weight, 1.0)), tuple(reasons), agreement)


def apart_mm(other_m: Float[np.ndarray, "21 3"], joints_m: Float[np.ndarray, "21 3"]) -> float:
    """Mean distance of joints after the other hand was laid on this one: form counts, not size or place."""
    moved = aligned(np.asarray(other_m, np.float64), joints_m)
    return float(np.linalg.norm(moved - joints_m, axis=1).mean()) * 1e3
