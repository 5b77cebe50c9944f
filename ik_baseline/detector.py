"""Finds hands: pictures in, :class:`~hand.types.HandObservation` out.

MediaPipe's two hand models (``assets/hand_finder``) in ONNX Runtime, and around them the steps of MediaPipe's own
graph: palms are searched in the whole picture, each gives a turned square in which 21 landmarks are read, and in a
video the landmarks give the square of the next frame, so that the search is only needed while fewer hands are followed
than requested. (Zhang et al. 2020, "MediaPipe Hands: On-device Real-time Hand Tracking".)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import numpy as np
from jaxtyping import Float, UInt8

from hand.crop import crop_around
from hand.errors import DetectorError
from hand.landmark_distance import landmark_distance
from hand.landmark_reading import LandmarkReading
from hand.mirror import Side
from hand.types import HandObservation
from ik_baseline.onnx_session import MODELS_DIR, PictureModel
from ik_baseline.picture_tiles import MOST_TILES, TILE_SIZES, picture_tiles
from ik_baseline.rotated_region import SAME_REGION_OVERLAP, RotatedRegion, region_of_landmarks, region_of_palm
from ik_baseline.ssd_detection import SsdDetector, anchor_centers

CROP_EXPANSION = 1.5
"""Side of the square around a hand over the longer side of its landmarks' box."""

SAME_HAND_DISTANCE = 0.25
"""Two results with landmarks closer than this on average, over the smaller hand's size, are one hand found twice.

In the sixteen two-handed pictures of our development set, hands were at 1.0 and more.
"""

SECOND_HAND_INTERVAL: Final = 6
"""Frames from one search for a second hand to the next while one is followed, a fifth of a second at 30 a second.

A search costs as much as following a hand; ``python -m benchmarks.finder`` prints what the interval saves.
"""

MIN_PALM_SCORE: Final = 0.5
"""Below this, 0 to 1, the search does not report a palm."""

MIN_PRESENCE: Final = 0.5
"""Below this, 0 to 1, there is no hand in a region, and a followed one is given up."""

PALM_LAYERS: Final = ((8, 2), (16, 6))
"""Stride and anchors at each place of the palm model's two layers (MediaPipe's ``palm_detection_full``)."""

_WRIST_POINT, _MIDDLE_MCP_POINT = 0, 2
"""Which of the palm model's seven key points give the hand's direction."""

ALL_TILES: Final = len(TILE_SIZES) * MOST_TILES
"""Tiles per picture that no picture exceeds."""

TILES_PER_FRAME: Final = 1
"""Tiles of a large picture that are searched in a video frame where the whole shows no hand."""

TILE_PRESENCE: Final = 0.95
"""Required certainty of a hand in a tile, 0 to 1: many small things are classified there, and ears and edges of
furniture reach what suffices in a whole picture (``python -m benchmarks.finding``)."""

_PALMS_TRIED_BESIDE = 2
"""Palms of tiles that are looked at beside the surest: there a part of an arm or face is more often taken for one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Landmarks:
    """The landmark model's result in one region.

    Attributes:
        region: the model's input.
        points: in picture coordinates, with the origin at the picture's corner.
        reading: the same in the product's conventions.
    """

    region: RotatedRegion
    points: Float[np.ndarray, "21 2"]
    reading: LandmarkReading


def observation_of(reading: LandmarkReading) -> HandObservation:
    """The hand that a reading is about, in the product's conventions."""
    side: Side = "right" if reading.rightness > 0.5 else "left"
    crop = crop_around(reading.points_px, CROP_EXPANSION, flipped=side == "left")
    score = max(reading.rightness, 1.0 - reading.rightness)
    return HandObservation(side, score, reading.points_px, reading.world_m, crop, reading)


