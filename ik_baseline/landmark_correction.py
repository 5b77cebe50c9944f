"""Correction of MediaPipe's systematic landmark errors.

Its error is mostly not noise: for the same pose and view it is the same, so more frames do not average it out, but it
can be predicted from the landmarks. The correction was learned on rendered hands of a known
pose, by kernel ridge regression (Saunders et al. 1998) on a subset of centres (Williams and Seeger 2001), and is kept
in ``landmark_correction.npz``; ``benchmarks/landmark_correction.py`` makes that file and prints its effect on
people and movements that it was not learned from.

Photographs are not renderings: of the error on renderings, half carries over to photographs in 3D, and nothing in
the picture (``benchmarks/landmark_transfer.py``). :func:`photograph_correction` is that part, and what runs live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numba
import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.joints import BONES
from hand.mirror import mirror_pixels, mirror_points
from hand.types import HandObservation
from ik_baseline.solver import turn_to_ray

CORRECTION_FILE = Path(__file__).with_name("landmark_correction.npz")

PHOTOGRAPH_SHARE = 0.5
"""Part of the correction in 3D that makes photographs' hands better. With it one person's bones change their length
less from picture to picture, fingers bend more nearly in one plane, and detections in mirrored and turned copies agree
better; with the whole of it bones change their length more than without any."""

_NEGLIGIBLE = 1e-12
"""A centre with a smaller kernel value than this is ignored."""

_VIEW_WEIGHT = 0.7
"""What view and picture weigh in telling two observations apart, against the hand's form in three dimensions."""


@dataclass(frozen=True, slots=True, eq=False)
class NormalizedHand:
    """Landmarks of a right hand, independent of place, size and view.

    Attributes:
        features: the input of the correction.
        form: landmarks in axes of their own palm, over the palm's length, about their mean.
        picture: landmarks in the picture about their mean, over the longer side of their box.
        palm: the palm's axes in the camera (columns radial, distal, palmar).
        palm_m: length of the palm.
        box_px: longer side of the box.
        to_ray: turns the detector's axes into the camera's, see :func:`ik_baseline.solver.turn_to_ray`.
    """

    features: Float[np.ndarray, "114"]
    form: Float[np.ndarray, "21 3"]
    picture: Float[np.ndarray, "21 2"]
    palm: Float[np.ndarray, "3 3"]
    palm_m: float
    box_px: float
    to_ray: Float[np.ndarray, "3 3"]


def normalized(
    world_m: Float[np.ndarray, "21 3"], pixels_px: Float[np.ndarray, "21 2"], intrinsics: Intrinsics
) -> NormalizedHand:
    """Normalises a right hand's landmarks for place, size and view.

    Args:
        world_m: the detector's world landmarks, as it gives them.
        pixels_px: its landmarks in the picture.
        intrinsics: of the picture.
    """
    pixels_px = np.ascontiguousarray(pixels_px, np.float64)
    to_ray = turn_to_ray(pixels_px.mean(0), intrinsics)
    features, form, picture, palm = np.empty(114), np.empty((21, 3)), np.empty((21, 2)), np.empty((3, 3))
    palm_m, box_px = _normalize(
        np.ascontiguousarray(world_m, np.float64), pixels_px, to_ray, features, form, picture, palm
    )
    return NormalizedHand(features, form, picture, palm, palm_m, box_px, to_ray)


