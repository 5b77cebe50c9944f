"""The network's own hand finder: it is shown squares of the picture and asked whether each holds a hand.

Slower and coarser than MediaPipe's palm detector, but it goes on where that one sees nothing: fists from behind, hands
that hold something, pictures filled by a hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
from jaxtyping import Float, UInt8

from hand.camera import Intrinsics
from hand.crop import SquareCrop, crop_around_hand, crop_picture
from hand.mirror import Side, mirror_pixels, other_side
from hand.types import HandObservation
from trainer.runtime import CropPrediction

SIZES: Final = (1.0, 0.62, 0.4)
"""Sides of the squares over the shorter side of the picture."""

OVERLAP: Final = 0.5
"""Neighbouring squares share this much, so that a hand is whole in at least one of them."""

LEAST_PRESENCE: Final = 0.5
"""Probability of a hand from which a square is looked at more closely."""

LEAST_CONFIDENCE: Final = 0.4
"""Mean confidence of all looks from which what was found counts as a hand: one look alone may be deceived."""

CLOSER_LOOKS: Final = 3
"""How often a square is moved onto the joints that were found in it."""

LEAST_SHRINKAGE: Final = 0.55
"""A hand's own square is at least this large beside the one in which it was first seen: smaller hands are found from
smaller squares, and a search that shrinks farther has run into a button of a shirt."""

TRIED_CLOSELY: Final = 3
"""Squares of one search that are looked at more closely, the likeliest first."""


class SquareJudge(Protocol):
    """What is used of :class:`trainer.runtime.NetworkRuntime` or of a swappable one."""

    @property
    def input_px(self) -> int:
        """Side of its crops."""

    @property
    def crop_expansion(self) -> float:
        """Side of a crop over the longer side of the hand's box."""

    @property
    def upright(self) -> bool:
        """Whether crops are to be turned so that hands stand upright in them."""

    def presences(self, images: Float[np.ndarray, "B 3 S S"]) -> Float[np.ndarray, " B"]:
        """Probability of a hand in each crop."""

    def predict(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], crop: SquareCrop, intrinsics: Intrinsics
    ) -> CropPrediction:
        """The hand in one square of a picture."""


class CropSearch:
    """Finds at most one hand per picture; a :class:`app.pipeline.network_path.Finder`."""

    def __init__(self, judge: SquareJudge, *, squares_per_search: int = 0) -> None:
        """Takes the network.

        Args:
            judge: the network.
            squares_per_search: how many squares one search may cost, for video; the next search goes on with the next
                ones. 0 for all of them, for single pictures.
        """
        self._judge = judge
        self._squares_per_search = squares_per_search
        self._next = 0

    def detect(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> Sequence[HandObservation]:
        """The surest hand of a picture, or none."""
        height, width = image_rgb.shape[:2]
        squares = self._due(list(search_squares(width, height)))
        crops = np.stack([crop_picture(image_rgb, square, self._judge.input_px) for square in squares])
        presences = self._judge.presences(crops.transpose(0, 3, 1, 2).astype(np.float32))
        likely = [index for index in np.argsort(-presences)[:TRIED_CLOSELY] if presences[index] >= LEAST_PRESENCE]
        looks = [self._look(image_rgb, squares[index]) for index in likely]
        found = [hand for hand in looks if hand is not None]
        return sorted(found, key=lambda hand: -hand.score)[:1]

    def close(self) -> None:
        """Nothing to free: the network belongs to the path."""

    def _due(self, squares: list[SquareCrop]) -> list[SquareCrop]:
        if not 0 < self._squares_per_search < len(squares):
            return squares
        chosen = [squares[(self._next + step) % len(squares)] for step in range(self._squares_per_search)]
        self._next = (self._next + self._squares_per_search) % len(squares)
        return chosen

    def _look(self, image_rgb: UInt8[np.ndarray, "height width 3"], square: SquareCrop) -> HandObservation | None:
        """Moves a square onto the hand in it."""
        height, width = image_rgb.shape[:2]
        intrinsics = Intrinsics.from_fov(width, height)
        side: Side = "right"
        smallest_px, confidences = LEAST_SHRINKAGE * square.size_px, []
        for _ in range(CLOSER_LOOKS + 1):
            if self._judge.upright and not confidences:
                square = self._best_turned(image_rgb, square, intrinsics)
            prediction = self._judge.predict(image_rgb, replace(square, flipped=side == "left"), intrinsics)
            if prediction.right < 0.5:
                other = other_side(side)
                mirrored = self._judge.predict(image_rgb, replace(square, flipped=other == "left"), intrinsics)
                if mirrored.right > prediction.right:
                    side, prediction = other, mirrored
            if prediction.presence < LEAST_PRESENCE or square.size_px < smallest_px:
                return None
            confidences.append(prediction.confidence)
            joints = mirror_pixels(prediction.joints_px, width) if side == "left" else prediction.joints_px
            square = crop_around_hand(joints, self._judge.crop_expansion, upright=self._judge.upright)
        score = float(np.mean(confidences))
        if score < LEAST_CONFIDENCE:
            return None
        return HandObservation(side, score, joints, np.zeros((21, 3)), square)

    def _best_turned(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], square: SquareCrop, intrinsics: Intrinsics
    ) -> SquareCrop:
        """The square turned by so many quarters that the network is surest of the hand in it."""
        turned = [replace(square, angle_rad=quarters * np.pi / 2.0) for quarters in range(4)]
        return max(turned, key=lambda one: self._judge.predict(image_rgb, one, intrinsics).confidence)


def search_squares(width_px: int, height_px: int) -> Iterator[SquareCrop]:
    """Squares that cover a picture, large ones first, evenly spread.

    Args:
        width_px: of the picture.
        height_px: of the picture.
    """
    for size in SIZES:
        side = size * min(width_px, height_px)
        across, down = (
            max(1, round((length - side) / (side * (1.0 - OVERLAP))) + 1) for length in (width_px, height_px)
        )
        for y in np.linspace(side / 2.0, height_px - side / 2.0, down) if down > 1 else [height_px / 2.0]:
            for x in np.linspace(side / 2.0, width_px - side / 2.0, across) if across > 1 else [width_px / 2.0]:
                yield SquareCrop(float(x) - 0.5, float(y) - 0.5, side)
