"""Standard deviations of each path's joints, from how far its two views disagree.

A pixel's distance from the epipolar line of its partner is the one error that two views show without ground truth.
Errors along the line are taken to be as large as those across it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from app.two_views.camera_pair import CameraPair
from app.two_views.evidence import PATHS, ViewTrack

LEAST_SHARE: Final = 0.006
"""No joint is seen more exactly than this share of the hand's box."""

HIDDEN_ERROR: Final = 2.1
"""Real error over the propagated one. What both views show badly is mistaken in both alike, which leaves no residual;
measured on rendered hands (``python -m benchmarks.two_views`` prints how far it still holds)."""

RELATIVE_SIGMA: Final = (0.5, 5.0)
"""Limits of how far a path's own uncertainty may change its noise from frame to frame."""

_NORMAL: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute value."""


@dataclass(frozen=True, slots=True, eq=False)
class ObserverNoise:
    """Standard deviation of each path's joints along each axis of the picture.

    Attributes:
        share: of the longer side of the hand's box, by path, in a usual frame; see :func:`relative_sigma`.
    """

    share: Mapping[str, Float[np.ndarray, "21"]]

    @property
    def best_path(self) -> str:
        """The path with the least noise."""
        return min(self.share, key=lambda path: float(np.median(self.share[path])))


def hand_size_px(joints_px: Float[np.ndarray, "N 21 2"]) -> Float[np.ndarray, " N"]:
    """Longer side of the box of the joints."""
    return np.asarray(np.ptp(joints_px, axis=1).max(-1))


def relative_sigma(track: ViewTrack, path: str) -> Float[np.ndarray, "N 21"]:
    """Expected error of each joint of each frame over the usual one, from the path itself; 1 where it has none.

    Args:
        track: of one view.
        path: which path.
    """
    sigma_px = track.sigma_px[path]
    size = np.where(np.isfinite(sigma_px[:, 0]), hand_size_px(np.nan_to_num(track.joints_px[path])), np.nan)
    share = sigma_px / np.maximum(size, 1.0)[:, None]
    if not np.isfinite(share).any():
        return np.ones_like(share)
    usual = np.nanmedian(share, 0)
    return np.clip(np.where(np.isfinite(share), share / np.maximum(usual, 1e-9), 1.0), *RELATIVE_SIGMA)


def measure_noise(pair: CameraPair, first: ViewTrack, second: ViewTrack) -> ObserverNoise:
    """The noise of all paths with the hand in both views.

    Args:
        pair: the cameras; the scale does not matter.
        first: the hand in the first view.
        second: the hand in the second view at the same moments.
    """
    share = {}
    for path in PATHS:
        if path not in first.joints_px or path not in second.joints_px:
            continue
        one, other = first.joints_px[path], second.joints_px[path]
        seen = np.isfinite(one).all((1, 2)) & np.isfinite(other).all((1, 2))
        if seen.sum() < 3:
            continue
        size = np.sqrt((hand_size_px(one[seen]) ** 2 + hand_size_px(other[seen]) ** 2) / 2.0)
        doubt = np.sqrt((relative_sigma(first, path)[seen] ** 2 + relative_sigma(second, path)[seen] ** 2) / 2.0)
        errors = np.abs(pair.epipolar_errors_px(one[seen], other[seen])) / np.maximum(size[:, None], 1.0) / doubt
        share[path] = np.maximum(_NORMAL * np.median(errors, 0), LEAST_SHARE)
    return ObserverNoise(share)
