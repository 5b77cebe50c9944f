"""An exported network in ONNX Runtime, on one thread and without torch: crops in, predictions out.

This is the trainer's public face for the app. It imports neither torch nor anything that does.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
from inference.landmark_reader import LandmarkReader
from inference.staged_session import Features, StagedSession

logger = logging.getLogger(__name__)

SCHEMA: Final = 1
INPUT_NAME: Final = "image"
LANDMARKS_NAME: Final = "landmarks"
"""Second input of a network that takes the reading of a hand-landmark network: for each crop the numbers that
:meth:`hand.landmark_reading.LandmarkReading.in_crop` gives."""

BATCH_NAME: Final = "batch"
"""What exported graphs call the first dimension of their inputs."""

OUTPUT_NAMES: Final = (
    "rotations",
    "shape",
    "camera",
    "joints_crop",
    "log_sigma",
    "presence_logit",
    "right_logit",
    "certainty",
)
_EARLIER_OUTPUT_NAMES: Final = OUTPUT_NAMES[:-1]
"""Of networks whose metadata names no outputs: their confidence follows from the expected errors."""

ONNX_FILE: Final = "network.onnx"
METADATA_FILE: Final = "network.json"
WEIGHTS_FILE: Final = "network.safetensors"

_LARGEST_METADATA_BYTES: Final = 1 << 20


DOUBTED: Final = 0.35
"""Confidence under which the program leaves a network for inverse kinematics, where that finds the hand."""


@runtime_checkable
class Session(Protocol):
    """What is used of ``onnxruntime.InferenceSession``."""

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        """The named outputs for a batch."""


@dataclass(frozen=True, slots=True, eq=False)
class CropPrediction:
    """Prediction for one crop, turned back into the picture's own camera, as a right hand.

    For a flipped crop the prediction holds for the mirrored picture; the caller mirrors it back.

    Attributes:
        rotations: local rotations of the 16 MANO joints, the first in camera axes.
        shape: shape coefficients.
        root_m: wrist in camera axes.
        joints_px: 2D joints in the (mirrored, if flipped) picture.
        sigma_px: expected 2D error of each joint.
        presence: probability that the crop shows a hand.
        right: probability that the hand is of the side that the crop presents.
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


@dataclass(frozen=True, slots=True, eq=False)
class CropFeatures:
    """What a network computed for one square of a picture before it received the landmarks of the hand there.

    Attributes:
        image_rgb: the picture.
        crop: the square.
        values: of its session.
    """

    image_rgb: UInt8[np.ndarray, "height width 3"]
    crop: SquareCrop
    values: Features


