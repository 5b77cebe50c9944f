"""A network on a data set's evaluation split: pred.json for the official scripts, and the official figures.

``python -m trainer evaluate --dataset freihand DIR --network NET`` ends here. Every hand is cropped without error
around its labelled joints (HO-3D: around the box that the set gives), predicted once, refined on its own 2D joints as
the program does it, and put into the camera: for FreiHAND where it was refined, for HO-3D with the wrist where the
set's evaluation split has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand.atomic_file import write_text_atomically
from hand.camera import Intrinsics
from hand.crop import SquareCrop, crop_around, crop_around_turned, crop_picture, upright_angle_rad
from hand.errors import ConfigError, DataError
from hand.frame_change import OPENGL_TO_OPENCV
from hand.joints import TIP_JOINTS, TIP_VERTICES, to_mano_order
from hand.layer import HandLayer
from hand.model import HandModel
from hand.scoring import OfficialScore, score_freihand, score_ho3d
from inference.pose_refinement import SHAPE_DEVIATION, refine_pose
from inference.runtime import OUTPUT_NAMES, in_picture
from trainer.datasets.hand_set import HandSet, picture_of
from trainer.datasets.opening import open_set
from trainer.datasets.pose_fit import MANO_VERTICES
from trainer.evaluation.devices import device_of
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.dataset_facts import SetFacts
from trainer.samples.augmentation import CropJitter

SCORED_KINDS: Final = ("freihand", "ho3d")
"""Sets that have an official script."""

_NO_CURVE: Final = {"offset": 0.0, "slope": 0.0}
"""The confidence is not used here."""

_DECIMALS: Final = 6
"""Of pred.json: a micrometre."""


@dataclass(frozen=True, slots=True, eq=False)
class SetPredictions:
    """Predictions for the evaluation split of a set, in the set's own order, joint order and axes.

    Attributes:
        joints_m: 21 joints of each hand.
        vertices_m: of the hand model that the network poses.
    """

    joints_m: Float[np.ndarray, "N 21 3"]
    vertices_m: Float[np.ndarray, "N V 3"]

    def write(self, path: Path) -> None:
        """Writes pred.json: [xyz, verts].

        Raises:
            OSError: it cannot be written.
        """
        # one hand at a time: the real sets have millions of vertices, and lists of them take gigabytes
        parts = (",".join(_points(hand) for hand in hands) for hands in (self.joints_m, self.vertices_m))
        write_text_atomically(path, f"[[{next(parts)}],[{next(parts)}]]")


@torch.no_grad()
def predict_set(
    network: nn.Module,
    model: HandModel,
    hands: HandSet,
    layout: NetworkConfig,
    *,
    batch: int = 32,
    tick: Callable[[int], object] = lambda count: None,
) -> SetPredictions:
    """Runs a network over every hand of a split.

    Args:
        network: gives :class:`trainer.networks.output.NetworkOutput`.
        model: that it poses.
        hands: the split.
        layout: of the network's crops. Where they are upright, a first prediction of each hand as it lies in the
            picture gives its direction.
        batch: crops at a time.
        tick: called with the number of hands done.

    Raises:
        DataError: a picture cannot be read, or a hand has no annotation at all.
    """
    network.eval()
    device = device_of(network)
    layer = HandLayer(model, np.float64)
    joints, vertices = [], []
    for start in range(0, len(hands), batch):
        numbers = range(start, min(start + batch, len(hands)))
        crops = [_crop(hands, number, layout.input_px) for number in numbers]
        output = network(_images(crops).to(device))
        if layout.upright:
            standing = [upright_angle_rad(one) for one in output.joints_crop.double().cpu().numpy()]
            crops = [
                _crop(hands, number, layout.input_px, turn) for number, turn in zip(numbers, standing, strict=True)
            ]
            output = network(_images(crops).to(device))
        for place, crop in enumerate(crops):
            named = {name: getattr(output, name)[place].double().cpu().numpy() for name in OUTPUT_NAMES}
            seen = in_picture(named, crop.square, crop.intrinsics, layout.input_px, _NO_CURVE)
            # the hand as the program shows it
            refined = refine_pose(
                layer,
                seen.rotations,
                seen.shape,
                seen.joints_px,
                seen.sigma_px,
                crop.intrinsics,
                seen.root_m,
                shape_deviation=SHAPE_DEVIATION,
            )
            wrist = refined.root_m if crop.wrist_m is None else crop.wrist_m
            posed = layer.from_matrices(refined.rotations, refined.shape)
            mesh, points = (part - posed.joints_m[0] + wrist for part in (posed.vertices_m, posed.joints_m))
            joints.append(as_submitted(points, mesh, hands.facts))
            vertices.append(in_set_axes(mesh, hands.facts))
        tick(len(crops))
    return SetPredictions(np.stack(joints), np.stack(vertices))


@dataclass(frozen=True, slots=True, eq=False)
class _PlacedCrop:
    """A crop, and where in which picture it lies."""

    image: np.ndarray
    square: SquareCrop
    intrinsics: Intrinsics
    wrist_m: Float[np.ndarray, "3"] | None


def _images(crops: Sequence[_PlacedCrop]) -> Float[Tensor, "B 3 S S"]:
    return torch.from_numpy(np.stack([crop.image for crop in crops])).permute(0, 3, 1, 2).float()


def _crop(hands: HandSet, number: int, input_px: int, angle_rad: float = 0.0) -> _PlacedCrop:
    hand = hands.hand(number)
    if hand is None:
        raise DataError(f"Hand {number} of {hands.facts.title} has no annotation, so its place is unknown.")
    if hand.box_px is None and hand.joints_known.sum() < 2:
        raise DataError(f"{hand.name} of {hands.facts.title} has neither joints nor a box to cut the hand out by.")
    expansion = CropJitter().expansion
    if hand.box_px is None:
        square = crop_around_turned(hand.outline_px, expansion, angle_rad)
    else:  # along turned axes the two corners may lie almost on one line
        square = crop_around(hand.outline_px, expansion, angle_rad=angle_rad)
    image = crop_picture(picture_of(hands, number, hand), square, input_px)
    wrist = hand.joints_m[0] if hands.facts.kind == "ho3d" else None
    return _PlacedCrop(image, square, hand.intrinsics, wrist)


def as_submitted(
    joints_m: Float[np.ndarray, "21 3"], vertices_m: Float[np.ndarray, "V 3"], facts: SetFacts
) -> Float[np.ndarray, "21 3"]:
    """Joints in the form of a set's script: its finger tips (of MANO's mesh), its order, its axes.

    Args:
        joints_m: common order, OpenCV's axes.
        vertices_m: the mesh beside them.
        facts: of the set.
    """
    joints = joints_m.copy()
    if len(vertices_m) == MANO_VERTICES and facts.tips:
        joints[list(TIP_JOINTS)] = vertices_m[list(TIP_VERTICES[facts.tips])]
    return in_set_axes(to_mano_order(joints) if facts.kind == "ho3d" else joints, facts)


def in_set_axes(points_m: Float[np.ndarray, "N 3"], facts: SetFacts) -> Float[np.ndarray, "N 3"]:
    """Points in the set's own camera axes: HO-3D has OpenGL's."""
    return OPENGL_TO_OPENCV.inverse().points(points_m) if facts.kind == "ho3d" else points_m


def score_set(kind: str, folder: Path, prediction_file: Path) -> OfficialScore | None:
    """The official score of a pred.json, None where the set has no ground truth (HO-3D's once had a server for it).

    Raises:
        PredictionFileError: the file, or the ground truth, is not what it should be.
    """
    truth = [folder / f"evaluation_{name}.json" for name in ("xyz", "verts")]
    if not all(path.is_file() for path in truth):
        return None
    return score_freihand(prediction_file, folder) if kind == "freihand" else score_ho3d(prediction_file, folder)


def open_evaluation(kind: str, folder: Path) -> HandSet:
    """The evaluation split of a set that has an official script.

    Raises:
        DataError: a file is missing or not what it should be.
        ConfigError: there is no official script for this set.
    """
    if kind not in SCORED_KINDS:
        raise ConfigError(f"--dataset should be one of {', '.join(SCORED_KINDS)}, got {kind!r}.")
    return open_set(kind, folder, "evaluation")


def score_lines(score: OfficialScore) -> list[str]:
    """The figures that papers report, in millimetres: the official ones beside those of proper rotations."""
    rows = [
        ("PA-MPJPE, joints", score.xyz_al_mean3d, score.proper_xyz_al_mean3d),
        ("PA-MPVPE, vertices", score.mesh_al_mean3d, score.proper_mesh_al_mean3d),
        ("unaligned joints", score.xyz_mean3d, None),
        ("unaligned vertices", score.mesh_mean3d, None),
    ]
    lines = [f"{'millimetres':<22} {'official':>10} {'proper rotation':>16}"]
    for name, official, proper in rows:
        cells = ["-" if value is None or value < 0.0 else f"{value * 10.0:.2f}" for value in (official, proper)]
        lines.append(f"{name:<22} {cells[0]:>10} {cells[1]:>16}")
    lines.append(f"{'F@5 / F@15, aligned':<22} {f'{score.f_al_score_5:.3f} / {score.f_al_score_15:.3f}':>10}")
    lines.append(f"{'AUC, aligned joints':<22} {score.xyz_al_auc3d:>10.3f}")
    lines.append(
        f"{score.samples} hands; in {score.reflected_samples} of them the official alignment mirrors the hand, "
        "which a proper rotation cannot"
    )
    return lines


def _points(hand: Float[np.ndarray, "N 3"]) -> str:
    rows: Sequence[list[float]] = hand.round(_DECIMALS).tolist()
    return "[" + ",".join(f"[{x},{y},{z}]" for x, y, z in rows) + "]"
