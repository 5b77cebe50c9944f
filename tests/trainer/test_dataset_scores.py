"""Scoring on a data set: known answers through the whole command, and the definition of the aligned error by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch
from jaxtyping import Float
from mano_freihand import write_mano_freihand
from scipy.linalg import orthogonal_procrustes
from torch import Tensor, nn

from hand.camera import project
from hand.crop import MIDDLE_KNUCKLE, SquareCrop, crop_around, crop_around_turned, crop_picture, transform_points
from hand.crop_camera import crop_camera
from hand.embedded import load_embedded_model
from hand.joints import to_mano_order
from hand.mirror import mirror_points
from hand.model import HandModel
from hand.scoring import score_freihand, score_ho3d
from tests.hand.toy_model import toy_model
from trainer.__main__ import main
from trainer.datasets.freihand import FreihandSet
from trainer.datasets.hand_set import HandSet, picture_of
from trainer.datasets.ho3d import Ho3dSet
from trainer.datasets.pose_fit import PoseFitter
from trainer.evaluation.dataset_scores import SetPredictions, as_submitted, predict_set, score_lines, score_set
from trainer.networks.hand_network import NetworkConfig
from trainer.networks.output import NetworkOutput
from trainer.samples.augmentation import CropJitter

ROOT = Path(__file__).resolve().parents[2]
INPUT_PX = 64


class Oracle(nn.Module):
    """Returns the labelled pose of each hand in turn, as a perfect network would in each crop's own camera."""

    def __init__(self, hands: HandSet, model: HandModel) -> None:
        super().__init__()
        self.answers = []
        fitter = PoseFitter(model, hands.facts)
        for index in range(len(hands)):
            hand = hands.hand(index)
            assert hand is not None
            assert hand.pose is not None
            fitted = fitter.fit(hand, hand.pose)
            crop = crop_around(hand.outline_px, CropJitter().expansion)
            camera = crop_camera(crop, hand.intrinsics)
            rotations = fitted.rotations.copy()
            rotations[0] = camera.rotation @ rotations[0]
            root = camera.rotation @ fitted.joints_m[0]
            scale = camera.focal / root[2]
            pixels = transform_points(project(fitted.joints_m, hand.intrinsics), crop.matrix(INPUT_PX))
            joints = (pixels + 0.5) / (INPUT_PX / 2.0) - 1.0
            self.answers.append((rotations, fitted.shape, np.array([scale, *(root[:2] * scale)]), joints))

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> NetworkOutput:
        now, self.answers = self.answers[: len(image)], self.answers[len(image) :]
        rotations, shape, camera, joints = (
            torch.tensor(np.stack(part), dtype=torch.float32) for part in zip(*now, strict=True)
        )
        nothing = torch.zeros(len(image))
        made = {
            "rotations": rotations,
            "shape": shape,
            "camera": camera,
            "joints_crop": joints,
            "log_sigma": joints[..., 0],
            "heat_maps": joints[..., :1, None],
        }
        return NetworkOutput(**{name: made.get(name, nothing) for name in NetworkOutput._fields})


def test_a_perfect_network_scores_zero_unaligned_and_aligned(freihand_set: Path, tmp_path: Path) -> None:
    """Any mistake in the transform from the crop camera back into the camera shows in the unaligned error."""
    hands = FreihandSet(freihand_set, "evaluation")
    predictions = predict_set(
        Oracle(hands, load_embedded_model()), load_embedded_model(), hands, NetworkConfig(input_px=INPUT_PX), batch=1
    )
    predictions.write(tmp_path / "pred.json")
    score = score_set("freihand", freihand_set, tmp_path / "pred.json")
    assert score is not None
    assert score.xyz_mean3d < 1e-3
    assert score.mesh_mean3d < 1e-3
    assert score.proper_xyz_al_mean3d < 1e-3
    assert (score.f_score_5, score.reflected_samples) == (1.0, 0)
    content = json.loads((tmp_path / "pred.json").read_text())
    assert [np.array(part).shape for part in content] == [(2, 21, 3), (2, load_embedded_model().vertex_count, 3)]
    truth = np.array(json.loads((freihand_set / "evaluation_xyz.json").read_text()))
    np.testing.assert_allclose(content[0], truth, atol=1e-5)
    assert "PA-MPJPE, joints             0.00             0.00" in "\n".join(score_lines(score))


