"""How much of the movement that a calibration needs was seen: for how long, and in how many ways the hand moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool

from app.two_views.evidence import PATHS, ViewTrack
from hand.joints import TIP_JOINTS

ENOUGH_S: Final = 20.0
"""With the hand in both views."""

ENOUGH_IN_ANY_CASE_S: Final = 40.0
"""A hand that does not move in every way is calibrated from all the same after so long."""

ENOUGH_TURN_DEG: Final = 25.0
ENOUGH_NEARER: Final = 0.15
ENOUGH_OPENING: Final = 0.35
_ODD_FRAMES: Final = 0.1
"""Share of the frames at either end that are not counted: one mistaken hand is no movement."""


@dataclass(frozen=True, slots=True)
class MovementProgress:
    """Movement of the hand in both views so far.

    Attributes:
        seconds: with the hand in both views.
        turn_deg: how far the palm turned to either side of its usual direction.
        nearer: how much farther away the hand was at its farthest than at its nearest, as a share.
        opening: how far each finger tip went out and in, over the length of the palm; mean over the fingers.
    """

    seconds: float = 0.0
    turn_deg: float = 0.0
    nearer: float = 0.0
    opening: float = 0.0

    @property
    def share(self) -> float:
        """Of what is needed, 0 to 1; 1 is enough."""
        parts = (
            self.seconds / ENOUGH_S,
            self.turn_deg / ENOUGH_TURN_DEG,
            self.nearer / ENOUGH_NEARER,
            self.opening / ENOUGH_OPENING,
        )
        moved = sum(min(part, 1.0) for part in parts) / len(parts)
        # a hand seen for a moment may have moved in every way
        return max(min(moved, self.seconds / ENOUGH_S), min(self.seconds / ENOUGH_IN_ANY_CASE_S, 1.0))

    @property
    def enough(self) -> bool:
        """Whether a calibration can begin."""
        return self.share >= 1.0

    def describe(self) -> str:
        """What was seen, and what to do next, for people."""
        if self.seconds < 0.5:
            return "Move one open hand slowly where both cameras see it."
        seen = f"Both cameras have seen the hand for {self.seconds:.0f} s of {ENOUGH_S:.0f}"
        if self.turn_deg < ENOUGH_TURN_DEG:
            return f"{seen}; turn it to the left and right."
        if self.opening < ENOUGH_OPENING:
            return f"{seen}; close it and open it."
        if self.nearer < ENOUGH_NEARER:
            return f"{seen}; move it nearer and farther away."
        return f"{seen}; go on moving it about."


def movement_progress(first: ViewTrack, second: ViewTrack) -> MovementProgress:
    """Measures the movement.

    Args:
        first: the hand in the first view.
        second: the hand in the second view at the same moments.
    """
    seen = {path: _seen(first, path) & _seen(second, path) for path in PATHS if path in first.joints_m}
    path = max(seen, key=lambda name: int(seen[name].sum()), default="")
    if not path or seen[path].sum() < 2:
        return MovementProgress()
    joints = first.joints_m[path][seen[path]]
    steps = np.diff(first.times_s[seen[path]])
    usual = float(np.median(np.diff(first.times_s)))
    palm = np.maximum(np.linalg.norm(joints[:, 9] - joints[:, 0], axis=-1), 1e-3)
    normal = np.cross(joints[:, 5] - joints[:, 0], joints[:, 17] - joints[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    middle = np.median(normal, 0)
    cosine = normal @ (middle / max(float(np.linalg.norm(middle)), 1e-9))
    reach = np.linalg.norm(joints[:, list(TIP_JOINTS)] - joints[:, :1], axis=-1) / palm[:, None]
    near, far = np.quantile(joints[:, :, 2].mean(1), (_ODD_FRAMES, 1.0 - _ODD_FRAMES))
    return MovementProgress(
        seconds=float(np.minimum(steps, 2.0 * usual).sum()),
        turn_deg=float(np.degrees(np.arccos(np.clip(np.quantile(cosine, _ODD_FRAMES), -1.0, 1.0)))),
        nearer=float(far / max(near, 1e-3) - 1.0),
        opening=float(np.ptp(np.quantile(reach, (_ODD_FRAMES, 1.0 - _ODD_FRAMES), axis=0), axis=0).mean()),
    )


def _seen(track: ViewTrack, path: str) -> Bool[np.ndarray, " N"]:
    return np.asarray(np.isfinite(track.joints_px[path]).all((1, 2)))
