"""The triangulated hand over time: joints, the expected error of each, and gaps where two views do not suffice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from app.two_views.bone_lengths import steady
from app.two_views.calibration import PairCalibration
from app.two_views.camera_pair import CameraPair
from app.two_views.evidence import PATHS, ViewTrack
from app.two_views.observer_noise import HIDDEN_ERROR, ObserverNoise, hand_size_px, measure_noise, relative_sigma
from app.two_views.triangulation import Sightings, Triangulated, triangulate
from hand.mirror import Side

FRAMES_FOR_OWN_NOISE: Final = 60
"""From so many frames in both views the noise is measured on them, and not taken from the calibration."""

LARGEST_EXPECTED_M: Final = 0.02
"""A joint with a larger expected error is a gap: it is as wide as a finger."""

LOCAL_WINDOW_S: Final = 0.5
"""Noise is pooled over so long to both sides: a hand turned edge on is seen worse for a while."""

SHARED_ERROR: Final = 0.5
"""Correlation of two paths' errors in one view: both mistake what is hidden. Measured on rendered hands."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The triangulated hand over time.

    Attributes:
        times_s: on the first view's clock.
        joints_m: 21 joints in the first camera's axes, NaN in gaps.
        expected_m: root mean square error to expect of each joint in the hand, NaN in gaps; the whole hand may be
            shifted by ``PairCalibration.place_mm`` beside that.
        pair: the cameras.
        side: which hand.
    """

    times_s: Float[np.ndarray, " N"]
    joints_m: Float[np.ndarray, "N 21 3"]
    expected_m: Float[np.ndarray, "N 21"]
    pair: CameraPair
    side: Side

    def in_view(self, view: int) -> Float[np.ndarray, "N 21 3"]:
        """The joints in the axes of the first (0) or second (1) camera."""
        return self.joints_m if view == 0 else self.pair.to_second(self.joints_m)


def measure_truth(calibration: PairCalibration, first: ViewTrack, second: ViewTrack) -> Truth:
    """Triangulates a hand over time.

    Args:
        calibration: of the two cameras.
        first: the hand in the first view.
        second: the hand in the second view at the same moments.
    """
    pair = calibration.pair
    noise = calibration.noise
    if in_both_views(first, second).sum() >= FRAMES_FOR_OWN_NOISE:
        own = measure_noise(pair, first, second)
        noise = ObserverNoise({**noise.share, **own.share})
    made = triangulate(pair, sightings(pair, first, second, noise))
    covariance = _inflated(made, first.times_s)
    firm = steady(made.joints_m, covariance)
    spread = HIDDEN_ERROR**2 * np.trace(firm.covariance_m2, axis1=-2, axis2=-1) + (calibration.repeat_mm / 1000.0) ** 2
    expected, joints = np.sqrt(spread), firm.joints_m
    gap = ~(expected <= LARGEST_EXPECTED_M)
    joints[gap], expected[gap] = np.nan, np.nan
    return Truth(first.times_s, joints, expected, pair, first.side)


def in_both_views(first: ViewTrack, second: ViewTrack) -> Bool[np.ndarray, " N"]:
    """The moments at which some path found the hand in both views.

    Args:
        first: the hand in the first view.
        second: the hand in the second view at the same moments.
    """
    found = np.zeros(len(first), bool)
    for path in first.joints_px.keys() & second.joints_px.keys() & set(PATHS):
        found |= np.isfinite(first.joints_px[path]).all((1, 2)) & np.isfinite(second.joints_px[path]).all((1, 2))
    return found


def sightings(pair: CameraPair, first: ViewTrack, second: ViewTrack, noise: ObserverNoise) -> list[Sightings]:
    """Every path's joints in both views, with their standard deviations.

    Args:
        pair: the cameras.
        first: the hand in the first view.
        second: the hand in the second view at the same moments.
        noise: of the paths' joints.
    """
    paths = [path for path in PATHS if path in first.joints_px and path in noise.share]
    found = []
    for view, track in enumerate((first, second)):
        own = np.full((len(paths), len(track), 21), np.inf)
        for number, path in enumerate(paths):
            pixels = track.joints_px[path]
            seen = np.isfinite(pixels).all((1, 2))
            size = np.where(seen, hand_size_px(np.nan_to_num(pixels)), np.inf)
            own[number] = noise.share[path] * size[:, None] * relative_sigma(track, path)
        shared = dependent_sigmas(own)
        found += [Sightings(view, track.joints_px[path], shared[number]) for number, path in enumerate(paths)]
    return found


def dependent_sigmas(sigma_px: Float[np.ndarray, "P N 21"]) -> Float[np.ndarray, "P N 21"]:
    """Standard deviations that give dependent observers, taken as independent, the weights and the sum they deserve.

    The best linear mean of two observers with errors of correlation r weighs the worse of them by
    (s1^2 - r s1 s2) / (s1^2 + s2^2 - 2 r s1 s2), which is nothing from s1 / s2 = r on.

    Args:
        sigma_px: of one or two paths in one view, infinite where a path found no hand.
    """
    if len(sigma_px) != 2:
        return sigma_px
    one, other = sigma_px
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        shared = SHARED_ERROR * one * other
        total = one**2 + other**2 - 2.0 * shared
        weight_one = np.clip((other**2 - shared) / total, 0.02, 0.98)
        rest = 1.0 - weight_one
        variance = weight_one**2 * one**2 + rest**2 * other**2 + 2.0 * weight_one * rest * shared
        result = np.stack([np.sqrt(variance / weight_one), np.sqrt(variance / rest)])
    alone = ~np.isfinite(sigma_px).all(0)
    return np.where(alone[None], sigma_px, result)


def _inflated(made: Triangulated, times_s: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N 21 3 3"]:
    """Covariances, larger where the observers contradict each other more than their noise explains.

    The misfit of single joints is weak evidence (one degree of freedom), so it is pooled over the time around each
    frame.
    """
    squares = made.misfit**2
    pooled = np.empty_like(squares)
    for n, now in enumerate(times_s):
        near = slice(*np.searchsorted(times_s, (now - LOCAL_WINDOW_S, now + LOCAL_WINDOW_S)))
        part = squares[near]
        finite = np.isfinite(part)
        count = finite.sum(0)
        # with the prior of eight frames of exactly the noise expected
        pooled[n] = (np.where(finite, part, 0.0).sum(0) + 8.0) / (count + 8.0)
    return np.asarray(made.covariance_m2 * np.clip(pooled, 0.5, 9.0)[..., None, None])