# keeps the interpreter lock: reacquiring it would take longer than the microseconds of work
@numba.njit(cache=True, error_model="numpy")
def _normalize(
    world_m: np.ndarray,
    pixels_px: np.ndarray,
    to_ray: np.ndarray,
    features: np.ndarray,
    form: np.ndarray,
    picture: np.ndarray,
    palm: np.ndarray,
) -> tuple[float, float]:
    """Writes the parts of a :class:`NormalizedHand`; the palm's length and the longer side of the box are returned."""
    world = np.empty((21, 3))
    for k in range(21):
        for i in range(3):
            world[k, i] = to_ray[i, 0] * world_m[k, 0] + to_ray[i, 1] * world_m[k, 1] + to_ray[i, 2] * world_m[k, 2]
    # the palm: distal from the wrist to the middle knuckle, palmar across the plane of the outer knuckles
    length = 0.0
    for i in range(3):
        length += (world[9, i] - world[0, i]) ** 2
    palm_m = max(np.sqrt(length), 1e-6)
    along = 0.0
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        palm[i, 1] = (world[9, i] - world[0, i]) / palm_m
        palm[i, 2] = (world[5, j] - world[0, j]) * (world[17, k] - world[0, k])
        palm[i, 2] -= (world[5, k] - world[0, k]) * (world[17, j] - world[0, j])
        along += palm[i, 1] * palm[i, 2]
    length = 0.0
    for i in range(3):
        palm[i, 2] -= along * palm[i, 1]
        length += palm[i, 2] ** 2
    for i in range(3):
        palm[i, 2] /= max(np.sqrt(length), 1e-9)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        palm[i, 0] = palm[j, 1] * palm[k, 2] - palm[k, 1] * palm[j, 2]
    # about the mean, in the palm's axes
    for i in range(3):
        middle = world[:, i].mean()
        for k in range(21):
            world[k, i] -= middle
    for k in range(21):
        for i in range(3):
            form[k, i] = (world[k, 0] * palm[0, i] + world[k, 1] * palm[1, i] + world[k, 2] * palm[2, i]) / palm_m
    box_px = 1.0
    for i in range(2):
        box_px = max(box_px, pixels_px[:, i].max() - pixels_px[:, i].min())
    for i in range(2):
        middle = pixels_px[:, i].mean()
        for k in range(21):
            picture[k, i] = (pixels_px[k, i] - middle) / box_px
    features[:63] = form.ravel()
    features[63:72] = _VIEW_WEIGHT * palm.ravel()
    features[72:] = _VIEW_WEIGHT * picture.ravel()
    return palm_m, box_px


class LandmarkCorrection:
    """The learned correction."""

    def __init__(
        self,
        centers: Float[np.ndarray, "C 114"],
        weights: Float[np.ndarray, "C 105"],
        mean: Float[np.ndarray, "105"],
        width: float,
    ) -> None:
        """Takes the learned parameters.

        Args:
            centers: features of the observations that others are compared with.
            weights: contribution of each to the correction: 63 numbers of the form, 42 of the picture.
            mean: the correction where nothing is near.
            width: of the Gaussian kernel.
        """
        self.centers = centers
        self.weights = weights
        self.mean = mean
        self.width = width
        # the file holds half precision, so nothing is lost, and there is half as much to read for every hand; what is
        # computed from it is not rounded, because large weights of near centres cancel each other
        self._centers_by_feature = np.ascontiguousarray(centers.T, np.float32)
        self._weights = np.ascontiguousarray(weights, np.float32)

    def __call__(
        self,
        observation: HandObservation,
        intrinsics: Intrinsics,
        *,
        form_share: float = 1.0,
        picture_share: float = 1.0,
    ) -> HandObservation:
        """The corrected observation.

        Args:
            observation: of the detector, of either hand.
            intrinsics: of the picture.
            form_share: part of the correction in 3D that is applied.
            picture_share: part of the correction in the picture that is applied.
        """
        left = observation.side == "left"
        world, pixels = observation.world_landmarks_m, observation.landmarks_px
        if left:
            world, pixels = mirror_points(world), mirror_pixels(pixels, intrinsics.width_px)
        camera = intrinsics.mirrored() if left else intrinsics
        hand = normalized(world, pixels, camera)
        change = self.mean.copy()
        _add_changes(hand.features, self._centers_by_feature, self._weights, self.width, change)
        form = hand.form + form_share * change[:63].reshape(21, 3)
        # back into the axes of a detector with the hand on its optical axis, which the solver expects
        world = hand.palm_m * form @ hand.palm.T @ hand.to_ray
        pixels = pixels + picture_share * hand.box_px * change[63:].reshape(21, 2)
        if left:
            world, pixels = mirror_points(world), mirror_pixels(pixels, intrinsics.width_px)
        return replace(observation, world_landmarks_m=world, landmarks_px=pixels)

    def save(self, path: Path = CORRECTION_FILE) -> None:
        """Writes it, in half precision, which is finer than the data it was learned from."""
        np.savez_compressed(
            path,
            centers=self.centers.astype(np.float16),
            weights=self.weights.astype(np.float16),
            mean=self.mean.astype(np.float32),
            width=np.array(self.width),
        )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_changes(
    features: np.ndarray, centers_by_feature: np.ndarray, weights: np.ndarray, width: float, change: np.ndarray
) -> None:
    """Sums the contributions of the centres near one hand: :func:`gaussian_kernel` times the weights."""
    squared = np.zeros(centers_by_feature.shape[1])
    for f in range(len(features)):
        for c in range(len(squared)):
            gap = centers_by_feature[f, c] - features[f]
            squared[c] += gap * gap
    for c in range(len(squared)):
        near = np.exp(-squared[c] / (2.0 * width * width))
        if near < _NEGLIGIBLE:
            continue
        for k in range(len(change)):
            change[k] += near * weights[c, k]


