"""``python -m trainer fuse-labels``: pseudo-labels of photographs, fused from inverse kinematics and a network.

Both methods have errors, and different ones; the mean of both poses is nearer to the truth than either. Its joints are
then brought onto those of the label in the picture, which are the mean over several copies of the photograph and more
exact than the network's. `python -m benchmarks.fusion` prints the errors of such labels on renderings whose landmarks
are read as exactly as on photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import logit

from hand.atomic_file import write_json_atomically
from hand.camera import Intrinsics, project
from hand.checked_files import FILE_FAULTS, fault_of
from hand.embedded import load_embedded_model
from hand.errors import DataError
from hand.layer import HandLayer
from hand.model import HandModel
from hand.types import HandOrigin, HandState
from inference.fusion_weights import FusionWeights
from inference.hand_fusion import HandFusion
from inference.hand_matching import pair_hands
from trainer.samples.prediction_file import intrinsics_of, read_prediction_file

IK_SHARE, IK_SHARE_OF_TURN = 0.2, 0.05
"""Of the mean of both poses, for the fingers' joints and for the turn of the whole hand: within 0.05 of the best
constant shares with landmarks read as exactly as on photographs (`python -m benchmarks.fit_fusion_weights`)."""

LABEL_DEVIATION, POSE_FACTOR = 0.02, 0.2
"""Expected error of a label's joint in the picture, over the longer side of the hand's box, and of the mean pose over
that of the network's pose. Half and one and a half of the first change the error of the labels by 0.05 mm."""

FARTHEST_MM, FARTHEST_RAD = 40.0, 1.6
"""Poses farther apart than this in form or orientation are different ones (``benchmarks.fit_fusion_weights``)."""

_EXAMPLES = """examples:
  labels of a folder, by each method and then fused
    python main_v2.py predict --input FOLDER --method ik --hands 2 --looks 3 --output labels.json
    python main_v2.py predict --input FOLDER --method network --hands 2 --output network.json
    python -m trainer fuse-labels labels.json network.json --out fused.json
"""


@dataclass(frozen=True, slots=True)
class FusedCount:
    """How the labels were made.

    Attributes:
        fused: from both methods.
        alone: the network sees no such hand there, or one of the other side.
        contradicted: the network sees a hand of quite another form or orientation.
    """

    fused: int = 0
    alone: int = 0
    contradicted: int = 0


