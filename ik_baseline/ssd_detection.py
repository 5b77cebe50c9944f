"""Reads boxes and key points out of a single-shot detector's raw outputs: anchors, decoding, weighted suppression.

The palm and the face models of MediaPipe are of this kind (SSD, Liu et al. 2016; BlazeFace, Bazarevsky et al. 2019).
Anchors all have size 1, so that an output is an offset from the anchor's centre. Coordinates are those of the model's
square input, 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from ik_baseline.onnx_session import PictureModel

SUPPRESSION_OVERLAP: Final = 0.3
"""Boxes that overlap a better one by more (intersection over union) are about the same object."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One object.

    Attributes:
        score: 0 to 1.
        box: left, top, right, bottom.
        keypoints: the points that the model marks.
    """

    score: float
    box: Float[np.ndarray, "4"]
    keypoints: Float[np.ndarray, "K 2"]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture made to fit a model's square input with black bars.

    Attributes:
        side_px: longer side of the picture.
        left_px: width of the bar at the left.
        top_px: height of the bar at the top.
    """

    side_px: int
    left_px: float
    top_px: float

    @staticmethod
    def of(image_rgb: UInt8[np.ndarray, "height width 3"]) -> Letterbox:
        """The bars that a picture needs."""
        height, width = image_rgb.shape[:2]
        side = max(height, width)
        return Letterbox(side, (side - width) / 2.0, (side - height) / 2.0)

    def picture(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], input_px: int
    ) -> UInt8[np.ndarray, "input input 3"]:
        """The model's input; as in MediaPipe corners fall on corners, and nothing is blurred before it is shrunk."""
        scale = input_px / self.side_px
        matrix = np.array([[scale, 0.0, self.left_px * scale], [0.0, scale, self.top_px * scale]])
        return np.asarray(cv2.warpAffine(image_rgb, matrix, (input_px, input_px), flags=cv2.INTER_LINEAR))

    def to_picture(self, points: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """Points of the square input, 0 to 1, in picture coordinates."""
        return points * self.side_px - (self.left_px, self.top_px)


def anchor_centers(input_px: int, layers: Sequence[tuple[int, int]]) -> Float[np.ndarray, "A 2"]:
    """Centres of all anchors, row by row and layer by layer.

    Args:
        input_px: side of the model's input.
        layers: (stride in pixels, anchors at each place) of each layer.
    """
    centers = []
    for stride, count in layers:
        cells = (np.arange(input_px // stride) + 0.5) * stride / input_px
        grid = np.stack(np.meshgrid(cells, cells), -1).reshape(-1, 2)
        centers.append(np.repeat(grid, count, axis=0))
    return np.concatenate(centers).astype(np.float32)


class SsdDetector:
    """A single-shot detector with its anchors; belongs to the thread that made it."""

    def __init__(self, model: PictureModel, anchors: Float[np.ndarray, "A 2"], min_score: float) -> None:
        """Takes a model with raw boxes [1, A, 4 + 2 K] and raw scores [1, A, 1] as outputs.

        Args:
            model: the network.
            anchors: centre of each anchor.
            min_score: below this, 0 to 1, nothing is reported.
        """
        self._model = model
        self._anchors = anchors
        # the sigmoid is monotonic: nearly all anchors are ruled out by their raw score
        self._min_raw_score = math.log(min_score / (1.0 - min_score))

    def detect(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> tuple[list[Detection], Letterbox]:
        """The objects of a picture, the most certain first, and how the picture was fitted."""
        letterbox = Letterbox.of(image_rgb)
        raw_boxes, raw_scores = self._model(letterbox.picture(image_rgb, self._model.width_px))
        kept = np.flatnonzero(raw_scores[0, :, 0] >= self._min_raw_score)
        if kept.size == 0:
            return [], letterbox
        scores = 1.0 / (1.0 + np.exp(-np.minimum(raw_scores[0, kept, 0], 100.0)))
        numbers = raw_boxes[0, kept] / self._model.width_px
        centers, sizes = numbers[:, :2] + self._anchors[kept], numbers[:, 2:4]
        boxes = np.concatenate([centers - sizes / 2.0, centers + sizes / 2.0], 1)
        keypoints = numbers[:, 4:].reshape(len(kept), -1, 2) + self._anchors[kept, None]
        return weighted_suppression(scores, boxes, keypoints), letterbox


def weighted_suppression(
    scores: Float[np.ndarray, "N"], boxes: Float[np.ndarray, "N 4"], keypoints: Float[np.ndarray, "N K 2"]
) -> list[Detection]:
    """One detection for each group of overlapping ones: their mean, weighted by score, as BlazeFace does.

    Args:
        scores: 0 to 1.
        boxes: left, top, right, bottom.
        keypoints: of each.

    Returns:
        The groups, the most certain first, each with the score of its best member.
    """
    left = np.argsort(-scores, kind="stable")
    found = []
    while left.size:
        best = left[0]
        near = _overlap(boxes[best], boxes[left]) > SUPPRESSION_OVERLAP
        near[0] = True  # a box without area overlaps nothing, not even itself
        group = left[near]
        weights = scores[group] / scores[group].sum()
        found.append(Detection(float(scores[best]), weights @ boxes[group], np.tensordot(weights, keypoints[group], 1)))
        left = left[~near]
    return found


def _overlap(box: Float[np.ndarray, "4"], others: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N"]:
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0.0).prod(1)
    areas = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - shared
    return shared / np.maximum(areas, 1e-12)
