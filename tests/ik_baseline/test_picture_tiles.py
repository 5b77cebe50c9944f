"""Hands too small for a search of the whole picture, and the cost of searching for them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from demo_clip import demo_pictures

from app.pipeline.paths.crop_search import SlidingWindowDetector
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.types import Frame
from ik_baseline.detector import ALL_TILES, TILES_PER_FRAME, HandDetector
from ik_baseline.picture_tiles import LEAST_TILE_PX, MOST_TILES, TILE_SIZES, Tile, picture_tiles
from ik_baseline.tracker import IkTracker
from inference.runtime import load_network

WIDTH, HEIGHT = 3840, 2160


def small_hand(width_px: int = WIDTH, height_px: int = HEIGHT, share: float = 0.08) -> tuple[np.ndarray, np.ndarray]:
    """A picture with a hand of a share of its height, by default 8 % of 4K, and that hand's middle."""
    (picture,) = demo_pictures([40])
    with HandDetector(still=True) as detector:
        landmarks = detector.detect(picture)[0].landmarks_px
    low, high = landmarks.min(0), landmarks.max(0)
    left, top = np.maximum(low - 20, 0).astype(int)
    right, bottom = (high + 20).astype(int)
    scale = share * height_px / (high - low)[1]
    hand = cv2.resize(picture[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    result = np.full((height_px, width_px, 3), picture[:20, :20].mean((0, 1)).astype(np.uint8), np.uint8)
    x, y = round(0.65 * width_px), round(0.6 * height_px)
    result[y : y + hand.shape[0], x : x + hand.shape[1]] = hand
    return result, np.array([x, y]) + np.array(hand.shape[1::-1]) / 2.0


@pytest.mark.parametrize(("width", "height", "in_the_whole"), [(640, 480, 0.15), (1280, 720, 0.2), (3840, 2160, 0.2)])
def test_smallest_documented_hand_is_found(width: int, height: int, in_the_whole: float) -> None:
    with HandDetector(still=True) as whole, HandDetector(still=True, tiles_per_picture=ALL_TILES) as tiled:
        for detector, share in ((whole, in_the_whole), (tiled, 0.06)):
            picture, middle = small_hand(width, height, share)
            (seen,) = detector.detect(picture)
            assert np.abs(seen.landmarks_px.mean(0) - middle).max() < 0.3 * share * height


@pytest.mark.parametrize(("width", "height", "share"), [(640, 480, 0.15), (1280, 720, 0.15), (3840, 2160, 0.1)])
def test_network_alone_finds_the_smallest_documented_hand(width: int, height: int, share: float) -> None:
    picture, middle = small_hand(width, height, share)
    (seen,) = SlidingWindowDetector(load_network(SHIPPED_NETWORK_DIR)).detect(picture)
    assert np.abs(seen.landmarks_px.mean(0) - middle).max() < 0.3 * share * height


def test_tiles_find_a_hand_that_detection_in_the_whole_picture_misses() -> None:
    picture, middle = small_hand()
    with HandDetector(still=True) as whole:
        assert whole.detect(picture) == ()
    with HandDetector(still=True, tiles_per_picture=ALL_TILES) as tiled:
        (seen,) = tiled.detect(picture)
    assert seen.side == "right"
    assert np.abs(seen.landmarks_px.mean(0) - middle).max() < 40.0


def test_tracker_finds_a_small_hand_in_a_still_and_within_one_round_of_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a video one tile is searched per frame, and none while a hand is followed."""
    tiles_cut, cut = list[Tile](), Tile.cut

    def counted(tile: Tile, picture: np.ndarray) -> np.ndarray:
        tiles_cut.append(tile)
        return cut(tile, picture)

    monkeypatch.setattr(Tile, "cut", counted)
    picture, middle = small_hand()
    model, camera = load_embedded_model(), Intrinsics.from_fov(WIDTH, HEIGHT)
    frames = sum(len(tiles) for tiles in picture_tiles(WIDTH, HEIGHT))

    def frame(number: int) -> Frame:
        return Frame(number, number * 33_000_000, picture.copy(), camera, "x")

    with IkTracker(model, still=True) as tracker:
        (seen,) = tracker.process(frame(0)).observations
        assert np.abs(seen.landmarks_px.mean(0) - middle).max() < 40.0
    tiles_cut.clear()
    with IkTracker(model) as tracker:
        for number in range(frames):
            observations = tracker.process(frame(number)).observations
            assert len(tiles_cut) == (number + 1) * TILES_PER_FRAME
            if observations:
                break
        assert np.abs(observations[0].landmarks_px.mean(0) - middle).max() < 40.0
        assert tracker.process(frame(number + 1)).observations
        assert len(tiles_cut) == (number + 1) * TILES_PER_FRAME


@pytest.mark.parametrize("size_px", [(3840, 2160), (640, 480), (1500, 300), (30_000, 500), (500, 30_000), (8000, 8000)])
def test_tiles_cover_the_picture_and_their_number_is_bounded(size_px: tuple[int, int]) -> None:
    width, height = size_px
    groups = list(picture_tiles(width, height))
    for tiles in groups:
        assert 0 < len(tiles) <= MOST_TILES
        assert all(tile.size_px >= LEAST_TILE_PX for tile in tiles)
        picture = np.zeros((height, width), bool)
        for tile in tiles:
            part = tile.cut(picture)  # type: ignore[arg-type]
            assert part.shape == (tile.size_px, tile.size_px)
            part[:] = True
        if max(size_px) < 10_000:
            assert picture.all()
    assert sum(map(len, groups)) <= ALL_TILES == len(TILE_SIZES) * MOST_TILES


@pytest.mark.parametrize("size_px", [(640, 200), (400, 400), (1500, 40)])
def test_small_pictures_have_no_tiles(size_px: tuple[int, int]) -> None:
    assert list(picture_tiles(*size_px)) == []
