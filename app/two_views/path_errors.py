"""Each path's error against the triangulated hand: by joint, over time, by view, and which path is better.

The triangulated hand has an error of its own; figures are given beside it, and joints with a large expected error are
left out of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float

from app.two_views.evidence import ViewTrack
from app.two_views.truth import Truth
from hand.camera import Intrinsics, project
from hand.metrics import best_similarity
from trainer.evaluation.compare_statistics import FEWEST_UNITS, Change, blocks_of_time, paired_change

BLOCK_S: Final = 2.0
"""Stretches that the bootstrap draws, as in the reports about networks."""

WORST_EXPECTED_M: Final = 0.015
"""Joints with a larger expected error are not compared with."""

FEWEST_JOINTS: Final = 15
"""Frames with fewer known joints are left out."""

Measure = Literal["aligned_mm", "from_wrist_mm", "depth_mm", "picture"]
MEASURES: Final[Mapping[Measure, str]] = {
    "aligned_mm": "joint error after alignment (PA), mm",
    "from_wrist_mm": "joint error from the wrist, mm",
    "depth_mm": "error of the hand's distance, mm",
    "picture": "2D error over the hand's box",
}


@dataclass(frozen=True, slots=True, eq=False)
class PathErrors:
    """One path in one view against the triangulated hand.

    Attributes:
        path: which path.
        view: 0 for the first camera, 1 for the second.
        times_s: of the frames that were measured.
        aligned_mm: of each joint after a similarity alignment, NaN where the joint is unknown.
        from_wrist_mm: of each joint with both wrists in one place.
        depth_mm: of the hand's middle along the camera's axis, absolute.
        picture: distance of each joint in the picture over the longer side of the hand's box.
        expected_mm: the triangulated joints' own expected error.
        frames: how many have a triangulated hand, seen by the path or not.
    """

    path: str
    view: int
    times_s: Float[np.ndarray, " K"]
    aligned_mm: Float[np.ndarray, "K 21"]
    from_wrist_mm: Float[np.ndarray, "K 21"]
    depth_mm: Float[np.ndarray, " K"]
    picture: Float[np.ndarray, "K 21"]
    expected_mm: Float[np.ndarray, "K 21"]
    frames: int

    @property
    def found(self) -> float:
        """Share of the frames with a triangulated hand in which the path found one; NaN where there is none."""
        return len(self.times_s) / self.frames if self.frames else float("nan")

    def by_frame(self, measure: Measure) -> Float[np.ndarray, " K"]:
        """Mean over the joints of each frame."""
        values = getattr(self, measure)
        return np.asarray(values if values.ndim == 1 else np.nanmean(values, 1))

    def mean(self, measure: Measure) -> float:
        """Mean over frames; NaN where there is none."""
        frames = self.by_frame(measure)
        return float(frames.mean()) if len(frames) else float("nan")

    def median(self, measure: Measure) -> float:
        """Median over frames; NaN where there is none."""
        frames = self.by_frame(measure)
        return float(np.median(frames)) if len(frames) else float("nan")


@dataclass(frozen=True, slots=True)
class PathComparison:
    """Two paths on the same frames of one view.

    Attributes:
        one: the first path.
        other: the second path.
        view: of which camera.
        measure: what was measured.
        change: from the first to the second, with its interval and verdict about the second.
    """

    one: str
    other: str
    view: int
    measure: Measure
    change: Change

    def sentence(self, names: Mapping[str, str]) -> str:
        change = self.change
        unit, digits = ("", 3) if self.measure == "picture" else (" mm", 1)
        figures = (
            f"({change.after:.{digits}f}{unit} against {change.before:.{digits}f}{unit}; {change.low:+.0%} to "
            f"{change.high:+.0%} over {change.units} stretches of {BLOCK_S:g} s)"
        )
        one, other = names[self.one], names[self.other]
        where = f"{('First', 'Second')[self.view]} camera: "
        if change.units < FEWEST_UNITS:
            return f"{where}at least {FEWEST_UNITS} stretches are needed to compare {other} and {one} {figures}."
        if change.verdict == "no clear difference":
            return f"{where}{other} and {one} do not differ by more than chance {figures}."
        return f"{where}{other} is {change.verdict} than {one} {figures}."


def measure_path(truth: Truth, track: ViewTrack, path: str, view: int, intrinsics: Intrinsics) -> PathErrors:
    """The errors of a path in a view.

    Args:
        truth: the triangulated hand.
        track: the paths' results in that view at the same moments.
        path: the 3D joints of this path are measured.
        view: 0 for the first camera, 1 for the second.
        intrinsics: of that view.
    """
    joints = truth.in_view(view)
    known = np.isfinite(joints).all(-1) & (truth.expected_m <= WORST_EXPECTED_M)
    # the wrist is what others are measured from, so it has to be known
    measured = (known.sum(1) >= FEWEST_JOINTS) & known[:, 0]
    seen = np.isfinite(track.joints_m[path]).all((1, 2))
    frames = np.flatnonzero(measured & seen)
    predicted, target, valid = track.joints_m[path][frames], joints[frames], known[frames]
    blank = np.where(valid, 1.0, np.nan)
    aligned = (
        np.stack([_aligned(p, t, v) for p, t, v in zip(predicted, target, valid, strict=True)])
        if len(frames)
        else np.zeros((0, 21, 3))
    )
    box = np.full(len(frames), 1.0)
    true_px = project(target, intrinsics)
    for number in range(len(frames)):
        box[number] = max(float(np.ptp(true_px[number][valid[number]], axis=0).max()), 1.0)
    in_picture = np.linalg.norm(track.joints_px[path][frames] - true_px, axis=-1) / box[:, None]
    wrist = np.linalg.norm((predicted - predicted[:, :1]) - (target - target[:, :1]), axis=-1)
    depth = (
        np.abs(np.nanmean(np.where(valid, predicted[..., 2] - target[..., 2], np.nan), 1))
        if len(frames)
        else np.zeros(0)
    )
    return PathErrors(
        path=path,
        view=view,
        times_s=truth.times_s[frames],
        aligned_mm=np.linalg.norm(aligned - target, axis=-1) * 1000.0 * blank,
        from_wrist_mm=wrist * 1000.0 * blank,
        depth_mm=depth * 1000.0,
        picture=in_picture * blank,
        expected_mm=truth.expected_m[frames] * 1000.0 * blank,
        frames=int(measured.sum()),
    )


def joined(pieces: Sequence[PathErrors]) -> PathErrors:
    """One path in one view, measured piece by piece.

    Args:
        pieces: in order of time, at least one.
    """

    def along(name: str) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    return PathErrors(
        path=pieces[0].path,
        view=pieces[0].view,
        times_s=along("times_s"),
        aligned_mm=along("aligned_mm"),
        from_wrist_mm=along("from_wrist_mm"),
        depth_mm=along("depth_mm"),
        picture=along("picture"),
        expected_mm=along("expected_mm"),
        frames=sum(piece.frames for piece in pieces),
    )


def mean_by_joint(values: Float[np.ndarray, "K 21"]) -> Float[np.ndarray, "21"]:
    """Mean of each joint over the frames in which it is known; NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(0) / np.maximum(count, 1), np.nan)


def compare_paths(errors: list[PathErrors], measure: Measure) -> list[PathComparison]:
    """Every two paths of each view, on the frames that both were measured on.

    Args:
        errors: of paths and views.
        measure: what is compared.
    """
    result = []
    for one, other in combinations(errors, 2):
        if one.view != other.view:
            continue
        shared = np.intersect1d(one.times_s, other.times_s)
        if len(shared) < 2:
            continue
        before = one.by_frame(measure)[np.isin(one.times_s, shared)]
        after = other.by_frame(measure)[np.isin(other.times_s, shared)]
        stretch = blocks_of_time(np.zeros(len(shared), int), shared, BLOCK_S)
        result.append(PathComparison(one.path, other.path, one.view, measure, paired_change(before, after, stretch)))
    return result


def _aligned(
    predicted: Float[np.ndarray, "21 3"], target: Float[np.ndarray, "21 3"], valid: Bool[np.ndarray, "21"]
) -> Float[np.ndarray, "21 3"]:
    """The prediction, moved onto the target by the joints that are known."""
    fit = best_similarity(predicted[valid], target[valid])
    return np.asarray(fit.applied(predicted))
