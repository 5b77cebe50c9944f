"""Correcting a label: a joint is dragged in the picture, and the hand is solved again at once.

The other joints are held where the label has them, in the picture and, softly, in space; the dragged one has
the largest weight. So fingers follow as fingers do, within their limits, and what was right stays right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.mirror import mirror_pixels, mirror_points
from hand.model import HandModel
from hand.recording import RecordedHand
from hand.types import HandObservation
from ik_baseline.kernel import Prior, State, Target, minimise
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolution, IkSolver

_EXPANSION: Final = 1.5
_STEPS: Final = 40
_ROBUST_FLOOR: Final = 1e6
"""So high that no landmark loses its weight: the user's is the one that disagrees with all others."""


class HandCorrector:
    """Solves one label again and again while its joints are dragged."""

    def __init__(self, model: HandModel, label: RecordedHand, intrinsics: Intrinsics) -> None:
        """Starts from a label.

        Args:
            model: hand model of the label.
            label: the hand that is to be set right.
            intrinsics: of its picture.
        """
        self._label = label
        self._intrinsics = intrinsics
        offsets = np.zeros((21, 3))  # joints are dragged, not a detector's landmarks
        calibration = HandCalibration(np.asarray(label.shape, np.float64), offsets, model.digest)
        self._solver = IkSolver(model, calibration)
        self._joints_m = np.asarray(label.joints_m, np.float64)
        self._wanted_px = project(self._joints_m, intrinsics)
        self._dragged = np.zeros(21, bool)
        self._start: State | None = None

    @property
    def dragged(self) -> bool:
        """Whether anything was dragged."""
        return bool(self._dragged.any())

    def joints_px(self) -> Float[np.ndarray, "21 2"]:
        return project(self._joints_m, self._intrinsics)

    def drag(self, joint: int, to_px: tuple[float, float]) -> RecordedHand:
        """Solves the hand with a joint somewhere else.

        Args:
            joint: 0 to 20, common order.
            to_px: where it belongs in the picture.

        Returns:
            The corrected hand.
        """
        self._dragged[joint] = True
        self._wanted_px[joint] = to_px
        solution = self._solve()
        self._joints_m = solution.joints_m
        return self._recorded(solution)

    def _solve(self) -> IkSolution:
        label = self._label
        crop = crop_around(self._wanted_px, _EXPANSION, flipped=label.side == "left")
        start_m = np.asarray(label.joints_m, np.float64)
        world = start_m - start_m.mean(0)
        observation = HandObservation(label.side, 1.0, self._wanted_px, world, crop)
        target = self._target(observation)
        start = self._start or self._solver.closed_form(target)
        flat = np.zeros((55, 55))
        prior = Prior(np.zeros(45), self._solver.prior_weights()[3:48], start, flat, 1e4)
        fit = minimise(self._solver.chain, target, prior, start, _STEPS, _ROBUST_FLOOR)
        self._start = fit.state
        return self._solver.described(label.side, target, fit.state)

    def _target(self, observation: HandObservation) -> Target:
        """Joints in space hold the hand together, softly; those of the dragged finger hold nothing in depth."""
        intrinsics, label = self._intrinsics, self._label
        pixels, world = self._wanted_px, observation.world_landmarks_m
        if label.side == "left":
            pixels, world = mirror_pixels(pixels, intrinsics.width_px), mirror_points(world)
            intrinsics = intrinsics.mirrored()
        box_px = max(float(np.ptp(pixels, axis=0).max()), 1.0)
        return Target(
            world=np.ascontiguousarray(world, np.float64),
            pixels=np.ascontiguousarray(pixels, np.float64),
            world_precision=1.0 / np.array([0.012, 0.012, 0.02]),
            pixel_precision=1.0 / (0.004 * box_px),
            camera=np.array([intrinsics.fx_px, intrinsics.fy_px, intrinsics.cx_px, intrinsics.cy_px]),
        )

    def _recorded(self, solution: IkSolution) -> RecordedHand:
        single = np.float32
        return replace(
            self._label,
            origin="corrected",
            confidence=1.0,
            pose_rad=solution.pose_rad.astype(single),
            camera_translation_m=solution.camera_translation_m.astype(single),
            joints_m=solution.joints_m.astype(single),
            reprojection_px=float(solution.reprojection_px.mean()),
        )
