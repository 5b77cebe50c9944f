"""A shipped network at work, without torch: ONNX Runtime, one thread, crops in and predictions out.

This is the trainer's public face for the app. It imports neither torch nor anything that does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from jaxtyping import Float, UInt8

from hand.camera import Intrinsics
from hand.crop import SquareCrop, crop_picture, invert_affine, transform_points
from hand.crop_camera import crop_camera, mirrored_crop, translation_from_weak_camera
from hand.errors import CheckpointError

SCHEMA: Final = 1
INPUT_NAME: Final = "image"
OUTPUT_NAMES: Final = ("rotations", "shape", "camera", "joints_crop", "log_sigma", "presence_logit", "right_logit")


@dataclass(frozen=True, slots=True, eq=False)
class CropPrediction:
    """What the network says about one crop, turned back into the picture's own camera, as a right hand.

    For a flipped crop everything is said about the mirrored picture; the caller mirrors it back.

    Attributes:
        rotations: local rotations of the 16 MANO joints, the first in camera axes.
        shape: shape coefficients.
        root_m: wrist in camera axes.
        joints_px: 2D joints in the (mirrored, if flipped) picture.
        sigma_px: expected 2D error of each joint.
        presence: probability that the crop shows a hand.
        right: probability that the hand is the side it is shown as.
        confidence: calibrated, 0 to 1.
    """

    rotations: Float[np.ndarray, "16 3 3"]
    shape: Float[np.ndarray, "10"]
    root_m: Float[np.ndarray, "3"]
    joints_px: Float[np.ndarray, "21 2"]
    sigma_px: Float[np.ndarray, "21"]
    presence: float
    right: float
    confidence: float


class NetworkRuntime:
    """A network loaded from its folder (network.onnx and network.json)."""

    def __init__(self, folder: Path) -> None:
        """Loads and checks the network.

        Raises:
            CheckpointError: missing, damaged, of another schema, or its output on a grey crop is not finite.
        """
        self.metadata = _read_metadata(folder)
        options = onnxruntime.SessionOptions()
        # one thread per engine: several of them fight over the cores and both paths lose
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = folder / "network.onnx"
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as problem:  # noqa: BLE001 - ONNX Runtime raises its own unrelated types
            raise CheckpointError(
                f"The network {model} cannot be loaded ({str(problem).splitlines()[0]}); install it again."
            ) from None
        self.input_px = int(self.metadata["network"]["input_px"])
        self.crop_expansion = float(self.metadata["crop_expansion"])
        grey = np.full((self.input_px, self.input_px, 3), 128, np.uint8)
        if not all(np.isfinite(value).all() for value in self._run(grey)):
            raise CheckpointError(f"The network {model} gives numbers that are not finite; install it again.")

    def predict(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], crop: SquareCrop, intrinsics: Intrinsics
    ) -> CropPrediction:
        """Predicts the hand in one square of a picture.

        Args:
            image_rgb: the picture.
            crop: the square; flipped for a left hand.
            intrinsics: of the picture.
        """
        if crop.flipped:
            upright, intrinsics = mirrored_crop(crop, image_rgb.shape[1]), intrinsics.mirrored()
        else:
            upright = crop
        values = self._run(crop_picture(image_rgb, crop, self.input_px))
        named = {name: value[0].astype(np.float64) for name, value in zip(OUTPUT_NAMES, values, strict=True)}
        camera = crop_camera(upright, intrinsics)
        rotations = named["rotations"]
        rotations[0] = camera.rotation.T @ rotations[0]
        pixels = (named["joints_crop"] + 1.0) * (self.input_px / 2.0) - 0.5
        sigma = np.exp(named["log_sigma"])
        presence = _sigmoid(float(named["presence_logit"]))
        return CropPrediction(
            rotations=rotations,
            shape=named["shape"],
            root_m=camera.rotation.T @ translation_from_weak_camera(named["camera"], camera.focal),
            joints_px=transform_points(pixels, invert_affine(upright.matrix(self.input_px))),
            sigma_px=sigma * upright.size_px / 2.0,
            presence=presence,
            right=_sigmoid(float(named["right_logit"])),
            confidence=self._confidence(presence, float(sigma.mean())),
        )

    def _run(self, image_rgb: UInt8[np.ndarray, "S S 3"]) -> list[np.ndarray]:
        tensor = image_rgb.transpose(2, 0, 1)[None].astype(np.float32)
        return list(self._session.run(None, {INPUT_NAME: tensor}))

    def _confidence(self, presence: float, mean_sigma: float) -> float:
        """Presence times a logistic curve of the expected 2D error; the curve was fitted on held-out pictures."""
        curve: dict[str, float] = self.metadata["confidence"]
        return presence * _sigmoid(curve["offset"] - curve["slope"] * float(np.log(mean_sigma)))


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / "network.json"
    try:
        metadata: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"No trained network is installed: {path} is missing; use the IK path, or train one with "
            "`python -m trainer fit`."
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise CheckpointError(
            f"{path} should be the JSON metadata of a network and is not; install it again."
        ) from None
    if not isinstance(metadata, dict) or metadata.get("schema") != SCHEMA:
        came = metadata.get("schema") if isinstance(metadata, dict) else type(metadata).__name__
        raise CheckpointError(f"{path} should have schema {SCHEMA}, it has {came}; use a network of this version.")
    return metadata


def _sigmoid(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-value)))
