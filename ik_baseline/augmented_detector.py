"""Test-time augmentation: MediaPipe's detections on turned and mirrored copies of a picture, merged.

A single detection's score does not reflect its accuracy: on fists and on hands that hide their fingers it stays high
while landmarks are guessed. Guessed landmarks change when the picture is turned by a few degrees; visible ones do not.
So the median over the copies is better than any of them, and their spread indicates when it is useless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.crop import crop_around, invert_affine, transform_points
from hand.landmark_distance import landmark_distance
from hand.mirror import Side, mirror_pixels, mirror_points, other_side
from hand.types import HandObservation
from ik_baseline.detector import CROP_EXPANSION

AUGMENTATIONS: Final = ((0.0, False), (12.0, True), (-12.0, False), (0.0, True), (24.0, False), (-24.0, True))
"""Turn in degrees, and whether the copy is mirrored; the first N are used."""

QUARTER_TURNS: Final = (0, 1, 3, 2)
"""Counter-clockwise quarter turns of the whole picture, in the order in which they are tried."""

SAME_HAND_DISTANCE: Final = 0.5
"""Two detections are of one hand when their landmarks are nearer than this share of its size on average."""

SPREAD_HALF: Final = 0.04
"""Mean distance of the detections from their median, over the hand's size, at which the score is halved."""


class Detector(Protocol):
    """The part of :class:`ik_baseline.detector.HandDetector` that is used."""

    def detect(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        last_seen_px: Sequence[Float[np.ndarray, "21 2"]] = (),
    ) -> Sequence[HandObservation]:
        """The hands of one picture, the most certain first; searched first at their last known places."""

    def reset(self) -> None:
        """Stops following hands."""

    def close(self) -> None:
        """Frees the engine."""


