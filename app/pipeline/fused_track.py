"""One fused hand over time: a steady shape, a filter, and the choice of one path while both contradict each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from app.pipeline.output_reason import OutputCause
from app.pipeline.paths.smoothing import Smoothing
from assets import ASSETS_DIR
from hand.layer import HandLayer
from hand.mirror import Side
from hand.model import HandModel
from hand.one_euro import HandFilterSettings, HandStateFilter
from hand.types import Frame, HandState
from inference.fusion_weights import load_weights
from inference.hand_fusion import HandFusion, PairSituation

WEIGHTS_FILE: Final = ASSETS_DIR / "fusion" / "weights.json"

STEADY_FRAMES: Final = 90.0
"""Frames' worth of confidence after which the person's shape hardly changes any more; three seconds."""

AGREE_AGAIN: Final = 0.8
"""Paths that contradicted each other are fused again below this share of the limit, so that it does not flicker."""

REST_CUTOFF_SHARE: Final = 0.2
SPEED_CUTOFF_HZ: Final = 2.0
TREND_SHARE: Final = 0.5
TREND_CUTOFF_HZ: Final = 2.0
"""The fused hand's rotations are filtered more firmly at rest than a path's, by this share of the cutoff, and go on
along their trend when they move. So the hand comes no later than a path's filtered hand and has less jitter
(``python -m benchmarks.fusion`` prints both)."""

MORE_CREDIBLE: Final = 1.0
"""By how much on the logistic scale the other path has to be more credible to be followed instead."""

FollowedPath = Literal["network", "ik"]


@dataclass(frozen=True, slots=True, eq=False)
class FusionSettings:
    """How hands are fused.

    Attributes:
        fusion: of one frame.
        layers: pose the filtered hands.
        filter_settings: the filter's present settings; None filters nothing.
    """

    fusion: HandFusion
    layers: Mapping[Side, HandLayer]
    filter_settings: Callable[[], HandFilterSettings | None]


def fusion_settings(model: HandModel, smoothing: Smoothing | None = None) -> FusionSettings:
    """How hands of a model are fused, with the shipped weights.

    Args:
        model: the hand model both paths pose (either side).
        smoothing: of the paths; the fused hand's filter follows it. None filters nothing.

    Raises:
        ConfigError: the weights are missing or damaged.
    """
    right = model if model.side == "right" else model.mirrored()
    layers: dict[Side, HandLayer] = {"right": HandLayer(right), "left": HandLayer(right.mirrored())}

    def filter_settings() -> HandFilterSettings | None:
        if smoothing is None or smoothing.strength <= 0.0:
            return None
        settings = smoothing.settings()
        rest_hz = REST_CUTOFF_SHARE * settings.pose.min_cutoff_hz
        pose = replace(
            settings.pose,
            min_cutoff_hz=rest_hz,
            speed_cutoff_hz=SPEED_CUTOFF_HZ,
            trend_share=TREND_SHARE,
            trend_cutoff_hz=TREND_CUTOFF_HZ,
        )
        return replace(settings, pose=pose)

    return FusionSettings(HandFusion(right, load_weights(WEIGHTS_FILE)), layers, filter_settings)


class FusedTrack:
    """Fuses one hand from frame to frame."""

    def __init__(self, settings: FusionSettings) -> None:
        self._settings = settings
        self._side: Side | None = None
        self._shape_sum, self._shape_weight = np.zeros(10), 0.0
        self._filter: HandStateFilter | None = None
        self._cause: OutputCause | None = None
        self.followed: FollowedPath = "network"
        """The more credible path while the paths contradict each other."""

    def step(self, network: HandState, ik: HandState, frame: Frame) -> HandState | OutputCause:
        """The fused hand of a frame, or how the paths contradict each other.

        Args:
            network: the network's hand, unfiltered.
            ik: MediaPipe + IK's hand of the same frame, unfiltered.
            frame: the picture.
        """
        started_s = time.perf_counter()
        fusion = self._settings.fusion
        if network.side != ik.side:
            return self._contradiction(OutputCause.SIDES_DIFFER, network.confidence, ik.confidence)
        situation = fusion.describe(network, ik, frame.intrinsics)
        cause = self._difference(situation)
        if cause is not None:
            return self._contradiction(cause, network.confidence, ik.confidence)
        self._cause = None
        if network.side != self._side:
            self._side, self._shape_weight = network.side, 0.0
            self._shape_sum[:] = 0.0
            self._filter = None
        shape = self._steady_shape(network, ik)
        fused = fusion.fuse(network, ik, frame.intrinsics, situation=situation, shape=shape)
        fused = self._filtered(fused, frame.capture_time_ns)
        return replace(fused, timings_ms={"fusion": (time.perf_counter() - started_s) * 1e3})

    def _difference(self, situation: PairSituation) -> OutputCause | None:
        weights = self._settings.fusion.weights
        form, turn = weights.contradiction_mm, weights.contradiction_rad
        if self._cause is OutputCause.FORMS_DIFFER:
            form *= AGREE_AGAIN
        if self._cause is OutputCause.ORIENTATIONS_DIFFER:
            turn *= AGREE_AGAIN
        if situation.form_mm > form:
            return OutputCause.FORMS_DIFFER
        return OutputCause.ORIENTATIONS_DIFFER if situation.wrist_apart_rad > turn else None

    def _contradiction(self, cause: OutputCause, network: float, ik: float) -> OutputCause:
        """Chooses the path to follow; it stays while the contradiction lasts, unless the other is clearly better."""
        advantage = self._settings.fusion.weights.network_advantage(network, ik)
        if self._cause is None:
            self.followed = "network" if advantage >= 0.0 else "ik"
        elif abs(advantage) > MORE_CREDIBLE:
            self.followed = "network" if advantage > 0.0 else "ik"
        self._cause = cause
        return cause

    def _steady_shape(self, network: HandState, ik: HandState) -> np.ndarray:
        """The person's shape: the mean over the frames so far, each by the network's confidence in it."""
        fusion = self._settings.fusion
        weight = max(network.confidence, 0.05)
        kept = min(1.0, STEADY_FRAMES / (self._shape_weight + weight))
        self._shape_sum = kept * (self._shape_sum + weight * fusion.mean_shape(network, ik))
        self._shape_weight = kept * (self._shape_weight + weight)
        return self._shape_sum / self._shape_weight

    def _filtered(self, fused: HandState, time_ns: int) -> HandState:
        settings = self._settings.filter_settings()
        if settings is None:
            self._filter = None
            return fused
        if self._filter is None:
            self._filter = HandStateFilter(self._settings.layers[fused.side], settings)
        self._filter.tune(settings)
        return self._filter(fused, time_ns)
