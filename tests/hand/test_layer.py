"""The hand layers (NumPy and torch) against smplx, against each other, and against closed forms."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from hand.errors import ConfigError
from hand.joints import FROM_MANO_WITH_TIPS, TIP_VERTICES, mano_joint_to_common
from hand.layer import HandLayer
from hand.mirror import mirror_points, mirror_pose
from hand.model import HandModel
from hand.rotations import matrix_from_axis_angle
from hand.torch_layer import TorchHandLayer
from tests.hand.mano_pickles import field_modules, mano_fields, python2_pickle
from tests.hand.toy_model import random_pose, toy_model


@pytest.fixture(scope="module", params=[778, 300])
def model(request: pytest.FixtureRequest) -> HandModel:
    return toy_model(request.param)


def _batch(count: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    poses = np.stack([random_pose(seed) for seed in range(count)])
    poses[0] = 0.0
    return poses, random.normal(size=(count, 10)), random.normal(size=(count, 3))


def _smplx_from_pickle(folder: Path, model: HandModel):  # type: ignore[no-untyped-def]
    """smplx's own MANO, made from a pickle of the model in the official layout."""
    smplx = pytest.importorskip("smplx")
    path = folder / "MANO_RIGHT.pkl"
    fields = mano_fields(model)
    fields["J_regressor"] = model.joint_regressor  # smplx would need SciPy's own class for the sparse one
    path.write_bytes(python2_pickle(fields))
    with field_modules():
        return smplx.MANO(
            str(path), is_rhand=True, use_pca=False, flat_hand_mean=True, batch_size=1, dtype=torch.float64
        )


def test_agrees_with_smplx_in_values_and_gradients(tmp_path: Path, model: HandModel) -> None:
    peer = _smplx_from_pickle(tmp_path, model)
    poses, shapes, translations = (torch.tensor(array) for array in _batch())
    poses[0] = 1e-3  # smplx's formula has no exact zero rotation
    layer = TorchHandLayer(model, dtype=torch.float64)
    weights = torch.tensor(np.random.default_rng(2).normal(size=(len(poses), model.vertex_count, 3)))

    results = []
    for name in ("ours", "smplx"):
        pose, shape = poses.clone().requires_grad_(), shapes.clone().requires_grad_()
        translation = translations.clone().requires_grad_()
        if name == "ours":
            mesh = layer.from_axis_angle(pose, shape, translation)
            vertices, joints = mesh.vertices_m, mesh.joints_m[:, mano_joint_to_common()]
        else:
            output = peer(betas=shape, global_orient=pose[:, :3], hand_pose=pose[:, 3:], transl=translation)
            vertices, joints = output.vertices, output.joints
        loss = (vertices * weights).sum() + (joints * weights[:, :16]).sum()
        gradients = torch.autograd.grad(loss, (pose, shape, translation))
        results.append((vertices.detach(), joints.detach(), *gradients))

    for ours, theirs in zip(*results, strict=True):
        # smplx divides by |v + 1e-8|, which limits how well it can agree
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


def test_numpy_and_torch_agree(model: HandModel) -> None:
    poses, shapes, translations = _batch()
    mesh = TorchHandLayer(model, dtype=torch.float64).from_axis_angle(
        torch.tensor(poses), torch.tensor(shapes), torch.tensor(translations)
    )
    exact, live = HandLayer(model, np.float64), HandLayer(model)
    for k, (pose, shape, translation) in enumerate(zip(poses, shapes, translations, strict=True)):
        geometry = exact(pose, shape, translation)
        np.testing.assert_allclose(geometry.vertices_m, mesh.vertices_m[k], atol=1e-13)
        np.testing.assert_allclose(geometry.joints_m, mesh.joints_m[k], atol=1e-13)
        np.testing.assert_allclose(geometry.joint_rotations, mesh.joint_rotations[k], atol=1e-13)
        single = live(pose.astype(np.float32), shape.astype(np.float32), translation.astype(np.float32))
        assert single.vertices_m.dtype == np.float32
        np.testing.assert_allclose(single.vertices_m, geometry.vertices_m, atol=1e-6)
        np.testing.assert_allclose(single.joints_m, geometry.joints_m, atol=1e-6)