def gaussian_kernel(
    points: Float[np.ndarray, "N D"], centers: Float[np.ndarray, "C D"], width: float
) -> Float[np.ndarray, "N C"]:
    """Gaussian kernel of points and centres, 1 where they coincide.

    Args:
        points: any number.
        centers: any number.
        width: of the kernel.
    """
    squared = (points**2).sum(1)[:, None] + (centers**2).sum(1)[None] - 2.0 * points @ centers.T
    return np.asarray(np.exp(-np.maximum(squared, 0.0) / (2.0 * width**2)))


@lru_cache(maxsize=1)
def measured_correction() -> LandmarkCorrection:
    """The shipped correction."""
    with np.load(CORRECTION_FILE) as content:
        return LandmarkCorrection(
            content["centers"].astype(np.float64),
            content["weights"].astype(np.float64),
            content["mean"].astype(np.float64),
            float(content["width"]),
        )


def photograph_correction(observation: HandObservation, intrinsics: Intrinsics) -> HandObservation:
    """The observation of a real hand with the part of the correction that holds for real hands.

    Args:
        observation: of the detector, of either hand.
        intrinsics: of the picture.
    """
    return measured_correction()(observation, intrinsics, form_share=PHOTOGRAPH_SHARE, picture_share=0.0)


FINGER_BONES: Final = np.array([bone for bone in BONES if bone[0] != 0])
"""Bones beyond the palm, as (nearer the wrist, nearer the tip)."""

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEAST_OBSERVATIONS: Final = 40
_MOST_OBSERVATIONS: Final = 400


def bone_lengths(world_m: Float[np.ndarray, "N 21 3"]) -> Float[np.ndarray, "N 15"]:
    """Lengths of the finger bones over their sum, because the detector's metres change from frame to frame."""
    lengths = np.linalg.norm(world_m[:, FINGER_BONES[:, 1]] - world_m[:, FINGER_BONES[:, 0]], axis=-1)
    return np.asarray(lengths / lengths.sum(1, keepdims=True))


def scatter(values: Float[np.ndarray, "N K"]) -> float:
    """Standard deviation over the median, mean of all columns, from median absolute deviations."""
    middle = np.median(values, axis=0)
    return float((1.4826 * np.median(np.abs(values - middle), axis=0) / middle).mean())


def correction_strength(
    correction: LandmarkCorrection, observations: Sequence[HandObservation], intrinsics: Intrinsics
) -> float:
    """The part of a correction with which one person's bones are most constant.

    On rendered hands the scatter of bone lengths falls together with the true error as more of the correction is made
    (``benchmarks/landmark_transfer.py``); on photographs it falls up to about half of the correction and rises after
    that. So each session determines how much of the correction to apply.

    Args:
        correction: of the detector's landmarks.
        observations: of one person's hands; with too few of them, the share for photographs in general is returned.
        intrinsics: of all pictures.
    """
    if len(observations) < _LEAST_OBSERVATIONS:
        return PHOTOGRAPH_SHARE
    order = np.random.default_rng(0).permutation(len(observations))[:_MOST_OBSERVATIONS]
    none, whole = (
        np.array([correction(observations[k], intrinsics, form_share=share).world_landmarks_m for k in order])
        for share in (0.0, 1.0)
    )
    scatters = [scatter(bone_lengths(none + share * (whole - none))) for share in SHARES]
    return SHARES[int(np.argmin(scatters))]
