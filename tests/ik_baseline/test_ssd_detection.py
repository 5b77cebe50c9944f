"""Anchors, letterbox and suppression of single-shot detectors."""

from __future__ import annotations

import numpy as np
import pytest

from ik_baseline.detector import PALM_LAYERS
from ik_baseline.ssd_detection import Letterbox, SsdDetector, anchor_centers, weighted_suppression


def test_anchor_centers_of_the_palm_model() -> None:
    anchors = anchor_centers(192, PALM_LAYERS)
    assert anchors.shape == (24 * 24 * 2 + 12 * 12 * 6, 2)
    np.testing.assert_allclose(anchors[:4] * 192, [[4, 4], [4, 4], [12, 4], [12, 4]], rtol=1e-6)
    np.testing.assert_allclose(anchors[1152:1159] * 192, [[8, 8]] * 6 + [[24, 8]], rtol=1e-6)


def test_overlapping_boxes_become_their_weighted_mean() -> None:
    boxes = np.array([[0.0, 0.0, 1.0, 1.0], [0.1, 0.0, 1.1, 1.0], [3.0, 3.0, 4.0, 4.0], [0.0, 0.7, 1.0, 1.7]])
    keypoints = boxes[:, None, :2]
    scores = np.array([0.6, 0.9, 0.7, 0.5])
    found = weighted_suppression(scores, boxes, keypoints)
    assert [detection.score for detection in found] == [0.9, 0.7, 0.5]
    np.testing.assert_allclose(found[0].box, (0.6 * boxes[0] + 0.9 * boxes[1]) / 1.5)
    np.testing.assert_allclose(found[0].keypoints, (0.6 * keypoints[0] + 0.9 * keypoints[1]) / 1.5)
    np.testing.assert_allclose(found[2].box, boxes[3])  # overlaps by 0.18 only


def test_suppression_of_zero_area_boxes_terminates() -> None:
    boxes = np.zeros((3, 4))
    found = weighted_suppression(np.array([0.5, 0.6, 0.7]), boxes, np.zeros((3, 1, 2)))
    assert [detection.score for detection in found] == [0.7, 0.6, 0.5]


@pytest.mark.parametrize("size", [(120, 160), (160, 120), (90, 90)])
def test_letterbox_keeps_the_aspect_ratio_and_maps_points_back(size: tuple[int, int]) -> None:
    image = np.full((*size, 3), 200, np.uint8)
    letterbox = Letterbox.of(image)
    fitted = letterbox.picture(image, 80)
    corners = letterbox.to_picture(np.array([[0.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(corners.mean(0), (size[1] / 2.0, size[0] / 2.0))
    assert np.ptp(corners, axis=0) == pytest.approx(max(size))
    bright = np.argwhere(fitted[..., 0] > 100)
    assert np.ptp(bright, axis=0) + 1 == pytest.approx(np.array(size) * 80 / max(size), abs=1)


class OneAnchor:
    """A model that reports one box with two key points at its second anchor."""

    width_px = height_px = 100

    def __init__(self, score: float) -> None:
        raw = np.zeros((1, 2, 8), np.float32)
        raw[0, 1] = [10.0, -5.0, 20.0, 40.0, 1.0, 2.0, -3.0, 4.0]
        self.outputs = raw, np.array([[[-9.0], [np.log(score / (1.0 - score))]]], np.float32)

    def __call__(self, picture_rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert picture_rgb.shape == (100, 100, 3)
        return self.outputs


def test_box_offsets_are_relative_to_the_anchor() -> None:
    anchors = np.array([[0.1, 0.1], [0.5, 0.6]], np.float32)
    ((found,), letterbox) = SsdDetector(OneAnchor(0.8), anchors, 0.5).detect(np.zeros((200, 200, 3), np.uint8))
    assert found.score == pytest.approx(0.8)
    np.testing.assert_allclose(found.box, [0.5, 0.35, 0.7, 0.75], atol=1e-6)
    np.testing.assert_allclose(found.keypoints, [[0.51, 0.62], [0.47, 0.64]], atol=1e-6)
    assert letterbox.side_px == 200
    assert SsdDetector(OneAnchor(0.4), anchors, 0.5).detect(np.zeros((200, 200, 3), np.uint8))[0] == []