def test_matrices_and_axis_angle_are_the_same_pose(model: HandModel) -> None:
    poses, shapes, _ = _batch()
    layer = TorchHandLayer(model, dtype=torch.float64)
    matrices = matrix_from_axis_angle(poses.reshape(-1, 16, 3))
    shape = torch.tensor(shapes)
    expected = layer.from_axis_angle(torch.tensor(poses), shape)
    mesh = layer(torch.tensor(matrices), shape)
    torch.testing.assert_close(mesh.vertices_m, expected.vertices_m, atol=1e-13, rtol=0)
    torch.testing.assert_close(mesh.joints_m, expected.joints_m, atol=1e-13, rtol=0)


def test_gradients_are_those_of_finite_differences() -> None:
    model = toy_model(150)
    layer = TorchHandLayer(model, dtype=torch.float64)
    pose = torch.tensor(np.stack([np.zeros(48), random_pose(3)]), requires_grad=True)
    shape = torch.tensor(np.random.default_rng(4).normal(size=(2, 10)), requires_grad=True)
    translation = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)

    def joints_and_a_few_vertices(*inputs: torch.Tensor) -> torch.Tensor:
        mesh = layer.from_axis_angle(*inputs)
        return torch.cat([mesh.joints_m, mesh.vertices_m[:, ::50]], 1)

    assert torch.autograd.gradcheck(joints_and_a_few_vertices, (pose, shape, translation))


@pytest.mark.parametrize("angle", [0.0, np.pi])
def test_gradients_are_finite_in_single_precision(model: HandModel, angle: float) -> None:
    pose = torch.zeros(1, 48)
    pose[0, ::3] = angle
    pose.requires_grad_()
    TorchHandLayer(model).from_axis_angle(pose, torch.zeros(1, 10)).vertices_m.square().sum().backward()
    assert pose.grad is not None
    assert torch.isfinite(pose.grad).all()


def test_batch_without_hands_gives_no_meshes(model: HandModel) -> None:
    mesh = TorchHandLayer(model).from_axis_angle(torch.zeros(0, 48), torch.zeros(0, 10), torch.zeros(0, 3))
    assert mesh.vertices_m.shape == (0, model.vertex_count, 3)
    assert mesh.joints_m.shape == (0, 21, 3)


def test_the_rest_pose_is_the_template(model: HandModel) -> None:
    geometry = HandLayer(model, np.float64)(np.zeros(48), np.zeros(10))
    np.testing.assert_allclose(geometry.vertices_m, model.v_template_m, atol=1e-15)
    rest_joints = model.joint_regressor @ model.v_template_m
    np.testing.assert_allclose(geometry.joints_m[mano_joint_to_common()], rest_joints, atol=1e-15)


def test_the_hand_turns_about_its_own_root(model: HandModel) -> None:
    layer, pose, shape = HandLayer(model, np.float64), random_pose(5), np.full(10, 0.3)
    turned, unturned = layer(pose, shape, np.array([0.1, 0.2, 0.3])), layer(np.append(np.zeros(3), pose[3:]), shape)
    root = unturned.joints_m[0]
    rotation = Rotation.from_rotvec(pose[:3])
    np.testing.assert_allclose(
        turned.vertices_m, rotation.apply(unturned.vertices_m - root) + root + [0.1, 0.2, 0.3], atol=1e-14
    )


def test_one_bent_joint_moves_its_own_chain_alone() -> None:
    """Closed form: without pose directions, vertices held by one joint turn rigidly about it."""
    model = toy_model(300)
    nearest = model.skinning_weights.argmax(1)
    rigid = replace(
        model, skinning_weights=np.eye(16)[nearest], pose_directions_m=np.zeros_like(model.pose_directions_m)
    )
    pose = np.zeros(48)
    pose[3 * 5 : 3 * 5 + 3] = (0.2, -0.4, 0.9)  # the middle finger's second joint
    geometry = HandLayer(rigid, np.float64)(pose, np.zeros(10))
    pivot = (rigid.joint_regressor @ rigid.v_template_m)[5]
    moved = np.isin(nearest, [5, 6])
    turned = Rotation.from_rotvec(pose[15:18]).apply(rigid.v_template_m - pivot) + pivot
    np.testing.assert_allclose(geometry.vertices_m[moved], turned[moved], atol=1e-15)
    np.testing.assert_allclose(geometry.vertices_m[~moved], rigid.v_template_m[~moved], atol=1e-15)