def test_the_sets_own_finger_tips_are_submitted(tmp_path: Path) -> None:
    """A MANO network's joints end at smplx's vertices; FreiHAND compares with vertices of its own choice."""
    write_mano_freihand(tmp_path, part="evaluation")
    hands = FreihandSet(tmp_path, "evaluation")
    model = toy_model(778)
    predict_set(Oracle(hands, model), model, hands, NetworkConfig(input_px=INPUT_PX)).write(tmp_path / "pred.json")
    score = score_freihand(tmp_path / "pred.json", tmp_path)
    assert score.xyz_mean3d < 1e-3
    assert score.mesh_mean3d < 1e-3


def test_mirrored_hands_score_zero_officially_and_not_properly(freihand_set: Path, tmp_path: Path) -> None:
    hands = FreihandSet(freihand_set, "evaluation")
    right = predict_set(
        Oracle(hands, load_embedded_model()), load_embedded_model(), hands, NetworkConfig(input_px=INPUT_PX)
    )
    SetPredictions(mirror_points(right.joints_m), mirror_points(right.vertices_m)).write(tmp_path / "pred.json")
    score = score_freihand(tmp_path / "pred.json", freihand_set)
    assert score.xyz_al_mean3d < 1e-3
    assert score.proper_xyz_al_mean3d > 0.3
    text = "\n".join(score_lines(score))
    assert "2 hands; in 2 of them the official alignment mirrors the hand" in text


def test_ho3d_predictions_use_its_joint_order_axes_and_given_wrist(ho3d_set: Path, tmp_path: Path) -> None:
    evaluation = Ho3dSet(ho3d_set, "evaluation")
    truth = np.array(json.loads((ho3d_set / "evaluation_xyz.json").read_text()))
    joints = truth[:, _from_mano()] * [1.0, -1.0, -1.0]
    vertices = np.array(json.loads((ho3d_set / "evaluation_verts.json").read_text())) * [1.0, -1.0, -1.0]
    submitted = as_submitted(joints[0], vertices[0], evaluation.facts)
    np.testing.assert_allclose(submitted, truth[0], atol=1e-12)
    np.testing.assert_allclose(submitted, to_mano_order(joints[0]) * [1.0, -1.0, -1.0])
    first = evaluation.hand(0)
    assert first is not None
    np.testing.assert_allclose(first.joints_m[0], joints[0][0], atol=1e-6)

    class MeanHandNetwork(nn.Module):
        """Returns the mean hand only."""

        def forward(self, image: Float[Tensor, "B 3 S S"]) -> NetworkOutput:
            count = len(image)
            eye, zeros = torch.eye(3).repeat(count, 16, 1, 1), torch.zeros(count, 21, 2)
            made = {
                "rotations": eye,
                "shape": torch.zeros(count, 10),
                "camera": torch.ones(count, 3),
                "joints_crop": zeros,
                "log_sigma": zeros[..., 0],
                "heat_maps": zeros[..., :1, None],
            }
            nothing = torch.zeros(count)
            return NetworkOutput(**{name: made.get(name, nothing) for name in NetworkOutput._fields})

    predictions = predict_set(MeanHandNetwork(), load_embedded_model(), evaluation, NetworkConfig(input_px=64))
    np.testing.assert_allclose(predictions.joints_m[:, 0], truth[:, 0], atol=1e-6)
    predictions.write(tmp_path / "pred.json")
    score = score_ho3d(tmp_path / "pred.json", ho3d_set)
    assert 0.5 < score.proper_xyz_al_mean3d < 6.0
    assert np.isfinite(score.xyz_scale_trans_al_mean3d)


class LeaningHandNetwork(nn.Module):
    """Keeps the crops it gets, and returns a hand that leans by a given angle in each."""

    def __init__(self, angle_rad: float) -> None:
        super().__init__()
        self.seen: list[np.ndarray] = []
        self.joints = torch.zeros(21, 2)
        self.joints[MIDDLE_KNUCKLE] = torch.tensor([np.sin(angle_rad), -np.cos(angle_rad)]) / 2.0

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> NetworkOutput:
        count = len(image)
        self.seen += list(image.permute(0, 2, 3, 1).numpy())
        joints = self.joints.repeat(count, 1, 1)
        made = {
            "rotations": torch.eye(3).repeat(count, 16, 1, 1),
            "shape": torch.zeros(count, 10),
            "camera": torch.ones(count, 3),
            "joints_crop": joints,
            "log_sigma": torch.zeros(count, 21),
            "heat_maps": joints[..., :1, None],
        }
        return NetworkOutput(**{name: made.get(name, torch.zeros(count)) for name in NetworkOutput._fields})


