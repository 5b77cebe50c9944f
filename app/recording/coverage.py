"""Which poses were shown from which sides so far, and which to request next.

A session contains only what was shown: a minute of an open hand from the front teaches an open hand from the front.
Each frame counts for the named pose it is nearest to and for the visible side of the hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int

from hand.anatomy import angles_from_rotations, palm_frame
from hand.mirror import Side, mirror_points, mirror_pose
from hand.model import HandModel
from hand.poses import NAMED_POSES
from hand.rotations import matrix_from_axis_angle
from ik_baseline.person import joint_frames

View = Literal["palm", "back", "thumb side", "little finger's side", "finger tips"]

VIEWS: Final[dict[View, str]] = {
    "palm": "with the palm to the camera",
    "back": "with the back of the hand to the camera",
    "thumb side": "with the thumb's side to the camera",
    "little finger's side": "with the little finger's side to the camera",
    "finger tips": "with the finger tips towards the camera",
}
"""Visible sides of the hand, and the instruction for each."""

POSES: Final[dict[str, str]] = {
    "open_hand": "Open hand",
    "spread_hand": "Fingers spread wide",
    "relaxed": "Relaxed hand",
    "fist": "Fist",
    "pointing": "Pointing finger",
    "victory": "Two fingers up",
    "pinch": "Thumb and index finger pinched",
    "thumb_up": "Thumb up",
    "claw": "Claw, finger tips bent",
    "grasp": "Hand around a glass",
}
"""Requested poses of ``hand.poses``, and their names for people."""

ENOUGH_FRAMES: Final = 15
"""Frames that make a pose from one side well shown: half a second."""

_FARTHEST_RAD: Final = 0.55
"""Mean difference of joint angles beyond which a pose is none of the named ones."""


@dataclass(frozen=True, slots=True)
class Card:
    """One thing to show.

    Attributes:
        pose: key of :data:`POSES`.
        view: key of :data:`VIEWS`.
        filled: how far it was shown already, 0 to 1.
    """

    pose: str
    view: View
    filled: float

    @property
    def sentence(self) -> str:
        """What to do, for people."""
        return f"{POSES[self.pose]}, {VIEWS[self.view]}"


class Coverage:
    """Counts what was shown. Not shared between threads."""

    def __init__(self, model: HandModel) -> None:
        """Starts empty.

        Args:
            model: of the poses that will be counted.
        """
        self._frames = joint_frames(model if model.side == "right" else model.mirrored())
        self._named = np.stack([_told_apart(NAMED_POSES[name].radians()) for name in POSES])
        self._counts = np.zeros((len(POSES), len(VIEWS)), int)

    @property
    def counts(self) -> Int[np.ndarray, "poses views"]:
        """Frames by pose and view, in the order of :data:`POSES` and :data:`VIEWS`."""
        return self._counts.copy()

    @property
    def filled(self) -> Float[np.ndarray, "poses views"]:
        """How far each was shown, 0 to 1."""
        return np.asarray(np.minimum(self._counts / ENOUGH_FRAMES, 1.0))

    @property
    def share(self) -> float:
        """How much of everything was shown, 0 to 1."""
        return float(self.filled.mean())

    def add(
        self, side: Side, pose_rad: Float[np.ndarray, "48"], joints_m: Float[np.ndarray, "21 3"]
    ) -> tuple[str, View] | None:
        """Counts a frame.

        Args:
            side: which hand.
            pose_rad: its pose.
            joints_m: its joints in camera axes.

        Returns:
            What it was counted as; None for a pose that has no name.
        """
        view = view_of(side, joints_m)
        pose = mirror_pose(pose_rad) if side == "left" else pose_rad
        angles = angles_from_rotations(matrix_from_axis_angle(np.asarray(pose, float).reshape(16, 3)), self._frames)
        away = np.abs(self._named - _told_apart(angles)).mean(1)
        nearest = int(away.argmin())
        if away[nearest] > _FARTHEST_RAD:
            return None  # as useful, but not requested
        self._counts[nearest, list(VIEWS).index(view)] += 1
        return list(POSES)[nearest], view

    def missing(self, most: int = 3) -> list[Card]:
        """What to show next: the least shown first, from all sides in turn."""
        filled = self.filled
        cards = [
            Card(pose, view, float(filled[p, v]))
            for v, view in enumerate(VIEWS)
            for p, pose in enumerate(POSES)
            if filled[p, v] < 1.0
        ]
        # of equally missing ones, the pose that was shown least from anywhere
        shown = {pose: float(filled[p].sum()) for p, pose in enumerate(POSES)}
        return sorted(cards, key=lambda card: (round(card.filled, 1), shown[card.pose]))[:most]


def view_of(side: Side, joints_m: Float[np.ndarray, "21 3"]) -> View:
    """The visible side of the hand.

    Args:
        side: which hand.
        joints_m: its joints in camera axes.
    """
    joints = np.asarray(joints_m, np.float64)
    if side == "left":
        joints = mirror_points(joints)
    middle = joints[[0, 9]].mean(0)
    radial, distal, palmar = palm_frame(joints).T @ (-middle / max(float(np.linalg.norm(middle)), 1e-9))
    if distal > 0.75:
        return "finger tips"
    if abs(palmar) >= abs(radial):
        return "palm" if palmar > 0.0 else "back"
    return "thumb side" if radial > 0.0 else "little finger's side"


def _told_apart(angles_rad: Float[np.ndarray, "16 3"]) -> Float[np.ndarray, "19"]:
    """The angles by which poses differ: all flexions, and how far the fingers are spread."""
    spread = angles_rad[[1, 4, 7, 10], 1] * 2.0
    return np.concatenate([angles_rad[1:, 0], spread])
