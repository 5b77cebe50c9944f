"""A shipped network at work, without torch: ONNX Runtime, one thread, crops in and predictions out.

This is the trainer's public face for the app. It imports neither torch nor anything that does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from hand.camera import Intrinsics
from hand.checked_files import FILE_FAULTS, fault_of, read_json
from hand.crop import SquareCrop, crop_picture, invert_affine, transform_points
from hand.crop_camera import crop_camera, mirrored_crop, translation_from_weak_camera
from hand.errors import CheckpointError
from hand.landmark_reading import LandmarkReading
from inference.metadata_checks import problem_of_metadata

SCHEMA: Final = 1
INPUT_NAME: Final = "image"
OUTPUT_NAMES: Final = ("rotations", "shape", "camera", "joints_crop", "log_sigma", "presence_logit", "right_logit")
ONNX_FILE: Final = "network.onnx"
METADATA_FILE: Final = "network.json"
WEIGHTS_FILE: Final = "network.safetensors"

_LARGEST_METADATA_BYTES: Final = 1 << 20


DOUBTED: Final = 0.35
"""Confidence under which the program leaves a network for inverse kinematics, where that sees the hand."""


@runtime_checkable
class Session(Protocol):
    """What is used of ``onnxruntime.InferenceSession``."""

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        """The named outputs for a batch."""


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
    """A network that is ready to predict; :func:`load_network` makes it from its folder."""

    def __init__(self, session: Session, metadata: Mapping[str, Any]) -> None:
        """Takes a loaded network.

        Args:
            session: gives :data:`OUTPUT_NAMES` for a batch of crops.
            metadata: content of its network.json; networks from before crops were turned do not say ``upright``.
        """
        self.metadata = metadata
        self.input_px = int(metadata["network"]["input_px"])
        self.upright = bool(metadata["network"].get("upright", False))
        self.crop_expansion = float(metadata["crop_expansion"])
        self.hand_model_digest = str(metadata["hand_model_digest"])
        self._curve: Mapping[str, float] = metadata["confidence"]
        self._session = session

    def outputs(self, images: Float[np.ndarray, "B 3 S S"]) -> dict[str, np.ndarray]:
        """What the network says about a batch of crops, in their own crop cameras, by :data:`OUTPUT_NAMES`.

        Args:
            images: RGB, 0 to 255, hands shown as right hands.
        """
        values = self._session.run(OUTPUT_NAMES, {INPUT_NAME: images})
        return dict(zip(OUTPUT_NAMES, values, strict=True))

    def presences(self, images: Float[np.ndarray, "B 3 S S"]) -> Float[np.ndarray, " B"]:
        """Probability of a hand in each crop of a batch (:meth:`outputs` says how the crops look)."""
        return np.array([_sigmoid(float(logit)) for logit in self.outputs(images)["presence_logit"]])

    def predict(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        crop: SquareCrop,
        intrinsics: Intrinsics,
        landmarks: LandmarkReading | None = None,
    ) -> CropPrediction:
        """Predicts the hand in one square of a picture.

        Args:
            image_rgb: the picture.
            crop: the square; flipped for a left hand.
            intrinsics: of the picture.
            landmarks: what a hand-landmark network read about this hand in this picture; ignored by networks that look
                for themselves.
        """
        upright = crop
        if crop.flipped:
            upright, intrinsics = mirrored_crop(crop, image_rgb.shape[1]), intrinsics.mirrored()
        tensor = crop_picture(image_rgb, crop, self.input_px).transpose(2, 0, 1)[None].astype(np.float32)
        named = {name: value[0].astype(np.float64) for name, value in self.outputs(tensor).items()}
        return in_picture(named, upright, intrinsics, self.input_px, self._curve)


def in_picture(
    named: Mapping[str, np.ndarray],
    crop: SquareCrop,
    intrinsics: Intrinsics,
    input_px: int,
    curve: Mapping[str, float],
) -> CropPrediction:
    """What a network says about one crop, turned back from the crop's camera into the picture's.

    Args:
        named: the outputs about this crop in double precision, by :data:`OUTPUT_NAMES`.
        crop: not flipped; of the mirrored picture, where that is what the network saw.
        intrinsics: of the same picture.
        input_px: side of the network's input.
        curve: of the confidence, see :func:`trust_in_joints`.
    """
    camera = crop_camera(crop, intrinsics)
    rotations = named["rotations"].copy()
    rotations[0] = camera.rotation.T @ rotations[0]
    crop_px = (named["joints_crop"] + 1.0) * (input_px / 2.0) - 0.5
    sigma = np.exp(named["log_sigma"])
    presence = _sigmoid(float(named["presence_logit"]))
    return CropPrediction(
        rotations=rotations,
        shape=named["shape"],
        root_m=camera.rotation.T @ translation_from_weak_camera(named["camera"], camera.focal),
        joints_px=transform_points(crop_px, invert_affine(crop.matrix(input_px))),
        sigma_px=sigma * crop.size_px / 2.0,
        presence=presence,
        right=_sigmoid(float(named["right_logit"])),
        confidence=presence * trust_in_joints(float(np.log(sigma.mean())), curve),
    )


def trust_in_joints(log_sigma: float, curve: Mapping[str, float]) -> float:
    """Probability that the 2D joints are good, from the log of the mean error the network expects.

    Args:
        log_sigma: in crop coordinates.
        curve: ``offset`` and ``slope`` of a logistic curve, fitted on held-out crops
            (``trainer.evaluation.confidence_calibration``).
    """
    return _sigmoid(curve["offset"] - curve["slope"] * log_sigma)


def load_network(folder: Path) -> NetworkRuntime:
    """Loads network.onnx and network.json from a folder and tries the network on a grey crop.

    Raises:
        CheckpointError: missing, damaged, of another schema, or its output is not finite.
    """
    metadata = read_metadata(folder)
    return NetworkRuntime(open_session(folder, metadata), metadata)


def open_session(folder: Path, metadata: Mapping[str, Any]) -> Session:
    """The network of a folder in ONNX Runtime, on one thread, tried on a grey crop.

    Args:
        folder: of an exported network.
        metadata: its own, as :func:`read_metadata` gives it.

    Raises:
        CheckpointError: missing, damaged, or its output is not finite.
    """
    # here and not above: whoever only wants the metadata need not load an engine
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # one thread per engine: several of them fight over the cores and both paths lose
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    model = folder / ONNX_FILE
    try:
        session: Session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        size = int(metadata["network"]["input_px"])
        values = session.run(OUTPUT_NAMES, {INPUT_NAME: np.full((1, 3, size, size), 128.0, np.float32)})
    except Exception as problem:  # noqa: BLE001 - ONNX Runtime raises types of its own that have no common base
        cause = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise CheckpointError(f"The network {model} cannot be loaded ({cause}); install it again.") from None
    if not all(np.isfinite(value).all() for value in values):
        raise CheckpointError(f"The network {model} gives numbers that are not finite; install it again.")
    return session


def read_metadata(folder: Path) -> dict[str, Any]:
    """The content of a network's network.json.

    Raises:
        CheckpointError: missing, not JSON, of another schema, or incomplete.
    """
    path = folder / METADATA_FILE
    try:
        metadata = read_json(path, _LARGEST_METADATA_BYTES, constants=True)
    except FileNotFoundError:
        raise CheckpointError(
            f"There is no trained network at {folder} ({METADATA_FILE} is missing); use --method ik, or make one with "
            "`python -m trainer fit` and `python -m trainer export`."
        ) from None
    except FILE_FAULTS as problem:
        raise CheckpointError(
            f"{path} should be the JSON metadata of a network and is not ({fault_of(problem)}); install it again."
        ) from None
    if not isinstance(metadata, dict) or metadata.get("schema") != SCHEMA:
        came = metadata.get("schema") if isinstance(metadata, dict) else type(metadata).__name__
        raise CheckpointError(f"{path} should have schema {SCHEMA}, it has {came}; use a network of this version.")
    missing = sorted({"network", "crop_expansion", "hand_model_digest", "confidence"} - set(metadata))
    if missing:
        raise CheckpointError(f"{path} should name the network's {missing[0]} and does not; install it again.")
    complaint = problem_of_metadata(metadata)
    if complaint:
        raise CheckpointError(f"{path} should {complaint}; do not use this network.")
    return metadata


def _sigmoid(value: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * value))


def log_odds(probability: float) -> float:
    """The logit of a probability, within what single precision tells from 0 and 1."""
    kept = min(max(probability, 1e-6), 1.0 - 1e-6)
    return math.log(kept / (1.0 - kept))