class HandDetector:
    """Finds hands, and follows them through a video.

    The same pictures in the same order always give the same hands. Belongs to the thread that made it. Close it, or use
    it with ``with``.
    """

    def __init__(
        self,
        max_hands: int = 1,
        *,
        still: bool = False,
        second_hand_interval: int = SECOND_HAND_INTERVAL,
        tiles_per_picture: int = 0,
    ) -> None:
        """Loads both models and runs them once, so that the first picture is not delayed.

        Args:
            max_hands: 1 or 2.
            still: pictures are unrelated; otherwise they are frames of one video, and a hand is followed from frame to
                frame instead of being searched again.
            second_hand_interval: frames from one search for a second hand to the next while one is followed.
            tiles_per_picture: how many parts of a picture are searched too where the whole shows no hand, so that small
                hands are found; the next picture continues with the next parts. At ``ALL_TILES`` every picture is
                searched to its end.

        Raises:
            DetectorError: a model is missing or damaged.
        """
        if max_hands not in (1, 2):
            raise DetectorError(f"The hand detector finds 1 or 2 hands, got {max_hands}.")
        palm_model = PictureModel(MODELS_DIR / "palm_detection.onnx")
        anchors = anchor_centers(palm_model.width_px, PALM_LAYERS)
        self._palms: SsdDetector | None = SsdDetector(palm_model, anchors, MIN_PALM_SCORE)
        self._landmark_model: PictureModel | None = PictureModel(MODELS_DIR / "hand_landmark.onnx")
        self._max_hands = max_hands
        self._still = still
        self._second_hand_interval = second_hand_interval
        self._tiles_per_picture = tiles_per_picture
        self._next_tile = 0
        self._followed: list[RotatedRegion] = []
        self._frames_since_search = 0

    def detect(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        last_seen_px: Sequence[Float[np.ndarray, "21 2"]] = (),
    ) -> tuple[HandObservation, ...]:
        """Finds the hands of one picture, the most certain first.

        Args:
            image_rgb: RGB picture.
            last_seen_px: 21 joints of each hand that the caller expects in the picture; searched there first.

        Returns:
            One observation a hand; ``side`` is the hand as the picture shows it.

        Raises:
            DetectorError: the detector was closed.
        """
        if self._palms is None or self._landmark_model is None:
            raise DetectorError("The hand detector was closed; make a new one.")
        followed = [] if self._still else self._followed
        regions = _distinct([*followed, *(region_of_landmarks(joints_px + 0.5) for joints_px in last_seen_px)])
        hands = self._read(image_rgb, regions[: self._max_hands])
        # as in MediaPipe, a followed hand that was lost is searched from the next frame on
        places = self._max_hands - max(len(followed), len(hands))
        self._frames_since_search += 1
        if places > 0 and (not hands or self._frames_since_search >= self._second_hand_interval):
            self._frames_since_search = 0
            taken = [*followed, *(hand.region for hand in hands)]
            fresh = [region for region in self._search(image_rgb) if _is_elsewhere(region, taken)]
            hands += self._read(image_rgb, fresh[:places])
            if not hands and self._tiles_per_picture > 0:
                hands = self._read_tiles(image_rgb)
        self._followed = _distinct([region_of_landmarks(hand.points) for hand in hands])
        return merge_duplicates([observation_of(hand.reading) for hand in hands])

    def reset(self) -> None:
        """Stops following hands, as after a cut or another source."""
        self._followed = []
        self._frames_since_search = 0
        self._next_tile = 0

    def close(self) -> None:
        """Frees the models and their threads; closing twice is fine."""
        self.reset()
        self._palms = self._landmark_model = None

    def __enter__(self) -> HandDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _search(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> list[RotatedRegion]:
        """Regions of the most certain palms of the whole picture, at most as many as hands are requested."""
        return _distinct([region for _, region in self._palm_regions(image_rgb)[: self._max_hands]])

    def _read_tiles(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> list[_Landmarks]:
        """The hands of the parts of a picture: of the next few, or of all, beginning with the large ones."""
        height, width = image_rgb.shape[:2]
        groups = list(picture_tiles(width, height))
        if self._tiles_per_picture < ALL_TILES:
            tiles = [tile for group in groups for tile in group]
            count = min(self._tiles_per_picture, len(tiles))
            groups = [[tiles[(self._next_tile + step) % len(tiles)] for step in range(count)]]
            self._next_tile += count
        for group in groups:
            palms = [
                (score, tile.to_picture(region))
                for tile in group
                for score, region in self._palm_regions(tile.cut(image_rgb))
            ]
            surest = _distinct([region for _, region in sorted(palms, key=lambda palm: -palm[0])])
            hands = self._read(image_rgb, surest[: self._max_hands + _PALMS_TRIED_BESIDE])
            hands = [hand for hand in hands if hand.reading.presence >= TILE_PRESENCE]
            if hands:
                return hands[: self._max_hands]
        return []

    def _palm_regions(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> list[tuple[float, RotatedRegion]]:
        """Each palm's score and the region of its hand, the most certain first."""
        assert self._palms is not None
        palms, letterbox = self._palms.detect(image_rgb)
        regions = []
        for palm in palms:
            corners = letterbox.to_picture(palm.box.reshape(2, 2)).ravel()
            wrist, middle_mcp = letterbox.to_picture(palm.keypoints[[_WRIST_POINT, _MIDDLE_MCP_POINT]])
            regions.append((palm.score, region_of_palm(corners, wrist, middle_mcp)))
        return regions

    def _read(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], regions: Sequence[RotatedRegion]
    ) -> list[_Landmarks]:
        """The landmarks in those regions that show a hand."""
        assert self._landmark_model is not None
        size_px = self._landmark_model.width_px
        hands = []
        for region in regions:
            landmarks, presence, rightness, world = self._landmark_model(region.cut(image_rgb, size_px))
            if presence[0, 0] < MIN_PRESENCE:
                continue
            places = landmarks.reshape(21, 3).astype(np.float64) / size_px
            points = region.to_picture(places[:, :2])
            reading = LandmarkReading(
                points_px=points - 0.5,  # the centre of the first pixel is (0, 0)
                relative_depth_px=places[:, 2] * region.size,
                world_m=region.turned(world.reshape(21, 3).astype(np.float64)),
                presence=float(presence[0, 0]),
                rightness=float(rightness[0, 0]),
            )
            hands.append(_Landmarks(region, points, reading))
        return hands


def merge_duplicates(observations: Sequence[HandObservation]) -> tuple[HandObservation, ...]:
    """Keeps the most certain of several results on the same hand; the most certain hand comes first."""
    kept: list[HandObservation] = []
    for candidate in sorted(observations, key=lambda observation: -observation.score):
        if all(landmark_distance(candidate.landmarks_px, other.landmarks_px) > SAME_HAND_DISTANCE for other in kept):
            kept.append(candidate)
    return tuple(kept)


def _distinct(regions: Sequence[RotatedRegion]) -> list[RotatedRegion]:
    """The regions without those that lie on an earlier one."""
    kept: list[RotatedRegion] = []
    for region in regions:
        if _is_elsewhere(region, kept):
            kept.append(region)
    return kept


def _is_elsewhere(region: RotatedRegion, others: Sequence[RotatedRegion]) -> bool:
    return all(region.overlap(other) < SAME_REGION_OVERLAP for other in others)
