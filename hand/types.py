"""What flows between the rooms: frames in, observations between, hand states out. All frozen."""

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
    """One picture on its way through the product.

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
    """What a detector saw of one hand in one picture.

    Attributes:
        side: the hand the picture shows (already corrected for the detector's selfie assumption).
        score: the detector's confidence in hand and side, 0 to 1.
        landmarks_px: 21 joints in pixels.
        world_landmarks_m: 21 landmarks in metres, camera axes, origin at the detector's own hand centre.
        crop: the square around the hand.
        reading: all that the hand-landmark network said, where that network is what saw the hand.
    """

    side: Side
    score: float
    landmarks_px: Float[np.ndarray, "21 2"]
    world_landmarks_m: Float[np.ndarray, "21 3"]
    crop: SquareCrop
    reading: LandmarkReading | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HandState:
    """One hand in one frame, as every consumer gets it.

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
        seen_px: where the path saw the 21 joints of the hand model in the picture, before its pose was fitted to them;
            None where it does not say.
        seen_sigma_px: expected error of each, None where it does not say.
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
    """Everything one path says about one frame: none, one or two hands.

    Attributes:
        frame: the picture it is about.
        path_id: which path.
        states: hands found.
        observations: what the detector saw, in the order of ``states`` where there is one.
        timings_ms: milliseconds per stage of the whole path.
        message: one sentence for the user about what the path is doing, else empty.
        unfiltered: the hands of ``states`` before a filter calmed them; empty where none did.
    """

    frame: Frame
    path_id: PathId
    states: tuple[HandState, ...]
    observations: tuple[HandObservation, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=lambda: _NO_TIMINGS)
    message: str = ""
    unfiltered: tuple[HandState, ...] = ()