class NetworkRuntime:
    """A network that is ready to predict; :func:`load_network` makes it from its folder."""

    def __init__(self, session: Session, metadata: Mapping[str, Any]) -> None:
        """Takes a loaded network.

        Args:
            session: gives what the metadata names as outputs for a batch of crops.
            metadata: content of its network.json; networks from before crops were turned lack ``upright``.
        """
        self.metadata = metadata
        self.input_px = int(metadata["network"]["input_px"])
        self._image_px, self._landmark_numbers = input_sizes(metadata)
        self._reader: LandmarkReader | None = None
        self._names = tuple(metadata.get("outputs", _EARLIER_OUTPUT_NAMES))
        self.upright = bool(metadata["network"].get("upright", False))
        self.crop_expansion = float(metadata["crop_expansion"])
        self.hand_model_digest = str(metadata["hand_model_digest"])
        self._curve: Mapping[str, float] = metadata["confidence"]
        self._session = session

    @property
    def takes_landmarks(self) -> bool:
        """Whether the network takes the reading of a hand-landmark network as an input."""
        return self._landmark_numbers > 0

    def outputs(self, images: Float[np.ndarray, "B 3 S S"]) -> dict[str, np.ndarray]:
        """The network's outputs for a batch of crops, in their own crop cameras, by name.

        Args:
            images: RGB crops of ``input_px``, 0 to 255, hands shown as right hands.
        """
        if not self.takes_landmarks:
            return self._run({INPUT_NAME: images})
        pictures = np.round(images).astype(np.uint8).transpose(0, 2, 3, 1)
        whole = whole_square(self.input_px)
        seen = [crop_picture(picture, whole, self._image_px) for picture in pictures]
        read = [self._own_reading(picture, whole).in_crop(whole) for picture in pictures]
        return self._run({INPUT_NAME: _as_tensor(np.stack(seen)), LANDMARKS_NAME: np.stack(read)})

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))

    def _own_reading(self, image_rgb: UInt8[np.ndarray, "height width 3"], square: SquareCrop) -> LandmarkReading:
        if self._reader is None:
            self._reader = LandmarkReader()
        return self._reader.read(image_rgb, square)

    def presences(self, images: Float[np.ndarray, "B 3 S S"]) -> Float[np.ndarray, " B"]:
        """Probability of a hand in each crop of a batch (:meth:`outputs` describes the crops)."""
        return np.array([_sigmoid(float(logit)) for logit in self.outputs(images)["presence_logit"]])

    def encode(self, image_rgb: UInt8[np.ndarray, "height width 3"], crop: SquareCrop) -> CropFeatures | None:
        """Computes the part of :meth:`predict` that needs no landmarks, while another thread still reads them.

        Args:
            image_rgb: the picture.
            crop: the square; flipped for a left hand.

        Returns:
            The features for :meth:`predict`; None where the network cannot start without landmarks.
        """
        if not isinstance(self._session, StagedSession):
            return None
        return CropFeatures(image_rgb, crop, self._session.encode({INPUT_NAME: self._crop_tensor(image_rgb, crop)}))

    def predict(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        crop: SquareCrop,
        intrinsics: Intrinsics,
        landmarks: LandmarkReading | None = None,
        seen: CropFeatures | None = None,
    ) -> CropPrediction:
        """Predicts the hand in one square of a picture.

        Args:
            image_rgb: the picture.
            crop: the square; flipped for a left hand.
            intrinsics: of the picture.
            landmarks: reading of a hand-landmark network for this hand in this picture, from any square; a network that
                takes landmarks reads them in the crop when they are missing, and others ignore them.
            seen: result of :meth:`encode`; usable for the same square of the same picture only.
        """
        upright = crop
        if crop.flipped:
            upright, intrinsics = mirrored_crop(crop, image_rgb.shape[1]), intrinsics.mirrored()
        late = {}
        if self.takes_landmarks:
            reading = landmarks or self._own_reading(image_rgb, crop)
            late[LANDMARKS_NAME] = reading.in_crop(crop)[None]
        known = seen is not None and seen.image_rgb is image_rgb and seen.crop == crop
        if known and seen is not None and isinstance(self._session, StagedSession):
            values = self._session.conclude(self._names, seen.values, late[LANDMARKS_NAME])
            outputs = dict(zip(self._names, values, strict=True))
        else:
            outputs = self._run({INPUT_NAME: self._crop_tensor(image_rgb, crop), **late})
        named = {name: value[0].astype(np.float64) for name, value in outputs.items()}
        return in_picture(named, upright, intrinsics, self.input_px, self._curve)

    def _crop_tensor(
        self, image_rgb: UInt8[np.ndarray, "height width 3"], crop: SquareCrop
    ) -> Float[np.ndarray, "1 3 S S"]:
        return _as_tensor(crop_picture(image_rgb, crop, self._image_px)[None])


def in_picture(
    named: Mapping[str, np.ndarray],
    crop: SquareCrop,
    intrinsics: Intrinsics,
    input_px: int,
    curve: Mapping[str, float],
) -> CropPrediction:
    """Turns a network's outputs for one crop back from the crop's camera into the picture's.

    Args:
        named: the outputs for this crop in double precision, by :data:`OUTPUT_NAMES`.
        crop: not flipped; a square of the mirrored picture, where the network's input was mirrored.
        intrinsics: of the same picture.
        input_px: side of the network's input.
        curve: of the confidence, see :func:`joint_confidence`.
    """
    camera = crop_camera(crop, intrinsics)
    rotations = named["rotations"].copy()
    rotations[0] = camera.rotation.T @ rotations[0]
    crop_px = (named["joints_crop"] + 1.0) * (input_px / 2.0) - 0.5
    sigma = np.exp(named["log_sigma"])
    certainty = float(named["certainty"]) if "certainty" in named else certainty_of_sigma(sigma)
    presence = _sigmoid(float(named["presence_logit"]))
    return CropPrediction(
        rotations=rotations,
        shape=named["shape"],
        root_m=camera.rotation.T @ translation_from_weak_camera(named["camera"], camera.focal),
        joints_px=transform_points(crop_px, invert_affine(crop.matrix(input_px))),
        sigma_px=sigma * crop.size_px / 2.0,
        presence=presence,
        right=_sigmoid(float(named["right_logit"])),
        confidence=presence * joint_confidence(certainty, curve),
    )


