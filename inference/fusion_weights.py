"""What each path is worth in which situation, as it was measured, and the file that keeps it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from hand.atomic_file import write_json_atomically
from hand.checked_files import finite_array
from hand.errors import ConfigError
from inference.fusion_kernel import HAND_FEATURES, JOINT_FEATURES

SCHEMA: Final = 3

_LEAST_MISFIT: Final = 1e-3
"""A smaller misfit than this share of the hand's box says no more about a hand."""

_GROUPS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class FusionWeights:
    """What each path is worth, as ``benchmarks.fit_fusion_weights`` measured it.

    Attributes:
        bias: log of IK's precision over the network's about each joint's anatomical axes, in an average situation.
        slopes: how it changes with the features of hand and joint, by group of joints.
        place_bias: log of IK's precision over the network's in the picture, for 2D joints, in an average situation.
        place_slopes: how it changes with the features of the hand.
        shape_share: IK's share of the shape, 0 to 1.
        sigma_factor: the network's expected 2D errors are multiplied by it.
        prior_factor: the deviations of the pose that the 2D joints bend are multiplied by it.
        confidence: offset of the confidence's logistic curve, and its slopes over half the log odds of the network's
            confidence and over the logarithm of the fused hand's misfit.
        network_credibility: offset and slope over half the log odds of the network's confidence.
        ik_credibility: the same for IK.
        contradiction_mm: distance of form from which the paths contradict each other.
        contradiction_rad: angle between the hands' orientations from which they do.
    """

    bias: Float[np.ndarray, "16 3"]
    slopes: Float[np.ndarray, "G F"]
    place_bias: float
    place_slopes: Float[np.ndarray, "H"]
    shape_share: float
    sigma_factor: float
    prior_factor: float
    confidence: tuple[float, float, float]
    network_credibility: tuple[float, float]
    ik_credibility: tuple[float, float]
    contradiction_mm: float
    contradiction_rad: float

    @classmethod
    def of_one_path(cls, path: str) -> FusionWeights:
        """Weights that make one path's pose the mean; for tests and comparisons.

        Args:
            path: "network" or "ik".
        """
        far = -60.0 if path == "network" else 60.0
        return cls(
            bias=np.full((16, 3), far),
            slopes=np.zeros((_GROUPS, len(HAND_FEATURES) + len(JOINT_FEATURES))),
            place_bias=far,
            place_slopes=np.zeros(len(HAND_FEATURES)),
            shape_share=0.0 if path == "network" else 1.0,
            sigma_factor=1.0,
            prior_factor=1.0,
            confidence=(0.0, 1.0, 0.0),
            network_credibility=(0.0, 1.0),
            ik_credibility=(0.0, 1.0),
            contradiction_mm=1000.0,
            contradiction_rad=math.pi,
        )

    def ik_share_of_places(self, hand: Float[np.ndarray, "H"]) -> float:
        """IK's share of the precision of the 2D joints.

        Args:
            hand: the situation of the hand (``inference.fusion_kernel.HAND_FEATURES``).
        """
        return _probability(self.place_bias + float(self.place_slopes @ hand))

    def confidence_of(self, network_confidence: float, misfit: float) -> float:
        """Probability that the fused hand is right.

        Args:
            network_confidence: of the path, 0 to 1.
            misfit: mean distance of the fused hand's projected joints from the 2D joints it was fitted to, over the
                longer side of their box.
        """
        offset, slope, misfit_slope = self.confidence
        half_odds, log_misfit = confidence_features(network_confidence, misfit)
        return _probability(offset + slope * half_odds + misfit_slope * log_misfit)

    def network_advantage(self, network_confidence: float, ik_confidence: float) -> float:
        """Log odds that the network's hand is right, less those of IK's; where they contradict each other it decides.

        Args:
            network_confidence: of the path, 0 to 1.
            ik_confidence: the same.
        """
        network = self.network_credibility[0] + self.network_credibility[1] * _half_log_odds(network_confidence)
        return network - self.ik_credibility[0] - self.ik_credibility[1] * _half_log_odds(ik_confidence)

    def save(self, file: Path) -> None:
        """Writes the weights as JSON.

        Raises:
            OSError: the file cannot be written.
        """
        content = {
            "schema": SCHEMA,
            "hand_features": list(HAND_FEATURES),
            "joint_features": list(JOINT_FEATURES),
            "bias": np.round(self.bias, 4).tolist(),
            "slopes": np.round(self.slopes, 4).tolist(),
            "place_slopes": np.round(self.place_slopes, 4).tolist(),
            "confidence": [round(value, 4) for value in self.confidence],
            "network_credibility": [round(value, 4) for value in self.network_credibility],
            "ik_credibility": [round(value, 4) for value in self.ik_credibility],
            **{
                name: round(getattr(self, name), 4)
                for name in (
                    "place_bias", "shape_share", "sigma_factor", "prior_factor", "contradiction_mm",
                    "contradiction_rad",
                )
            },
        }  # fmt: skip
        write_json_atomically(file, content)


def load_weights(file: Path) -> FusionWeights:
    """Reads weights that :meth:`FusionWeights.save` wrote.

    Raises:
        ConfigError: the file is missing, damaged, or of another schema or other features.
    """
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, expected {SCHEMA}")
        if (content["hand_features"], content["joint_features"]) != (list(HAND_FEATURES), list(JOINT_FEATURES)):
            raise ValueError("it is about other features")
        features = len(HAND_FEATURES) + len(JOINT_FEATURES)
        return FusionWeights(
            bias=finite_array(content["bias"], (16, 3)),
            slopes=finite_array(content["slopes"], (_GROUPS, features)),
            place_slopes=finite_array(content["place_slopes"], (len(HAND_FEATURES),)),
            confidence=_tuple(content["confidence"], 3),
            network_credibility=_tuple(content["network_credibility"], 2),
            ik_credibility=_tuple(content["ik_credibility"], 2),
            **{
                name: float(finite_array(content[name], ()))
                for name in (
                    "place_bias", "shape_share", "sigma_factor", "prior_factor", "contradiction_mm",
                    "contradiction_rad",
                )
            },
        )  # fmt: skip
    except OSError as error:
        raise ConfigError(
            f"The fusion's weights {file} cannot be read ({error.strerror}); install the program again."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"The fusion's weights {file} are damaged ({error}); install the program again.") from None


def confidence_features(network_confidence: float, misfit: float) -> tuple[float, float]:
    """The two numbers that the confidence of a fused hand follows from (:meth:`FusionWeights.confidence_of`).

    The hand's situation, which the weights of the paths follow from, was measured to put hands of other pictures in
    their order less well: nine slopes fit the pictures they were learned from.
    """
    return _half_log_odds(network_confidence), math.log(max(misfit, _LEAST_MISFIT))


def _probability(log_odds: float) -> float:
    """The logistic function, which in this form overflows nowhere."""
    return 0.5 * (1.0 + math.tanh(0.5 * log_odds))


def _half_log_odds(probability: float) -> float:
    """Half the log odds of a confidence, which is kept from 0 and 1; a feature of ``inference.fusion_kernel``, too."""
    kept = min(max(probability, 0.01), 0.99)
    return 0.5 * math.log(kept / (1.0 - kept))


def _tuple(values: Any, count: int) -> tuple[Any, ...]:
    return tuple(float(value) for value in finite_array(values, (count,)))