class AugmentedDetector:
    """Runs another detector on augmented copies of each picture; for single pictures, not for video."""

    def __init__(self, detector: Detector, copies: int, *, quarter_turns: bool = False) -> None:
        """Takes a detector, and closes it.

        Args:
            detector: finds hands, with nothing carried from one picture to the next.
            copies: of each picture, 1 to ``len(AUGMENTATIONS)``.
            quarter_turns: where no hand is found, try the picture turned by 90, 270 and 180 degrees; the
                detector misses many hands that point down or to the side.
        """
        self._detector = detector
        self._copies = [_Augmentation(math.radians(degrees), mirrored) for degrees, mirrored in AUGMENTATIONS[:copies]]
        self._turns = QUARTER_TURNS if quarter_turns else QUARTER_TURNS[:1]

    def detect(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        last_seen_px: Sequence[Float[np.ndarray, "21 2"]] = (),
    ) -> tuple[HandObservation, ...]:
        """The hands found in most copies, the most certain first; scores are lowered where the copies disagree.

        Args:
            image_rgb: RGB picture.
            last_seen_px: ignored, so that detections stay independent of what the caller expects.
        """
        for turns in self._turns:
            hands = self._agreed(np.ascontiguousarray(np.rot90(image_rgb, turns)))
            if hands:
                height, width = image_rgb.shape[:2]
                return tuple(_turned_back(hand, turns, width, height) for hand in hands)
        return ()

    def _agreed(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> tuple[HandObservation, ...]:
        groups = self.detections(image_rgb)
        hands = [_merged(group, len(self._copies)) for group in groups if 2 * len(group) >= len(self._copies)]
        return tuple(sorted(hands, key=lambda hand: -hand.score))

    def detections(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> list[list[HandObservation]]:
        """The detections in all copies, hand by hand, in pixels of the picture itself."""
        groups: list[list[HandObservation]] = []
        for copy in self._copies:
            for seen in self._detector.detect(copy.apply(image_rgb)):
                _add(groups, copy.back(seen, image_rgb.shape[1], image_rgb.shape[0]))
        return groups

    def reset(self) -> None:
        """Does nothing: every picture is independent."""

    def close(self) -> None:
        """Closes the detector."""
        self._detector.close()


@dataclass(frozen=True, slots=True)
class _Augmentation:
    """One copy of a picture: first mirrored, then turned about its middle, on a canvas that holds it all."""

    angle_rad: float
    mirrored: bool

    def apply(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "h w 3"]:
        picture = np.ascontiguousarray(image_rgb[:, ::-1]) if self.mirrored else image_rgb
        if self.angle_rad == 0.0:
            return picture
        matrix, size = self._turn(image_rgb.shape[1], image_rgb.shape[0])
        # not black corners, which have edges that no photograph has, and not mirrored ones, which may show a hand
        return np.asarray(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE))

    def back(self, seen: HandObservation, width_px: int, height_px: int) -> HandObservation:
        """Converts a detection in the copy to the picture itself."""
        pixels, world, side = seen.landmarks_px, seen.world_landmarks_m, seen.side
        if self.angle_rad != 0.0:
            matrix, _ = self._turn(width_px, height_px)
            pixels = transform_points(pixels, invert_affine(matrix))
            turn = matrix[:, :2]
            world = np.concatenate([world[:, :2] @ turn, world[:, 2:]], 1)  # rows times R is R transposed times columns
        if self.mirrored:
            pixels, world, side = mirror_pixels(pixels, width_px), mirror_points(world), other_side(side)
        crop = crop_around(pixels, CROP_EXPANSION, flipped=side == "left")
        return HandObservation(side, seen.score, pixels, world, crop)

    def _turn(self, width_px: int, height_px: int) -> tuple[Float[np.ndarray, "2 3"], tuple[int, int]]:
        cosine, sine = math.cos(self.angle_rad), math.sin(self.angle_rad)
        linear = np.array([[cosine, -sine], [sine, cosine]])
        size = np.abs(linear) @ [width_px, height_px]
        canvas = math.ceil(size[0]), math.ceil(size[1])
        middle = np.array([width_px - 1, height_px - 1]) / 2.0
        offset = (np.array(canvas) - 1) / 2.0 - linear @ middle
        return np.concatenate([linear, offset[:, None]], 1), canvas


def _turned_back(seen: HandObservation, turns: int, width_px: int, height_px: int) -> HandObservation:
    """Converts a detection in a picture that ``np.rot90`` turned to the picture itself.

    Args:
        seen: detection in the turned picture.
        turns: counter-clockwise quarter turns.
        width_px: of the picture itself.
        height_px: of the picture itself.
    """
    if turns == 0:
        return seen
    # a counter-clockwise quarter turn of a picture takes (x, y), y down, to (y, width - 1 - x)
    forward = np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), turns)
    corners = np.array([[0.0, 0.0], [width_px - 1.0, height_px - 1.0]]) @ forward.T
    pixels = (seen.landmarks_px + corners.min(0)) @ forward  # the inverse of a turn is its transpose
    world = np.concatenate([seen.world_landmarks_m[:, :2] @ forward, seen.world_landmarks_m[:, 2:]], 1)
    crop = crop_around(pixels, CROP_EXPANSION, flipped=seen.side == "left")
    return HandObservation(seen.side, seen.score, pixels, world, crop)


def _add(groups: list[list[HandObservation]], seen: HandObservation) -> None:
    """Adds a detection to the nearest hand, or starts another one."""
    distances = [landmark_distance(seen.landmarks_px, group[0].landmarks_px) for group in groups]
    nearest = int(np.argmin(distances)) if distances else -1
    if nearest >= 0 and distances[nearest] < SAME_HAND_DISTANCE:
        groups[nearest].append(seen)
    else:
        groups.append([seen])


def _merged(group: list[HandObservation], copies: int) -> HandObservation:
    """The median of several detections of one hand, each side's votes weighed by their scores."""
    votes = sum(seen.score if seen.side == "right" else -seen.score for seen in group)
    side: Side = "right" if votes >= 0.0 else "left"
    agreeing = [seen for seen in group if seen.side == side]
    pixels = np.median([seen.landmarks_px for seen in agreeing], axis=0)
    world = np.median([seen.world_landmarks_m for seen in agreeing], axis=0)
    spread = float(np.mean([landmark_distance(seen.landmarks_px, pixels) for seen in group]))
    # hands missed in some copies and hands of changing side are as doubtful as those with moving landmarks
    share = len(agreeing) / copies
    score = float(np.mean([seen.score for seen in agreeing])) * share / (1.0 + (spread / SPREAD_HALF) ** 2)
    return HandObservation(side, score, pixels, world, crop_around(pixels, CROP_EXPANSION, flipped=side == "left"))