def joint_confidence(certainty: float, curve: Mapping[str, float]) -> float:
    """Probability that the 2D joints are good, from a network's certainty.

    Args:
        certainty: as the network gives it, or :func:`certainty_of_sigma`.
        curve: ``offset`` and ``slope`` of a logistic curve, fitted on held-out crops
            (``trainer.evaluation.confidence_calibration``).
    """
    return _sigmoid(curve["offset"] + curve["slope"] * certainty)


def load_network(folder: Path) -> NetworkRuntime:
    """Loads network.onnx and network.json from a folder and tries the network on a grey crop.

    Raises:
        CheckpointError: missing, damaged, of another schema, or its output is not finite.
    """
    metadata = read_metadata(folder)
    return NetworkRuntime(open_session(folder, metadata), metadata)


def open_session(folder: Path, metadata: Mapping[str, Any]) -> Session:
    """The network of a folder in ONNX Runtime, on one thread, tried on a grey crop.

    A network that takes landmarks is opened in two stages where its graph allows it, so that it can process the
    picture before they are there.

    Args:
        folder: of an exported network.
        metadata: its content, as returned by :func:`read_metadata`.

    Raises:
        CheckpointError: missing, damaged, or its output is not finite.
    """
    model = folder / ONNX_FILE
    try:
        session = _staged_or_whole(model.read_bytes(), takes_landmarks=input_sizes(metadata)[1] > 0)
        names = tuple(metadata.get("outputs", _EARLIER_OUTPUT_NAMES))
        values = session.run(names, grey_inputs(metadata))
    except Exception as problem:  # noqa: BLE001 - ONNX Runtime raises types of its own that have no common base
        cause = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise CheckpointError(f"The network {model} cannot be loaded ({cause}); install it again.") from None
    if not all(np.isfinite(value).all() for value in values):
        raise CheckpointError(f"The network {model} gives numbers that are not finite; install it again.")
    return session


def _staged_or_whole(model: bytes, *, takes_landmarks: bool) -> Session:
    if takes_landmarks:
        try:
            return StagedSession(model, LANDMARKS_NAME, partial(_in_engine, crops=1))
        except ValueError as cause:
            logger.info("The network is run as a whole: %s.", cause)
    return _in_engine(model)


def _in_engine(model: bytes, crops: int | None = None) -> Session:
    """A session on one thread; of batches of a fixed size, or of any."""
    # imported here, so that reading the metadata does not load ONNX Runtime
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # one thread per engine: several would compete for the cores, and both paths slow down
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if crops is not None:
        options.add_free_dimension_override_by_name(BATCH_NAME, crops)
    session: Session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session


def input_sizes(metadata: Mapping[str, Any]) -> tuple[int, int]:
    """Side of the picture that a network's session takes, and the number of landmark values; 0 where it takes none.

    Args:
        metadata: content of a network.json; without ``inputs`` the crop is all that the session takes.
    """
    sizes = metadata.get("inputs", {INPUT_NAME: metadata["network"]["input_px"]})
    return int(sizes[INPUT_NAME]), int(sizes.get(LANDMARKS_NAME, 0))