class LabelFusion:
    """Fuses labels of one hand model."""

    def __init__(self, model: HandModel) -> None:
        """Prepares the layers.

        Args:
            model: that both prediction files pose.
        """
        right = model if model.side == "right" else model.mirrored()
        odds = np.full((16, 3), logit(IK_SHARE))
        odds[0] = logit(IK_SHARE_OF_TURN)
        weights = replace(FusionWeights.of_one_path("network"), bias=odds, prior_factor=POSE_FACTOR)
        self._fusion = HandFusion(right, weights)
        self._layers = {"right": HandLayer(right), "left": HandLayer(right.mirrored())}

    def fuse_images(
        self, labels: Sequence[dict[str, Any]], network: Sequence[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], FusedCount]:
        """The labels with fused poses where both methods agree on a hand, and as they are elsewhere.

        A hand on which they do not agree keeps its label: there the network may be the one that has to learn. Of a
        picture on which both methods ran, the labels are taken from the one and the network's hands from the other.

        Args:
            labels: entries of a prediction file by inverse kinematics.
            network: entries of one by the network; other pictures in it do not matter.

        Raises:
            DataError: a picture's entries were made with different cameras.
        """
        by_file = {image["file"]: image for image in network}
        count = {"fused": 0, "alone": 0, "contradicted": 0}
        images = []
        for image in labels:
            labelled, other = _hands_by(image, "ik"), by_file.get(image["file"], {"hands": []})
            seen = _hands_by(other, "network")
            if not labelled:  # also a picture that could not be read, which has no size
                images.append({**image, "hands": labelled})
                continue
            camera = intrinsics_of(image)
            if seen and not _same_camera(camera, intrinsics_of(other)):
                raise DataError(
                    f"Both prediction files should be made with one camera, and those of {image['file']} differ; make "
                    "both with the same --intrinsics or --fov."
                )
            states = [self._state(hand, "network") for hand in seen]
            hands = []
            for hand, how in self._fused_hands(labelled, states, camera):
                hands.append(hand)
                count[how] += 1
            images.append({**image, "hands": hands})
        return images, FusedCount(**count)

    def fuse(self, network: HandState, ik: HandState, camera: Intrinsics) -> HandState | None:
        """The fused hand on the label's joints in the picture; None where the methods contradict each other.

        Args:
            network: the network's hand.
            ik: the label.
            camera: of the picture.
        """
        situation = self._fusion.describe(network, ik, camera)
        if situation.form_mm > FARTHEST_MM or situation.wrist_apart_rad > FARTHEST_RAD:
            return None
        deviation_px = LABEL_DEVIATION * float(np.ptp(situation.ik_px, axis=0).max())
        # with the network's weight for 2D joints, the label's stand in their place
        on_label = replace(situation, network_px=situation.ik_px, network_sigma_px=np.full(21, deviation_px))
        return self._fusion.fuse(network, ik, camera, situation=on_label)

    def _fused_hands(
        self, hands: Sequence[dict[str, Any]], network: Sequence[HandState], camera: Intrinsics
    ) -> Iterator[tuple[dict[str, Any], str]]:
        labelled = [self._state(hand, "ik") for hand in hands]
        pairs = pair_hands(labelled, network)[: len(labelled)]
        for hand, (ik, seen) in zip(hands, pairs, strict=True):
            assert ik is not None
            if seen is None or seen.side != ik.side or None in hand["joints_px"]:
                yield hand, "alone"
                continue
            fused = self.fuse(seen, ik, camera)
            yield (hand, "contradicted") if fused is None else (_with_pose(hand, fused, camera), "fused")

    def _state(self, hand: dict[str, Any], origin: HandOrigin) -> HandState:
        pose, shape, translation = (
            _numbers(hand[key], size) for key, size in (("pose_rad", 48), ("shape", 10), ("camera_translation_m", 3))
        )
        geometry = self._layers[hand["side"]](pose, shape, translation)
        return HandState(
            sequence=0,
            side=hand["side"],
            pose_rad=pose,
            shape=shape,
            camera_translation_m=translation,
            joints_m=geometry.joints_m,
            vertices_m=geometry.vertices_m,
            confidence=float(hand["confidence"]),
            origin=origin,
        )


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, fuses, writes.

    Raises:
        DataError: a prediction file is none, or both are of different hand models or cameras.
    """
    options = _parser().parse_args(arguments)
    labels, network = read_prediction_file(options.labels), read_prediction_file(options.network)
    model = load_embedded_model()
    strange = {content.get("hand_model") for content in (labels, network)} - {model.name}
    if strange:
        raise DataError(
            f"The prediction files should pose the hand model {model.name} and one poses {strange.pop()}; make both "
            "without --hand-model."
        )
    try:
        images, count = LabelFusion(model).fuse_images(labels["images"], network["images"])
    except FILE_FAULTS as problem:
        raise DataError(
            f"An entry of {options.labels} or {options.network} is none that predict writes ({fault_of(problem)}); "
            "make both files again."
        ) from None
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomically(options.out, {**labels, "images": images})
    print(
        f"{count.fused} labels in {options.out} are fused, {count.alone} are without the network's hand, "
        f"{count.contradicted} contradict it and stay as they were."
    )


def _hands_by(image: dict[str, Any], method: HandOrigin) -> list[dict[str, Any]]:
    """The hands of one entry; where predict ran both methods, those of the given one alone."""
    hands: list[dict[str, Any]] = image["hands"]
    methods = {hand.get("method") for hand in hands}
    both = methods >= {"ik", "network"} or (len(methods) > 1 and any("from" in hand for hand in hands))
    return [hand for hand in hands if hand.get("method") == method] if both else hands


def _same_camera(one: Intrinsics, other: Intrinsics) -> bool:
    numbers, others = ((camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px) for camera in (one, other))
    return bool(np.allclose(numbers, others, rtol=1e-4))


def _numbers(values: object, size: int) -> Float[np.ndarray, "N"]:
    numbers = np.asarray(values, np.float32)
    if numbers.shape != (size,) or not np.isfinite(numbers).all():
        raise ValueError(f"{size} numbers were expected")
    return numbers


def _with_pose(hand: dict[str, Any], fused: HandState, camera: Intrinsics) -> dict[str, Any]:
    """The label with another pose; its confidence stays the agreement of the copies."""
    joints_m = np.asarray(fused.joints_m, np.float64)
    return {
        **hand,
        "method": "fused",
        "joints_px": project(joints_m, camera).round(3).tolist(),
        "joints_m": joints_m.round(6).tolist(),
        "pose_rad": np.asarray(fused.pose_rad, np.float64).round(6).tolist(),
        "shape": np.asarray(fused.shape, np.float64).round(5).tolist(),
        "camera_translation_m": np.asarray(fused.camera_translation_m, np.float64).round(6).tolist(),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer fuse-labels",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Fuse pseudo-labels of photographs by inverse kinematics with a network's predictions.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "labels",
        type=Path,
        metavar="LABELS",
        help="by `main_v2.py predict --method ik --looks N`; of a file by both methods, the hands of ik",
    )
    parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="by `main_v2.py predict --method network`, with the same camera; of both, the network's hands",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the labels to write")
    return parser
