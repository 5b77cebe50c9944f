"""manopth's calling convention: shapes, millimetres, joint order, centring, and its options."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch

from hand.errors import ConfigError, ModelFileError
from hand.joints import TIP_VERTICES
from hand.layer import HandLayer
from hand.manopth_adapter import ManoLayer
from hand.model import HandModel
from hand.pose_space import canonical_pose
from hand.rotations import matrix_from_axis_angle, sixd_from_matrix
from tests.hand.mano_pickles import mano_fields, python2_pickle
from tests.hand.toy_model import random_pose, toy_model


@pytest.fixture(scope="module")
def model() -> HandModel:
    return toy_model(778)


def _layer(model: HandModel, **options: object) -> ManoLayer:
    return ManoLayer(model=model, dtype=torch.float64, **options)  # type: ignore[arg-type]


def test_manopth_call_gives_millimetres_in_the_common_order(model: HandModel) -> None:
    pose, shape = random_pose(0), np.random.default_rng(1).normal(size=10)
    vertices, joints = _layer(model, use_pca=False)(torch.tensor(pose[None]), torch.tensor(shape[None]))
    expected = HandLayer(model, np.float64)(pose, shape)
    np.testing.assert_allclose(vertices[0], 1000 * expected.vertices_m, atol=1e-9)
    inner = [k for k in range(21) if k not in (4, 8, 12, 16, 20)]
    np.testing.assert_allclose(joints[0, inner], 1000 * expected.joints_m[inner], atol=1e-9)
    np.testing.assert_allclose(joints[0, [4, 8, 12, 16, 20]], vertices[0, list(TIP_VERTICES["manopth"])])


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("ncomps", [6, 45])
def test_pca_and_mean_follow_the_options(model: HandModel, flat: bool, ncomps: int) -> None:
    raw = np.random.default_rng(2).normal(size=(3, 3 + ncomps)) * 0.3
    vertices, _ = _layer(model, ncomps=ncomps, flat_hand_mean=flat)(torch.tensor(raw))
    poses = canonical_pose(model, raw, flat_hand_mean=flat, pca_components=ncomps)
    for k, pose in enumerate(poses):
        expected = HandLayer(model, np.float64)(pose, np.zeros(10)).vertices_m
        np.testing.assert_allclose(vertices[k], 1000 * expected, atol=1e-9)


def test_defaults_are_manopths() -> None:
    import inspect

    parameters = inspect.signature(ManoLayer.__init__).parameters
    assert list(parameters)[1:9] == [
        *("center_idx", "flat_hand_mean", "ncomps", "side"),
        *("mano_root", "use_pca", "root_rot_mode", "joint_rot_mode"),
    ]
    assert parameters["flat_hand_mean"].default is True
    assert parameters["ncomps"].default == 6


def test_centring_happens_only_without_a_translation(model: HandModel) -> None:
    pose = torch.tensor(random_pose(3)[None])
    layer = _layer(model, use_pca=False, center_idx=9)
    for no_translation in (None, torch.zeros(1), torch.zeros(1, 3, dtype=torch.float64)):
        _, joints = layer(pose, None, no_translation)
        assert joints[0, 9].abs().max() < 1e-9
    free, _ = _layer(model, use_pca=False)(pose)
    moved, _ = layer(pose, None, torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64))
    torch.testing.assert_close(moved - free, torch.tensor([100.0, 200.0, 300.0], dtype=torch.float64).expand_as(free))


def test_rotation_modes_give_the_same_vertices(model: HandModel) -> None:
    pose = random_pose(4)
    expected, _ = _layer(model, use_pca=False)(torch.tensor(pose[None]))
    matrices = matrix_from_axis_angle(pose.reshape(1, 16, 3))
    vertices, _ = _layer(model, use_pca=False, joint_rot_mode="rotmat")(torch.tensor(matrices))
    torch.testing.assert_close(vertices, expected)
    mixed = np.concatenate([sixd_from_matrix(matrices[:, 0]), pose[None, 3:]], 1)
    vertices, _ = _layer(model, use_pca=False, root_rot_mode="rot6d")(torch.tensor(mixed))
    torch.testing.assert_close(vertices, expected)


def test_left_hands_use_the_left_tips(model: HandModel) -> None:
    vertices, joints = _layer(model.mirrored(), side="left", use_pca=False)(torch.zeros(1, 48, dtype=torch.float64))
    np.testing.assert_allclose(joints[0, 12], vertices[0, 445])


def test_files_are_found_under_manopths_root(tmp_path: Path, model: HandModel) -> None:
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(python2_pickle(mano_fields(model)))
    layer = ManoLayer(mano_root=tmp_path)
    vertices, joints = layer(torch.zeros(2, 9), torch.zeros(2, 10))
    assert vertices.shape == (2, 778, 3)
    assert joints.shape == (2, 21, 3)
    assert layer.th_faces.shape == (1538, 3)
    with pytest.raises(ModelFileError, match=r"MANO_LEFT\.pkl"):
        ManoLayer(mano_root=tmp_path, side="left")


def test_wrong_inputs_are_refused(model: HandModel) -> None:
    with pytest.raises(ConfigError, match=r"shape \(batch, 9\)"):
        _layer(model)(torch.zeros(1, 8, dtype=torch.float64))
    with pytest.raises(ConfigError, match=r"\(batch, 16, 3, 3\)"):
        _layer(model, use_pca=False, joint_rot_mode="rotmat")(torch.zeros(1, 48, dtype=torch.float64))
    with pytest.raises(ConfigError, match="ncomps"):
        _layer(model, ncomps=46)
    with pytest.raises(ConfigError, match="axisang or rot6d"):
        _layer(model, root_rot_mode="euler")
    with pytest.raises(ConfigError, match="is a right hand"):
        _layer(model, side="left")


def test_gradients_flow(model: HandModel) -> None:
    pose = torch.zeros(2, 9, dtype=torch.float64, requires_grad=True)
    vertices, joints = _layer(model)(pose, torch.zeros(2, 10, dtype=torch.float64))
    (vertices.square().mean() + joints.square().mean()).backward()
    assert pose.grad is not None
    assert torch.isfinite(pose.grad).all()
    assert pose.grad.abs().max() > 0
