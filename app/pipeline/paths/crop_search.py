"""The network as a hand detector: it classifies squares of the picture as hand or no hand.

Slower and coarser than MediaPipe's palm detector, but it also finds hands that that one misses: fists from behind,
hands that hold something, pictures filled by a hand.
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
from inference.runtime import CropPrediction

SIZES: Final = (1.0, 0.62, 0.4)
"""Sides of the squares over the shorter side of the picture."""

SMALL_SIZES: Final = (0.25, 0.16)
"""Sides of the squares for small hands, which are looked at where no larger one holds a hand."""

LEAST_SQUARE_PX: Final = 32
"""Smaller squares show no hand to a network; the shorter side of a banner is looked at whole."""

MOST_SQUARES: Final = 256
"""Of one size in one picture: in longer strips they lie farther apart."""

BATCH: Final = 16
"""Squares that go through the network at once, which bounds its memory."""

OVERLAP: Final = 0.5
"""Neighbouring squares share this much, so that a hand is whole in at least one of them."""

LEAST_PRESENCE: Final = 0.5
"""Probability of a hand from which a square is looked at more closely."""

LEAST_CONFIDENCE: Final = 0.4
"""Mean confidence over several crops from which a detection counts as a hand: a single crop may be misclassified."""

REFINEMENTS: Final = 3
"""How often a square is moved onto the joints that were found in it."""

LEAST_SHRINKAGE: Final = 0.55
"""A hand's own square is at least this large beside the one in which it was first seen: smaller hands are found from
smaller squares, and a search that shrinks farther has run into a button of a shirt."""

TRIED_CLOSELY: Final = 3
"""Squares of one search that are looked at more closely, the likeliest first."""


class CropClassifier(Protocol):
    """The part of :class:`inference.runtime.NetworkRuntime` that is used."""

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


class SlidingWindowDetector:
    """Finds at most one hand per picture; a :class:`app.pipeline.paths.hand_path.HandDetectorProtocol`."""

    def __init__(
        self, classifier: CropClassifier, *, squares_per_search: int = 0, small_sizes: Sequence[float] = SMALL_SIZES
    ) -> None:
        """Takes the network.

        Args:
            classifier: the network.
            small_sizes: squares for small hands, over the shorter side of the picture; none when empty.
            squares_per_search: how many squares one search may cost, for video; the next search goes on with the next
                ones. 0 for all of them, for single pictures.
        """
        self._classifier = classifier
        self._squares_per_search = squares_per_search
        self._small_sizes = small_sizes
        self.reset()

    def detect(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        last_seen_px: Sequence[Float[np.ndarray, "21 2"]] = (),
    ) -> Sequence[HandObservation]:
        """The most certain hand of a picture, or none.

        Args:
            image_rgb: RGB picture.
            last_seen_px: ignored, because the path has searched there already.
        """
        height, width = image_rgb.shape[:2]
        large = list(search_squares(width, height))
        # a square with fewer pixels than the network's input contains no more detail than a larger one
        small = list(search_squares(width, height, self._small_sizes, least_px=self._classifier.input_px))
        if self._squares_per_search > 0:
            return self._surest(image_rgb, self._due(large, small))
        return self._surest(image_rgb, large) or self._surest(image_rgb, small)

    def reset(self) -> None:
        """Begins with the first squares again."""
        self._searches = self._large_seen = self._small_seen = 0

    def close(self) -> None:
        """Does nothing: the network belongs to the path."""

    def _due(self, large: list[SquareCrop], small: list[SquareCrop]) -> list[SquareCrop]:
        """The squares of one search in a video: two thirds large ones, of which there are fewer, and a third small.

        Fewer than three squares have no third, so every third search is spent on small ones.
        """
        few = self._squares_per_search
        third = few // 3 if few >= 3 else few * (self._searches % 3 == 2)
        share = third if small else 0
        squares = _next_of(large, self._large_seen, few - share) + _next_of(small, self._small_seen, share)
        self._searches += 1
        self._large_seen += few - share
        self._small_seen += share
        return squares

    def _surest(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], squares: list[SquareCrop]
    ) -> list[HandObservation]:
        presences = self._presences(image_rgb, squares)
        likely = [index for index in np.argsort(-presences)[:TRIED_CLOSELY] if presences[index] >= LEAST_PRESENCE]
        looks = [self._look(image_rgb, squares[index]) for index in likely]
        found = [hand for hand in looks if hand is not None]
        return sorted(found, key=lambda hand: -hand.score)[:1]

    def _presences(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], squares: list[SquareCrop]
    ) -> Float[np.ndarray, " N"]:
        parts = [np.empty(0)]
        for first in range(0, len(squares), BATCH):
            batch = squares[first : first + BATCH]
            crops = np.stack([crop_picture(image_rgb, square, self._classifier.input_px) for square in batch])
            parts.append(self._classifier.presences(crops.transpose(0, 3, 1, 2).astype(np.float32)))
        return np.concatenate(parts)

    def _look(self, image_rgb: UInt8[np.ndarray, "height width 3"], square: SquareCrop) -> HandObservation | None:
        """Moves a square onto the hand in it."""
        height, width = image_rgb.shape[:2]
        intrinsics = Intrinsics.from_fov(width, height)
        side: Side = "right"
        smallest_px = LEAST_SHRINKAGE * square.size_px
        confidences: list[float] = []
        for _ in range(REFINEMENTS + 1):
            if self._classifier.upright and not confidences:
                square = self._best_turned(image_rgb, square, intrinsics)
            prediction = self._classifier.predict(image_rgb, replace(square, flipped=side == "left"), intrinsics)
            if prediction.right < 0.5:
                other = other_side(side)
                mirrored = self._classifier.predict(image_rgb, replace(square, flipped=other == "left"), intrinsics)
                if mirrored.right > prediction.right:
                    side, prediction = other, mirrored
            if prediction.presence < LEAST_PRESENCE or square.size_px < smallest_px:
                return None
            confidences.append(prediction.confidence)
            joints = mirror_pixels(prediction.joints_px, width) if side == "left" else prediction.joints_px
            square = crop_around_hand(joints, self._classifier.crop_expansion, upright=self._classifier.upright)
        score = float(np.mean(confidences))
        if score < LEAST_CONFIDENCE:
            return None
        return HandObservation(side, score, joints, np.zeros((21, 3)), square)

    def _best_turned(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], square: SquareCrop, intrinsics: Intrinsics
    ) -> SquareCrop:
        """The square turned by the number of quarters at which the network is most confident of its hand."""
        turned = [replace(square, angle_rad=quarters * np.pi / 2.0) for quarters in range(4)]
        return max(turned, key=lambda one: self._classifier.predict(image_rgb, one, intrinsics).confidence)


def search_squares(
    width_px: int, height_px: int, sizes: Sequence[float] = SIZES, *, least_px: float = LEAST_SQUARE_PX
) -> Iterator[SquareCrop]:
    """Squares that cover a picture, large ones first, evenly spread.

    Args:
        width_px: of the picture.
        height_px: of the picture.
        sizes: sides over the shorter side of the picture.
        least_px: sides below this are left out, but for a square as large as the picture allows.
    """
    for size in sizes:
        side = size * min(width_px, height_px)
        if side < least_px and size < 1.0:
            continue
        across, down = (
            max(1, round((length - side) / (side * (1.0 - OVERLAP))) + 1) for length in (width_px, height_px)
        )
        if across * down > MOST_SQUARES:
            thinned = (MOST_SQUARES / (across * down)) ** 0.5
            across = min(max(int(across * thinned), 1), MOST_SQUARES) if down > 1 else MOST_SQUARES
            down = max(MOST_SQUARES // across, 1) if down > 1 else 1
        for y in np.linspace(side / 2.0, height_px - side / 2.0, down) if down > 1 else [height_px / 2.0]:
            for x in np.linspace(side / 2.0, width_px - side / 2.0, across) if across > 1 else [width_px / 2.0]:
                yield SquareCrop(float(x) - 0.5, float(y) - 0.5, side)


def _next_of(squares: list[SquareCrop], first: int, count: int) -> list[SquareCrop]:
    """A number of squares from a place on, continuing at the first after the last; each at most once."""
    return [squares[(first + step) % len(squares)] for step in range(min(count, len(squares)))]
