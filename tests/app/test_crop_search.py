"""The network's sliding-window detector, on a classifier with a known hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.pipeline.paths.crop_search import (
    BATCH,
    MOST_SQUARES,
    SIZES,
    SMALL_SIZES,
    SlidingWindowDetector,
    search_squares,
)
from hand.camera import Intrinsics
from hand.crop import SquareCrop, upright_angle_rad
from hand.mirror import mirror_pixels
from inference.runtime import CropPrediction

WIDTH, HEIGHT = 640, 480


class FakeClassifier:
    """Classifies a bright blob as a hand: 21 joints around the blob's middle."""

    input_px = 128
    crop_expansion = 1.6
    upright = False

    def __init__(self, *, side: str = "right", confidence: float = 0.8) -> None:
        self.side, self.confidence = side, confidence
        self.shown = 0

    def presences(self, images: np.ndarray) -> np.ndarray:
        self.shown += len(images)
        return (images.mean((1, 2, 3)) / 255.0 * 8.0).clip(0.0, 1.0)

    def predict(self, image_rgb: np.ndarray, crop: SquareCrop, intrinsics: Intrinsics) -> CropPrediction:
        rows, columns = np.nonzero(image_rgb[..., 0])
        low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()])
        joints = low + (high - low) * np.random.default_rng(0).uniform(size=(21, 2))
        joints[:2] = low, high
        shown_as = "left" if crop.flipped else "right"
        return CropPrediction(
            rotations=np.tile(np.eye(3), (16, 1, 1)),
            shape=np.zeros(10),
            root_m=np.array([0.0, 0.0, 0.5]),
            joints_px=mirror_pixels(joints, WIDTH) if crop.flipped else joints,
            sigma_px=np.ones(21),
            presence=0.9,
            right=0.9 if shown_as == self.side else 0.1,
            confidence=self.confidence,
        )


def picture_with_blob(x: int, y: int, size: int) -> np.ndarray:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[y : y + size, x : x + size] = 255
    return picture


@pytest.mark.parametrize("size_px", [WIDTH, HEIGHT, 100])
def test_squares_cover_the_picture_and_stay_inside(size_px: int) -> None:
    seen = np.zeros((HEIGHT, size_px), bool)
    for square in search_squares(size_px, HEIGHT):
        left, top = square.center_x_px + 0.5 - square.size_px / 2, square.center_y_px + 0.5 - square.size_px / 2
        assert min(left, top) > -1e-6
        assert left + square.size_px < size_px + 1e-6
        assert top + square.size_px < HEIGHT + 1e-6
        if square.size_px < 0.5 * min(size_px, HEIGHT):
            seen[round(top) : round(top + square.size_px), round(left) : round(left + square.size_px)] = True
    assert seen.mean() > 0.98


def test_crop_converges_on_the_hand() -> None:
    (hand,) = SlidingWindowDetector(FakeClassifier()).detect(picture_with_blob(470, 300, 120))
    assert hand.side == "right"
    assert abs(hand.crop.center_x_px - 529.5) < 2
    assert abs(hand.crop.center_y_px - 359.5) < 2
    assert hand.crop.size_px == pytest.approx(119 * 1.6)


def test_left_hand_is_detected_at_its_position_in_the_picture() -> None:
    (hand,) = SlidingWindowDetector(FakeClassifier(side="left")).detect(picture_with_blob(40, 60, 150))
    assert hand.side == "left"
    assert abs(hand.landmarks_px.mean(0) - (115, 135)).max() < 25


def test_an_empty_picture_and_an_unsure_network_give_nothing() -> None:
    assert list(SlidingWindowDetector(FakeClassifier()).detect(np.zeros((HEIGHT, WIDTH, 3), np.uint8))) == []
    assert list(SlidingWindowDetector(FakeClassifier(confidence=0.2)).detect(picture_with_blob(200, 200, 150))) == []


def test_search_that_converges_on_a_tiny_blob_finds_no_hand() -> None:
    assert len(SlidingWindowDetector(FakeClassifier()).detect(picture_with_blob(300, 200, 80))) == 1
    assert list(SlidingWindowDetector(FakeClassifier()).detect(picture_with_blob(300, 200, 40))) == []


def test_single_confident_prediction_among_doubtful_ones_is_not_enough() -> None:
    class MostlyDoubtful(FakeClassifier):
        calls = 0

        def predict(self, image_rgb: np.ndarray, crop: SquareCrop, intrinsics: Intrinsics) -> CropPrediction:
            self.calls += 1
            prediction = super().predict(image_rgb, crop, intrinsics)
            return replace(prediction, confidence=0.8 if self.calls % 4 == 0 else 0.1)

    assert list(SlidingWindowDetector(MostlyDoubtful()).detect(picture_with_blob(200, 200, 150))) == []


