"""The other camera's view of a reviewed session, and the correction of a label by joints dragged in either view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from app.two_views.session_link import SessionLink, read_link
from app.two_views.triangulation import Sightings, triangulate
from app.two_views.truth_labels import posed_onto
from hand.camera import Intrinsics, project
from hand.errors import RecordingError
from hand.model import HandModel
from hand.recording import RecordedFrame, RecordedHand
from hand.recording_reader import Recording, open_recording
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver

SAME_MOMENT_S: Final = 0.05
"""Pictures that are farther apart do not show one moment."""

DRAGGED_PX, LABELLED_PX = 4.0, 60.0
"""Standard deviation of a joint where it was dragged to, and where the label had it: a drag decides, and the other view
only determines the distance."""

_FOLLOWING: Final = 4
"""How often the rest of a finger is let go to where the dragged joint takes it."""


@dataclass(frozen=True, slots=True, eq=False)
class LinkedView:
    """What the other camera recorded of the same take.

    Attributes:
        link: with both cameras.
        recording: of the other camera.
    """

    link: SessionLink
    recording: Recording

    def partner(self, own: Recording, number: int) -> RecordedFrame | None:
        """The other camera's frame of the same moment; None where it has none.

        Args:
            own: the session under review.
            number: place of its frame.
        """
        frames = self.recording.frames
        if not frames:
            return None
        since_ns = own.frames[number].capture_time_ns - own.frames[0].capture_time_ns
        wanted_s = since_ns / 1e9 + (self.link.late_s if self.link.view == 0 else -self.link.late_s)
        times_s = np.array([frame.capture_time_ns - frames[0].capture_time_ns for frame in frames]) / 1e9
        nearest = int(np.abs(times_s - wanted_s).argmin())
        return frames[nearest] if abs(times_s[nearest] - wanted_s) <= SAME_MOMENT_S else None

    def seen_by_other(self, joints_m: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "21 2"]:
        """Where joints in the reviewed camera's axes are in the other one's picture."""
        pair = self.link.pair
        if self.link.view == 0:
            return project(pair.to_second(joints_m), pair.second)
        return project((joints_m - pair.translation_m) @ pair.rotation, pair.first)

    @property
    def own_intrinsics(self) -> Intrinsics:
        """Of the reviewed camera, as both were calibrated."""
        return self.link.pair.first if self.link.view == 0 else self.link.pair.second


def linked_view(folder: Path) -> LinkedView | None:
    """The other view of a session, where there is one that can be read.

    Args:
        folder: of the session under review.
    """
    link = read_link(folder)
    if link is None:
        return None
    try:
        return LinkedView(link, open_recording(folder.parent / link.other))
    except RecordingError:
        return None  # it was deleted, or moved away


class TwoViewCorrector:
    """Solves one label again and again while its joints are dragged in either view."""

    def __init__(self, model: HandModel, label: RecordedHand, linked: LinkedView) -> None:
        """Starts from a label.

        Args:
            model: hand model of the label.
            label: the hand that is to be set right, in the reviewed camera's axes.
            linked: the other view.
        """
        self._label, self._linked = label, linked
        self._solver = IkSolver(
            model, replace(HandCalibration.without_offsets(model), shape=np.asarray(label.shape, np.float64))
        )
        self._wanted_m = np.asarray(label.joints_m, np.float64).copy()
        self._joints_m = self._wanted_m.copy()
        self._dragged_px: dict[tuple[bool, int], tuple[float, float]] = {}

    def joints_px(self) -> Float[np.ndarray, "21 2"]:
        """Where the joints are in the reviewed view."""
        return project(self._joints_m, self._linked.own_intrinsics)

    def other_joints_px(self) -> Float[np.ndarray, "21 2"]:
        """Where they are in the other view."""
        return self._linked.seen_by_other(self._joints_m)

    def drag(self, joint: int, to_px: tuple[float, float], *, in_other: bool) -> RecordedHand:
        """Triangulates a joint that was dragged, and poses the hand onto it.

        Args:
            joint: 0 to 20, common order.
            to_px: where it belongs in the picture.
            in_other: in the other camera's picture.

        Returns:
            The corrected hand, in the reviewed camera's axes. It is as measured as the label was: two views determine
            its place.
        """
        self._dragged_px[in_other, joint] = to_px
        place = self._triangulated(joint)
        if place is not None:
            self._wanted_m[joint] = place
        finger = (joint - 1) // 4
        dragged = {one for _, one in self._dragged_px}
        follow = [one for one in range(1 + 4 * finger, 5 + 4 * finger) if joint and one not in dragged]
        for _ in range(_FOLLOWING):
            hand = posed_onto(self._solver, self._wanted_m, self._label.side, self._linked.own_intrinsics)
            self._joints_m = np.asarray(hand.joints_m, np.float64)
            self._wanted_m[follow] = self._joints_m[follow]
        return replace(hand, shape=self._label.shape)

    def _triangulated(self, joint: int) -> Float[np.ndarray, "3"] | None:
        """Where the two views have a joint, in the reviewed camera's axes; None where they contradict each other."""
        link = self._linked.link
        own = project(self._wanted_m, self._linked.own_intrinsics)
        other = self._linked.seen_by_other(self._wanted_m)
        sightings = []
        for in_other, pixels in ((False, own), (True, other)):
            dragged = self._dragged_px.get((in_other, joint))
            at = pixels[joint] if dragged is None else np.array(dragged)
            sigma = LABELLED_PX if dragged is None else DRAGGED_PX
            view = 1 - link.view if in_other else link.view
            sightings.append(Sightings(view, at.reshape(1, 1, 2), np.full((1, 1), sigma)))
        point = triangulate(link.pair, sightings).joints_m[0, 0]
        if not np.isfinite(point).all():
            return None
        return point if link.view == 0 else link.pair.to_second(point)
