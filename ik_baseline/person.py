"""A person's hand shape, the offsets of the detector's landmarks on that hand, and the file of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from jaxtyping import Float

from hand.anatomy import joint_axes, joint_limits
from hand.atomic_file import write_json_atomically
from hand.checked_files import FILE_FAULTS, fault_of, finite_array, read_json
from hand.errors import ConfigError
from hand.landmark_offsets import measured_offsets_m
from hand.layer import HandLayer
from hand.model import HandModel
from ik_baseline.kernel import Chain

_SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class HandCalibration:
    """One person's hand as solved over many frames.

    Attributes:
        shape: 10 shape coefficients of the hand model.
        landmark_offsets_m: detector's landmark minus model joint, each in the rest axes of the bone that ends at it.
        model_digest: of the hand model that ``shape`` belongs to.
        frames: how many frames it was solved over; 0 for the default.
        views: how many cameras measured the shape; one view does not determine it well enough for a network's hand.
    """

    shape: Float[np.ndarray, "10"]
    landmark_offsets_m: Float[np.ndarray, "21 3"]
    model_digest: str = ""
    frames: int = 0
    views: int = 1

    @classmethod
    def default(cls, model: HandModel) -> HandCalibration:
        """The average hand with the offsets that were measured on rendered hands of a known pose."""
        return cls(np.zeros(10), measured_offsets_m(), model.digest)

    @classmethod
    def without_offsets(cls, model: HandModel) -> HandCalibration:
        """The average hand for landmarks that are the model's own joints."""
        return cls(np.zeros(10), np.zeros((21, 3)), model.digest)

    def save(self, path: Path | None = None) -> Path:
        """Writes the calibration as JSON.

        Args:
            path: the file; the user's data folder when left out.

        Returns:
            Where it was written.

        Raises:
            ConfigError: the file cannot be written.
        """
        path = path or calibration_file()
        content = {
            "schema": _SCHEMA,
            "model_digest": self.model_digest,
            "frames": self.frames,
            "views": self.views,
            "shape": [round(float(value), 6) for value in self.shape],
            "landmark_offsets_mm": np.round(self.landmark_offsets_m * 1e3, 4).tolist(),
        }
        try:
            write_json_atomically(path, content)
        except OSError as error:
            raise ConfigError(f"The hand calibration cannot be written to {path}: {error.strerror}.") from error
        return path

    @classmethod
    def load(cls, model: HandModel, path: Path | None = None) -> HandCalibration:
        """Reads a calibration that :meth:`save` wrote.

        Args:
            model: the hand model in use, which must be the one the calibration was solved with.
            path: the file; the user's data folder when left out.

        Raises:
            ConfigError: the file is missing, damaged, or belongs to another hand model.
        """
        path = path or calibration_file()
        try:
            content = read_json(path)
            calibration = cls(
                finite_array(content["shape"], (10,)),
                finite_array(content["landmark_offsets_mm"], (21, 3)) / 1e3,
                str(content["model_digest"]),
                int(content["frames"]),
                int(content.get("views", 1)),
            )
        except OSError as error:
            raise ConfigError(f"The hand calibration {path} cannot be read: {error.strerror}.") from error
        except FILE_FAULTS as error:
            raise ConfigError(
                f"The hand calibration {path} is damaged ({fault_of(error)}); delete it and calibrate again."
            ) from error
        if calibration.model_digest != model.digest:
            raise ConfigError(
                f"The hand calibration {path} was made with another hand model than {model.name}; calibrate again."
            )
        return calibration


def calibration_file() -> Path:
    """Where the user's calibration is kept."""
    return Path(platformdirs.user_data_dir("handlive", appauthor=False)) / "hand_calibration.json"


def build_chain(layer: HandLayer, calibration: HandCalibration) -> Chain:
    """The arrays the kernel poses.

    Args:
        layer: of a right hand, float64.
        calibration: of the person.
    """
    model = layer.model
    shaped = layer.shaped(calibration.shape)
    tips = list(model.tip_vertices)
    tip_rest = np.ascontiguousarray(shaped.vertices_m[tips], np.float64)
    limits = joint_limits()
    return Chain(
        rest_joints=np.ascontiguousarray(shaped.joints_m, np.float64),
        axes=joint_frames(model),
        tip_rest=tip_rest,
        tip_correctives=np.ascontiguousarray(model.pose_directions_m[tips], np.float64),
        tip_weights=np.ascontiguousarray(model.skinning_weights[tips], np.float64),
        offsets=np.ascontiguousarray(calibration.landmark_offsets_m, np.float64),
        lower=limits.lower_rad[1:].reshape(45).copy(),
        upper=limits.upper_rad[1:].reshape(45).copy(),
    )


def joint_frames(model: HandModel) -> Float[np.ndarray, "16 3 3"]:
    """The model's anatomical axes, or those that follow from its rest joints; orthonormal to double precision."""
    left, _, right = np.linalg.svd(joint_axes(model))
    return np.ascontiguousarray(left @ right)
