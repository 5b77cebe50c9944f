"""Test-time augmentation: geometry round trips, medians, and low scores where the copies disagree."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from hand.crop import crop_around
from hand.mirror import Side
from hand.types import HandObservation
from ik_baseline.augmented_detector import AUGMENTATIONS, AugmentedDetector

WIDTH, HEIGHT = 320, 240


def dots_picture() -> tuple[np.ndarray, np.ndarray]:
    """21 dots and their places; each dot has a distinct grey, which identifies it in any copy."""
    rng = np.random.default_rng(3)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cells = rng.permutation(35)[:21]
    places = np.stack([100 + 22 * (cells % 7), 60 + 26 * (cells // 7)], 1).astype(float)
    for number, (x, y) in enumerate(places):
        cv2.circle(picture, (int(x), int(y)), 8, (60 + 9 * number,) * 3, -1)
    return picture, places


def side_of(places: np.ndarray) -> Side:
    """The side, from the orientation of the triangle of the first three places."""
    (x1, y1), (x2, y2) = places[1] - places[0], places[2] - places[0]
    return "right" if x1 * y2 - y1 * x2 > 0.0 else "left"


class DotDetector:
    """Finds the dots by their greys; its world landmarks are the dots in units of pixels, y down."""

    def __init__(self, disturb: Callable[[int, np.ndarray], np.ndarray] = lambda look, pixels: pixels) -> None:
        self.calls, self.closed = 0, 0
        self._disturb = disturb

    def detect(self, image_rgb: np.ndarray) -> tuple[HandObservation, ...]:
        grey = np.ascontiguousarray(image_rgb[..., 0])
        count, labels, _, middles = cv2.connectedComponentsWithStats((grey > 30).astype(np.uint8))
        brightness = [int(np.median(grey[labels == part])) for part in range(1, count)]
        order = np.argsort(brightness)
        pixels = middles[1:][order]
        found = self._disturb(self.calls, pixels)
        self.calls += 1
        world = np.concatenate([found - found.mean(0), np.linspace(-5.0, 5.0, 21)[:, None]], 1)
        # the side changes in a mirrored copy, as that of a real hand does
        return (HandObservation(side_of(found), 0.9, found, world, crop_around(found, 1.5)),)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("copies", [1, 3, len(AUGMENTATIONS)])
def test_landmarks_of_every_copy_map_back_to_their_places(copies: int) -> None:
    picture, places = dots_picture()
    detector = DotDetector()
    (hand,) = AugmentedDetector(detector, copies).detect(picture)
    assert detector.calls == copies
    np.testing.assert_allclose(hand.landmarks_px, places, atol=0.6)
    expected = np.concatenate([places - places.mean(0), np.linspace(-5.0, 5.0, 21)[:, None]], 1)
    np.testing.assert_allclose(hand.world_landmarks_m, expected, atol=0.8)
    assert hand.side == side_of(places)
    assert hand.score > 0.85


def test_copies_that_disagree_lower_the_score() -> None:
    picture, _ = dots_picture()

    def invent(look: int, pixels: np.ndarray) -> np.ndarray:
        invented = pixels.copy()
        invented[5:] += np.random.default_rng(look).normal(0.0, 25.0, (16, 2))
        return invented

    (sure,) = AugmentedDetector(DotDetector(), 5).detect(picture)
    (doubtful,) = AugmentedDetector(DotDetector(invent), 5).detect(picture)
    assert doubtful.score < 0.4 * sure.score


def test_one_outlier_copy_does_not_move_the_hand() -> None:
    picture, places = dots_picture()
    outlier = DotDetector(lambda look, pixels: pixels + (40.0 if look == 2 else 0.0))
    (hand,) = AugmentedDetector(outlier, 5).detect(picture)
    np.testing.assert_allclose(hand.landmarks_px, places, atol=1.5)


def test_hand_missed_in_most_copies_is_not_returned() -> None:
    picture, _ = dots_picture()

    class Seldom(DotDetector):
        def detect(self, image_rgb: np.ndarray) -> tuple[HandObservation, ...]:
            found = super().detect(image_rgb)
            return found if self.calls <= 2 else ()

    seldom = Seldom()
    augmented_detector = AugmentedDetector(seldom, 5)
    assert augmented_detector.detect(picture) == ()
    augmented_detector.close()
    assert seldom.closed == 1


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_find_a_hand_that_is_only_detected_upright(turns: int) -> None:
    picture, _ = dots_picture()
    straight = DotDetector().detect(picture)[0]
    lying = np.ascontiguousarray(np.rot90(picture, -turns))

    class Upright(DotDetector):
        """Detects the dots only where the picture has its own shape and they lie as they were drawn."""

        def detect(self, image_rgb: np.ndarray) -> tuple[HandObservation, ...]:
            seen = super().detect(image_rgb)
            return seen if np.abs(seen[0].landmarks_px - straight.landmarks_px).max() < 1.0 else ()

    found = AugmentedDetector(Upright(), 1, quarter_turns=True).detect(lying)
    assert len(found) == 1
    want = DotDetector().detect(lying)[0]
    np.testing.assert_allclose(found[0].landmarks_px, want.landmarks_px, atol=0.5)
    np.testing.assert_allclose(found[0].world_landmarks_m, want.world_landmarks_m, atol=0.5)
    if turns:
        assert AugmentedDetector(Upright(), 1).detect(lying) == ()
