"""Each path's joints in each view: the input of triangulation and calibration.

A path's joints in the picture are its posed hand, projected, and not the landmarks it was posed from: both paths then
refer to the same joints, the hand model's; MediaPipe's wrist and thumb are elsewhere. On rendered hands they are also
nearer to the true pixels, by a tenth (network) to a quarter (MediaPipe + IK).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from hand.camera import Intrinsics, project
from hand.mirror import Side
from hand.types import HandState

PATHS: tuple[str, ...] = ("network", "ik")
"""Paths with joints in the picture that are evidence for triangulation, by ``hand.types.PathId``."""

OUTPUT: str = "output"
"""Name of the output hand among the tracks: it is evaluated as the paths are, but is no evidence of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class ViewTrack:
    """One hand in one view over time, as the paths see it.

    Attributes:
        times_s: of the frames, ascending.
        joints_px: 21 joints of each frame by path, NaN where the path found no hand.
        joints_m: the paths' 3D joints in this camera's axes, NaN likewise.
        sigma_px: the path's expected error of each joint, NaN where it has none.
        confidence: of each path's hand, 0 where it found none.
        side: the hand that most frames show.
    """

    times_s: Float[np.ndarray, " N"]
    joints_px: Mapping[str, Float[np.ndarray, "N 21 2"]]
    joints_m: Mapping[str, Float[np.ndarray, "N 21 3"]]
    sigma_px: Mapping[str, Float[np.ndarray, "N 21"]]
    confidence: Mapping[str, Float[np.ndarray, " N"]]
    side: Side = "right"

    def __len__(self) -> int:
        return len(self.times_s)

    def part(self, chosen: Int[np.ndarray, " K"] | Bool[np.ndarray, " N"]) -> ViewTrack:
        """The track of these frames only."""
        return self._mapped(self.times_s[chosen], lambda values: values[chosen])

    def at_times(self, times_s: Float[np.ndarray, " M"], tolerance_s: float) -> ViewTrack:
        """The track at other moments, interpolated linearly between the two frames around each.

        Args:
            times_s: on this track's clock.
            tolerance_s: where the two frames around a moment are farther apart than this the hand is missing.
        """
        times_s, times = np.asarray(times_s, np.float64), self.times_s
        if len(times) < 2:
            near = np.abs(times_s - times[0]) <= tolerance_s / 2.0 if len(times) else np.zeros(len(times_s), bool)

            def only_frame(values: np.ndarray) -> np.ndarray:
                result = np.full((len(times_s), *values.shape[1:]), _missing_value(values))
                result[near] = values[:1]
                return result

            return self._mapped(times_s, only_frame)
        after = np.clip(np.searchsorted(times, times_s), 1, len(times) - 1)
        before = after - 1
        gap = times[after] - times[before]
        share = np.clip((times_s - times[before]) / np.maximum(gap, 1e-9), 0.0, 1.0)
        outside = np.maximum(times[before] - times_s, times_s - times[after])
        missing = (gap > tolerance_s) | (outside > tolerance_s / 2.0)

        def between(values: np.ndarray) -> np.ndarray:
            weight = share.reshape(-1, *([1] * (values.ndim - 1)))
            mixed = values[before] * (1.0 - weight) + values[after] * weight
            # a frame that is met exactly needs no neighbour
            mixed = np.where(weight < 1e-6, values[before], np.where(weight > 1.0 - 1e-6, values[after], mixed))
            mixed[missing] = _missing_value(values)
            return np.asarray(mixed)

        return self._mapped(times_s, between)

    def _mapped(self, times_s: Float[np.ndarray, " M"], change: Callable[[np.ndarray], np.ndarray]) -> ViewTrack:
        """The track at other times, with the values of every path changed alike."""

        def changed(by_path: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {path: change(values) for path, values in by_path.items()}

        return ViewTrack(
            times_s,
            changed(self.joints_px),
            changed(self.joints_m),
            changed(self.sigma_px),
            changed(self.confidence),
            self.side,
        )


def _missing_value(values: np.ndarray) -> float:
    """What stands for a missing hand: no confidence, and NaN for everything else."""
    return 0.0 if values.ndim == 1 else float("nan")


class ViewTrackBuilder:
    """Collects path results of one view into a :class:`ViewTrack`; one hand, the first one of each frame."""

    def __init__(self, paths: Sequence[str] = PATHS) -> None:
        """Begins with no frame.

        Args:
            paths: names of what is collected.
        """
        self._paths = tuple(paths)
        self._times: list[float] = []
        self._rows: list[dict[str, _Seen]] = []
        self._rights = 0
        self._lefts = 0

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time_s: float, hands: Mapping[str, HandState | None], intrinsics: Intrinsics) -> None:
        """One frame.

        Args:
            time_s: on the view's clock, later than that of the frame before.
            hands: each path's hand, None or nothing where it found none.
            intrinsics: of the picture.
        """
        row = {}
        for path in self._paths:
            state = hands.get(path)
            if state is None:
                continue
            joints_m = np.asarray(state.joints_m, np.float64)
            sigma_px = state.seen_sigma_px
            row[path] = _Seen(
                project(joints_m, intrinsics),
                joints_m,
                np.full(21, np.nan) if sigma_px is None else np.asarray(sigma_px, np.float64),
                float(state.confidence),
            )
            self._rights += state.side == "right"
            self._lefts += state.side == "left"
        self._times.append(time_s)
        self._rows.append(row)

    def forget_before(self, time_s: float) -> None:
        """Leaves out the frames before a moment, so that a live view does not grow for ever."""
        gone = bisect_left(self._times, time_s)
        del self._times[:gone], self._rows[:gone]

    def track(self, since_s: float = -np.inf) -> ViewTrack:
        """Everything so far that was not left out.

        Args:
            since_s: only frames from here on.
        """
        begin = bisect_left(self._times, since_s)
        nothing = _Seen(np.full((21, 2), np.nan), np.full((21, 3), np.nan), np.full(21, np.nan), 0.0)
        rows = {path: [row.get(path, nothing) for row in self._rows[begin:]] for path in self._paths}
        return ViewTrack(
            np.array(self._times[begin:]),
            {path: np.array([one.joints_px for one in seen]).reshape(-1, 21, 2) for path, seen in rows.items()},
            {path: np.array([one.joints_m for one in seen]).reshape(-1, 21, 3) for path, seen in rows.items()},
            {path: np.array([one.sigma_px for one in seen]).reshape(-1, 21) for path, seen in rows.items()},
            {path: np.array([one.confidence for one in seen]) for path, seen in rows.items()},
            "left" if self._lefts > self._rights else "right",
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One hand of one frame, from one path."""

    joints_px: Float[np.ndarray, "21 2"]
    joints_m: Float[np.ndarray, "21 3"]
    sigma_px: Float[np.ndarray, "21"]
    confidence: float
