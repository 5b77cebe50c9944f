"""What a recorded motion is: per hand, arrays over the frames it was seen in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from hand.mirror import Side
from hand.model import HandModel


@dataclass(frozen=True, eq=False)
class HandTrack:
    """One hand over the frames it was seen in.

    Attributes:
        side: the hand the pictures show.
        frames: number of each frame within its source.
        times_s: seconds since the first frame of the motion, rising.
        poses_rad: as ``HandState.pose_rad``.
        shapes: as ``HandState.shape``.
        translations_m: as ``HandState.camera_translation_m``.
        joints_m: as ``HandState.joints_m``.
        confidences: 0 to 1.
        methods: which path each frame's hand is from.
    """

    side: Side
    frames: Int[np.ndarray, "T"]
    times_s: Float[np.ndarray, "T"]
    poses_rad: Float[np.ndarray, "T 48"]
    shapes: Float[np.ndarray, "T 10"]
    translations_m: Float[np.ndarray, "T 3"]
    joints_m: Float[np.ndarray, "T 21 3"]
    confidences: Float[np.ndarray, "T"]
    methods: tuple[str, ...]

    @cached_property
    def shape(self) -> Float[np.ndarray, "10"]:
        """One shape for the whole motion: bones of an animated skeleton have one length, as a hand has."""
        return np.asarray(np.median(self.shapes, axis=0), np.float64)

    @property
    def wrists_m(self) -> Float[np.ndarray, "T 3"]:
        """The joint that the hand turns about, which is also where a hand of another shape is put."""
        return self.joints_m[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A recorded motion in camera axes.

    Attributes:
        model: right-hand model that poses and shapes refer to.
        source: where the pictures came from.
        frames_per_second: of the source; of the recording itself where the source has no rate.
        tracks: one per side that was seen.
    """

    model: HandModel
    source: str
    frames_per_second: float
    tracks: tuple[HandTrack, ...]

    def model_of(self, track: HandTrack) -> HandModel:
        """The hand model of a track's side."""
        return self.model if self.model.side == track.side else self.model.mirrored()