def test_tips_are_chosen_by_source() -> None:
    model = toy_model(778)
    poses, shapes, _ = _batch(2)
    for source, tips in (("freihand", TIP_VERTICES["freihand"]), (None, model.tip_vertices), ((1, 2, 3, 4, 5),) * 2):
        mesh = TorchHandLayer(model, dtype=torch.float64, tips=source).from_axis_angle(
            torch.tensor(poses), torch.tensor(shapes)
        )
        torch.testing.assert_close(mesh.joints_m[:, [4, 8, 12, 16, 20]], mesh.vertices_m[:, list(tips)])
    with pytest.raises(ConfigError, match="five of the 300 vertices"):
        TorchHandLayer(toy_model(300), tips="smplx")
    with pytest.raises(ConfigError, match="one of manopth"):
        TorchHandLayer(model, tips="openpose")


def test_joint_order_is_mano_plus_tips_reordered(model: HandModel) -> None:
    geometry = HandLayer(model, np.float64)(random_pose(6), np.zeros(10))
    tips = geometry.vertices_m[list(model.tip_vertices)]
    mano_and_tips = np.empty((21, 3))
    mano_and_tips[list(FROM_MANO_WITH_TIPS)] = geometry.joints_m
    np.testing.assert_array_equal(mano_and_tips[16:], tips)


def test_mirrored_model_in_mirrored_pose_is_the_mirror_image(model: HandModel) -> None:
    pose, shape, translation = random_pose(7), np.random.default_rng(8).normal(size=10), np.array([0.1, -0.2, 0.6])
    right = HandLayer(model, np.float64)(pose, shape, translation)
    left = HandLayer(model.mirrored(), np.float64)(mirror_pose(pose), shape, mirror_points(translation))
    np.testing.assert_allclose(left.vertices_m, mirror_points(right.vertices_m), atol=1e-14)
    np.testing.assert_allclose(left.joints_m, mirror_points(right.joints_m), atol=1e-14)


def test_repeated_shape_returns_the_cached_shaped_hand(model: HandModel) -> None:
    layer = HandLayer(model)
    shape = np.random.default_rng(9).normal(size=10)  # double precision, not representable in the layer's own
    assert layer.shaped(shape) is layer.shaped(shape.copy())
    assert layer.shaped(shape) is not layer.shaped(shape + 1)


def test_results_do_not_share_memory(model: HandModel) -> None:
    layer = HandLayer(model)
    first = layer(np.zeros(48, np.float32), np.zeros(10, np.float32))
    kept = first.vertices_m.copy()
    layer(random_pose(1).astype(np.float32), np.ones(10, np.float32), np.ones(3, np.float32))
    np.testing.assert_array_equal(first.vertices_m, kept)


def test_state_dict_excludes_the_hand_model(model: HandModel) -> None:
    assert TorchHandLayer(model).state_dict() == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_layer_runs_on_a_gpu(model: HandModel) -> None:
    poses, shapes, _ = _batch()
    layer = TorchHandLayer(model).to("cuda")
    mesh = layer.from_axis_angle(torch.tensor(poses).float().cuda(), torch.tensor(shapes).float().cuda())
    expected = TorchHandLayer(model).from_axis_angle(torch.tensor(poses).float(), torch.tensor(shapes).float())
    torch.testing.assert_close(mesh.vertices_m.cpu(), expected.vertices_m, atol=1e-5, rtol=0)


def test_the_numpy_layer_does_not_load_torch() -> None:
    import subprocess
    import sys

    code = "import sys, hand.layer, hand.metrics, hand.mano_files; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