def test_video_search_classifies_few_squares_per_frame_and_covers_the_picture() -> None:
    classifier = FakeClassifier()
    search = SlidingWindowDetector(classifier, squares_per_search=5)
    every = len(list(search_squares(WIDTH, HEIGHT)))
    picture = picture_with_blob(550, 390, 80)
    found = [bool(search.detect(picture)) for _ in range(every // 5 + 1)]
    assert classifier.shown == 5 * len(found)
    assert any(found)


def test_upright_network_tries_each_quarter_turn_and_gets_an_upright_crop() -> None:
    class Turned(FakeClassifier):
        """Most confident on crops that are turned by 180 degrees."""

        upright = True

        def __init__(self) -> None:
            super().__init__()
            self.angles: list[float] = []

        def predict(self, image_rgb: np.ndarray, crop: SquareCrop, intrinsics: Intrinsics) -> CropPrediction:
            self.angles.append(crop.angle_rad)
            sure = 0.9 if abs(crop.angle_rad - np.pi) < 0.1 else 0.6
            return replace(super().predict(image_rgb, crop, intrinsics), confidence=sure)

    classifier = Turned()
    (found,) = SlidingWindowDetector(classifier).detect(picture_with_blob(300, 200, 90))
    np.testing.assert_allclose(classifier.angles[:5], [0.0, np.pi / 2, np.pi, 1.5 * np.pi, np.pi])
    assert found.crop.angle_rad == pytest.approx(upright_angle_rad(found.landmarks_px))


@pytest.mark.parametrize("size_px", [(3840, 2160), (1500, 40), (40, 1500), (30_000, 30), (20_000, 1000), (16, 16)])
def test_a_search_is_bounded_in_squares_and_memory_whatever_the_picture(size_px: tuple[int, int]) -> None:
    largest_batch = 0

    class Counting(FakeClassifier):
        def presences(self, images: np.ndarray) -> np.ndarray:
            nonlocal largest_batch
            largest_batch = max(largest_batch, len(images))
            return super().presences(images)

    classifier = Counting()
    assert list(SlidingWindowDetector(classifier).detect(np.zeros((size_px[1], size_px[0], 3), np.uint8))) == []
    assert 0 < classifier.shown <= (len(SIZES) + len(SMALL_SIZES)) * MOST_SQUARES
    assert 0 < largest_batch <= BATCH


def test_squares_of_a_banner_have_its_full_height_and_overlap() -> None:
    sides = {square.size_px for square in search_squares(1500, 40)}
    assert sides == {40.0}
    centers = sorted(square.center_x_px for square in search_squares(1500, 40))
    assert max(np.diff(centers)) <= 21.0


def test_a_hand_of_8_percent_of_the_height_of_a_large_picture_is_found() -> None:
    height, width = 2160, 3840
    picture = np.zeros((height, width, 3), np.uint8)
    picture[1500:1673, 2900:3050] = 255

    class Sharp(FakeClassifier):
        """Detects the blob only where it fills enough of a square, as a network does."""

        def presences(self, images: np.ndarray) -> np.ndarray:
            self.shown += len(images)
            return (images.mean((1, 2, 3)) / 255.0 > 0.12).astype(float)

    search = SlidingWindowDetector(Sharp())
    (hand,) = search.detect(picture)
    assert abs(hand.crop.center_x_px - 2974.5) < 4
    assert abs(hand.crop.center_y_px - 1586.0) < 4
    classifier = Sharp()
    live = SlidingWindowDetector(classifier, squares_per_search=6)
    rounds = len(list(search_squares(width, height, SMALL_SIZES, least_px=128))) // 2 + 1
    found = [bool(live.detect(picture)) for _ in range(rounds)]
    assert any(found)
    assert classifier.shown == 6 * rounds


@pytest.mark.parametrize("few", [1, 2, 3])
def test_video_search_of_few_squares_spends_a_third_on_small_ones(few: int) -> None:
    search = SlidingWindowDetector(FakeClassifier(), squares_per_search=few)
    large = list(search_squares(3840, 2160))
    small = list(search_squares(3840, 2160, SMALL_SIZES))
    seen = [square for _ in range(3 * len(small)) for square in search._due(large, small)]
    assert len([square for square in seen if square in small]) == len(seen) // 3
    assert all(square in seen for square in (*large, *small))
