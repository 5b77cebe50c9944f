"""Data passed between packages: frames in, observations between, hand states out. All frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, UInt8

from hand.camera import Intrinsics
from hand.crop import SquareCrop
from hand.landmark_reading import LandmarkReading
from hand.mirror import Side

PathId = Literal["network", "ik"]
"""The paths that find hands."""

PATH_IDS: Final[tuple[PathId, ...]] = ("network", "ik")
"""Both paths, in the order of tables and views."""

HandOrigin = Literal["network", "ik", "fused"]
"""Where a hand comes from: a path, or the fusion of both."""

_NO_TIMINGS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        sequence: counts up from 0 within one source; both paths and the display are joined on it.
        capture_time_ns: ``time.monotonic_ns`` when a camera's picture arrived. The pictures of a file are as far apart
            as in the file itself, however fast it is read or played; filters and recordings count on that.
        image_rgb: picture, read-only.
        intrinsics: of this picture at this size.
        source_id: which source it came from, for people and logs.
        mirrored: the picture is a mirror image of the scene; geometry and side below always describe the picture.
        live: a camera took it just now, so the hand is the user's own.
        arrival_time_ns: ``time.monotonic_ns`` when the program had the picture, from which latencies count; 0 stands
            for ``capture_time_ns``.
    """

    sequence: int
    capture_time_ns: int
    image_rgb: UInt8[np.ndarray, "height width 3"]
    intrinsics: Intrinsics
    source_id: str
    mirrored: bool = False
    live: bool = False
    arrival_time_ns: int = 0

    def __post_init__(self) -> None:
        if self.arrival_time_ns == 0:
            object.__setattr__(self, "arrival_time_ns", self.capture_time_ns)
        self.image_rgb.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False)
class HandObservation:
    """What a detector found about one hand in one picture.

    Attributes:
        side: the hand the picture shows (already corrected for the detector's selfie assumption).
        score: the detector's confidence in hand and side, 0 to 1.
        landmarks_px: 21 joints in pixels.
        world_landmarks_m: 21 landmarks in metres, camera axes, origin at the detector's own hand centre.
        crop: the square around the hand.
        reading: the full output of the hand-landmark network, where that network found the hand.
    """

    side: Side
    score: float
    landmarks_px: Float[np.ndarray, "21 2"]
    world_landmarks_m: Float[np.ndarray, "21 3"]
    crop: SquareCrop
    reading: LandmarkReading | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HandState:
    """One hand in one frame, as every consumer receives it.

    Attributes:
        sequence: of the frame it was found in.
        side: the hand the picture shows.
        pose_rad: 16 axis-angle triples in MANO order, absolute, global rotation (rest frame to camera axes) first.
        shape: 10 shape coefficients.
        camera_translation_m: added after the posed hand was turned about its root joint.
        joints_m: 21 joints in camera axes.
        vertices_m: mesh in camera axes; its faces belong to the hand model.
        confidence: 0 to 1.
        origin: which path made it, or that it is fused.
        reprojection_px: mean distance of the projected joints to what was observed in the picture.
        timings_ms: milliseconds per stage.
        seen_px: the path's own 2D joints (the 21 of the hand model), before its pose was fitted to them; None without.
        seen_sigma_px: expected error of each; None without.
    """

    sequence: int
    side: Side
    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    camera_translation_m: Float[np.ndarray, "3"]
    joints_m: Float[np.ndarray, "21 3"]
    vertices_m: Float[np.ndarray, "V 3"]
    confidence: float
    origin: HandOrigin
    reprojection_px: float = float("nan")
    timings_ms: Mapping[str, float] = field(default_factory=lambda: _NO_TIMINGS)
    seen_px: Float[np.ndarray, "21 2"] | None = None
    seen_sigma_px: Float[np.ndarray, "21"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PathResult:
    """The result of one path for one frame: none, one or two hands.

    Attributes:
        frame: the picture.
        path_id: which path.
        states: hands found.
        observations: the detector's, in the order of ``states`` where there is one.
        timings_ms: milliseconds per stage of the whole path.
        message: one sentence for the user about the state of the path, else empty.
        unfiltered: the hands of ``states`` before temporal filtering; empty without a filter.
    """

    frame: Frame
    path_id: PathId
    states: tuple[HandState, ...]
    observations: tuple[HandObservation, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=lambda: _NO_TIMINGS)
    message: str = ""
    unfiltered: tuple[HandState, ...] = ()
