"""Tries a network on the demo clip, which has ground truth, beside the live network, before it may go live."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from app.networks.live_network import LoadedNetwork
from app.sources.demo import DEMO_CLIP, DEMO_TRUTH
from hand.camera import Intrinsics
from hand.crop import SquareCrop, crop_around_hand
from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.layer import HandLayer
from hand.metrics import pa_error_mm
from hand.rotations import axis_angle_from_matrix

CLEARLY_WORSE: Final = 1.25
"""Error on the demo clip over the live network's from which a swap needs a confirmation."""

_EVERY: Final = 12
"""Fifteen of the clip's frames, in a quarter of a second."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Result of a trial.

    Attributes:
        error_mm: aligned joint error on the demo clip.
        live_error_mm: that of the network that is live.
        doubts: one sentence for each reason to confirm the swap; none when it is fit.
    """

    error_mm: float
    live_error_mm: float
    doubts: tuple[str, ...]


def try_network(candidate: LoadedNetwork, live: LoadedNetwork, verdict: str = "") -> Trial:
    """Runs two networks over the same known crops.

    Args:
        candidate: loaded, so its schema and a first output are already checked.
        live: the one it would replace.
        verdict: of a report about the user's own hand, if there is one.

    Raises:
        CheckpointError: the candidate gives numbers that are not finite.
    """
    error, live_error = demo_error_mm(candidate), demo_error_mm(live)
    doubts = []
    if candidate.runtime.hand_model_digest != load_embedded_model().digest:
        doubts.append("It was trained for another hand model, so its poses have to be fitted to yours.")
    if error > CLEARLY_WORSE * live_error:
        doubts.append(f"On the demo clip it is clearly worse: {error:.1f} mm, the live network {live_error:.1f} mm.")
    if verdict == "worse":
        doubts.append("Its own report calls it worse on your held-out sessions.")
    return Trial(error, live_error, tuple(doubts))


def demo_error_mm(network: LoadedNetwork) -> float:
    """Aligned joint error on frames of the demo clip, in crops around the true joints.

    Raises:
        CheckpointError: a number is not finite.
    """
    layer = HandLayer(load_embedded_model())
    predicted, true = [], []
    for picture, crop, intrinsics, joints_m in _known_crops(network.runtime.crop_expansion, network.runtime.upright):
        answer = network.runtime.predict(picture, crop, intrinsics)
        numbers = (answer.rotations, answer.shape, answer.root_m, answer.joints_px, answer.sigma_px)
        if not all(np.isfinite(part).all() for part in numbers):
            raise CheckpointError(f"The network {network.name} gives numbers that are not finite; do not use it.")
        pose = axis_angle_from_matrix(answer.rotations).reshape(48)
        predicted.append(layer(pose, answer.shape).joints_m)
        true.append(joints_m)
    return pa_error_mm(np.stack(predicted).astype(np.float64), np.stack(true).astype(np.float64))


@lru_cache(maxsize=2)
def _known_crops(
    expansion: float,
    upright: bool,
) -> tuple[tuple[UInt8[np.ndarray, "h w 3"], SquareCrop, Intrinsics, Float[np.ndarray, "21 3"]], ...]:
    """Pictures with a crop and their true joints."""
    with np.load(DEMO_TRUTH) as truth:
        joints_px, joints_m = truth["joints_px"], truth["joints_m"]
        focal_x, focal_y, center_x, center_y = (float(value) for value in truth["intrinsics"])
    video = cv2.VideoCapture(str(DEMO_CLIP))
    found = []
    try:
        for index in range(len(joints_px)):
            ok, bgr = video.read()
            if not ok:
                break
            if index % _EVERY:
                continue
            picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            camera = Intrinsics(focal_x, focal_y, center_x, center_y, picture.shape[1], picture.shape[0])
            crop = crop_around_hand(joints_px[index].astype(np.float64), expansion, upright=upright)
            found.append((picture, crop, camera, joints_m[index]))
    finally:
        video.release()
    if not found:
        raise CheckpointError(f"The demo clip {DEMO_CLIP} cannot be read, so no network can be tried; reinstall.")
    return tuple(found)