@pytest.mark.parametrize("kind", ["freihand", "ho3d"])
def test_second_upright_crop_is_measured_along_its_own_axes_unless_there_is_only_a_box(
    kind: str, freihand_set: Path, ho3d_set: Path
) -> None:
    """As in training and in the live program: a box along the picture's axes frames a leaning hand too widely."""
    hands: HandSet
    hands = FreihandSet(freihand_set, "evaluation") if kind == "freihand" else Ho3dSet(ho3d_set, "evaluation")
    network = LeaningHandNetwork(0.7)
    predict_set(network, load_embedded_model(), hands, NetworkConfig(input_px=INPUT_PX, upright=True), batch=1)
    assert len(network.seen) == 2 * len(hands)
    for number in range(len(hands)):
        hand = hands.hand(number)
        assert hand is not None
        assert (hand.box_px is None) == (kind == "freihand")
        square: SquareCrop = (
            crop_around_turned(hand.outline_px, CropJitter().expansion, 0.7)
            if kind == "freihand"
            else crop_around(hand.outline_px, CropJitter().expansion, angle_rad=0.7)
        )
        wanted = crop_picture(picture_of(hands, number, hand), square, INPUT_PX)
        # the angle went through single precision, which may change a pixel by a grey level
        np.testing.assert_allclose(network.seen[2 * number + 1], wanted, atol=1.0)


def _from_mano() -> list[int]:
    """MANO order with tips to the common order, written out by fingers."""
    starts = {"thumb": 13, "index": 1, "middle": 4, "ring": 10, "pinky": 7}
    order = [0]
    for place, finger in enumerate(("thumb", "index", "middle", "ring", "pinky")):
        order += [starts[finger], starts[finger] + 1, starts[finger] + 2, 16 + place]
    return order


def test_printed_scores_agree_with_the_definition(
    freihand_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shipped network through the command line; its pred.json scored once more, slowly, with SciPy."""
    out = tmp_path / "pred.json"
    network = str(ROOT / "assets" / "network")
    assert main(["evaluate", "--dataset", "freihand", str(freihand_set), "--network", network, "--out", str(out)]) == 0
    shown = dict(line.split(": ") for line in capsys.readouterr().out.splitlines() if line.count(": ") == 1)
    predicted, meshes = json.loads(out.read_text())
    for name, ours, kind in (("xyz_al_mean3d", predicted, "xyz"), ("mesh_al_mean3d", meshes, "verts")):
        truth = json.loads((freihand_set / f"evaluation_{kind}.json").read_text())
        errors = []
        for points, target in zip(np.array(ours), np.array(truth), strict=True):
            x, y = points - points.mean(0), target - target.mean(0)
            x, scale_y = x / np.linalg.norm(x), np.linalg.norm(y)
            turn, scale = orthogonal_procrustes(x, y / scale_y)
            moved = x @ turn * scale * scale_y + target.mean(0)
            errors += [float(np.sqrt(((a - b) ** 2).sum())) for a, b in zip(moved, target, strict=True)]
        assert float(shown[name]) == pytest.approx(100.0 * np.mean(errors), abs=1e-5)
    assert 0.2 < float(shown["xyz_al_mean3d"]) < 3.0
    assert float(shown["xyz_mean3d"]) < 30.0, "in the camera, and not about the wrist"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["interhand", "DIR"], "--dataset should be one of freihand, ho3d, got 'interhand'"),
        (["freihand", "/nowhere"], "camera matrices) is missing"),
        (["ho3d", "DIR"], r"evaluation.txt (the list of frames) is missing"),
    ],
)
def test_unusable_data_set_is_reported(
    freihand_set: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    given = [argument.replace("DIR", str(freihand_set)) for argument in arguments]
    assert main(["evaluate", "--dataset", *given, "--network", str(ROOT / "assets" / "network")]) == 2
    assert sentence in capsys.readouterr().err


def test_missing_truth_gives_no_score_and_the_file_is_written(ho3d_set: Path, tmp_path: Path) -> None:
    assert score_set("ho3d", tmp_path, tmp_path / "pred.json") is None
    kept = SetPredictions(np.zeros((1, 21, 3)), np.zeros((1, 30, 3)))
    replace(kept, joints_m=kept.joints_m + 0.5).write(tmp_path / "pred.json")
    assert np.array(json.loads((tmp_path / "pred.json").read_text())[0]).max() == 0.5