def grey_inputs(metadata: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Inputs for the trial run of a session: a grey crop, and landmarks that all lie in its centre."""
    side, numbers = input_sizes(metadata)
    inputs = {INPUT_NAME: np.full((1, 3, side, side), 128.0, np.float32)}
    return inputs | ({LANDMARKS_NAME: np.zeros((1, numbers), np.float32)} if numbers else {})


def whole_square(side_px: int) -> SquareCrop:
    """The square that is all of a square picture."""
    return SquareCrop((side_px - 1) / 2.0, (side_px - 1) / 2.0, float(side_px))


def certainty_of_sigma(sigma: Float[np.ndarray, "*batch 21"]) -> float:
    """The certainty of a network that gives none: minus the log of the mean error that it expects.

    Args:
        sigma: expected 2D error of each joint, crop coordinates.
    """
    return -math.log(float(sigma.mean()))


def _as_tensor(pictures: UInt8[np.ndarray, "B S S 3"]) -> Float[np.ndarray, "B 3 S S"]:
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)


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
    message = problem_of_metadata(metadata)
    if message:
        raise CheckpointError(f"{path} should {message}; do not use this network.")
    return metadata


def _sigmoid(value: float) -> float:
    return 0.5 * (1.0 + math.tanh(0.5 * value))


def log_odds(probability: float) -> float:
    """The logit of a probability, clipped to what single precision can distinguish from 0 and 1."""
    kept = min(max(probability, 1e-6), 1.0 - 1e-6)
    return math.log(kept / (1.0 - kept))


INPUT_PX: Final = (32, 1024)
CROP_EXPANSION: Final = (1.0, 8.0)
LARGEST_CURVE: Final = 1e3
"""Of the confidence's logistic curve: offset and slope in units of log error, where single figures are usual."""

MOST_INPUTS: Final = 8
MOST_OUTPUTS: Final = 32
LONGEST_NAME: Final = 200


def problem_of_metadata(metadata: Mapping[str, Any]) -> str:
    """Names the first implausible value, as the end of a sentence "should ..., it has ..."; empty if there is none.

    Args:
        metadata: content of a network.json that has every key.
    """
    network, curve = metadata["network"], metadata["confidence"]
    if not isinstance(network, dict):
        return f"describe the network by an object, it has {_shown(network)}"
    side = network.get("input_px")
    if type(side) is not int or not INPUT_PX[0] <= side <= INPUT_PX[1]:
        return f"have an input_px of {INPUT_PX[0]} to {INPUT_PX[1]} pixels, it has {_shown(side)}"
    if not isinstance(network.get("upright", False), bool):
        return f"have upright as true or false, it has {_shown(network['upright'])}"
    expansion = metadata["crop_expansion"]
    if not _is_number(expansion) or not CROP_EXPANSION[0] <= expansion <= CROP_EXPANSION[1]:
        return f"have a crop_expansion of {CROP_EXPANSION[0]:g} to {CROP_EXPANSION[1]:g}, it has {_shown(expansion)}"
    if not isinstance(curve, dict):
        return f"give the confidence by an object, it has {_shown(curve)}"
    for name in ("offset", "slope"):
        if not _is_number(curve.get(name)) or abs(curve[name]) > LARGEST_CURVE:
            return f"have a confidence {name} within {LARGEST_CURVE:g}, it has {_shown(curve.get(name))}"
    if not isinstance(metadata["hand_model_digest"], str):
        return f"name the hand model's digest by a text, it has {_shown(metadata['hand_model_digest'])}"
    inputs, outputs = metadata.get("inputs", {}), metadata.get("outputs", [])
    if not isinstance(inputs, dict) or len(inputs) > MOST_INPUTS or (inputs and "image" not in inputs):
        return f"name its inputs with their sizes, it has {_shown(inputs)}"
    for side in inputs.values():
        if type(side) is not int or not INPUT_PX[0] <= side <= INPUT_PX[1]:
            return f"have inputs of {INPUT_PX[0]} to {INPUT_PX[1]} pixels or numbers, it has {_shown(inputs)}"
    if not isinstance(outputs, list) or len(outputs) > MOST_OUTPUTS or not all(isinstance(one, str) for one in outputs):
        return f"list the names of its outputs, it has {_shown(outputs)}"
    name = metadata.get("name", "")
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        return f"have a name of at most {LONGEST_NAME} letters, it has {_shown(name)}"
    return ""


def _is_number(value: object) -> bool:
    # an int may be larger than any float
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < 1 << 53)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
