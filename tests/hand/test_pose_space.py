"""Pose conventions: the mean pose and the PCA basis are applied once, and as the libraries do it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch

from hand.errors import DataError
from hand.layer import HandLayer
from hand.model import HandModel
from hand.pose_space import CONVENTIONS, canonical_pose, canonical_pose_from, pose_in_convention
from tests.hand.mano_pickles import field_modules, mano_fields, python2_pickle
from tests.hand.toy_model import random_pose, toy_model


@pytest.fixture(scope="module")
def model() -> HandModel:
    return toy_model(300)


def test_presets_match_the_published_conventions() -> None:
    assert not CONVENTIONS["freihand"].flat_hand_mean
    assert CONVENTIONS["ho3d"].flat_hand_mean
    assert not CONVENTIONS["interhand"].flat_hand_mean
    assert CONVENTIONS["manopth"].flat_hand_mean
    assert CONVENTIONS["manotorch"].flat_hand_mean
    assert CONVENTIONS["smplx.MANO"] == CONVENTIONS["smplx.MANO"].__class__(False, 6)
    assert CONVENTIONS["smplx.MANOLayer"].flat_hand_mean


def test_zeros_mean_the_flat_hand_or_the_mean_hand(model: HandModel) -> None:
    zeros = np.zeros(48)
    np.testing.assert_array_equal(canonical_pose_from(model, zeros, "ho3d"), zeros)
    np.testing.assert_array_equal(canonical_pose_from(model, zeros, "freihand")[3:], model.mean_pose_rad)
    np.testing.assert_array_equal(canonical_pose_from(model, zeros, "freihand")[:3], 0)
    np.testing.assert_array_equal(canonical_pose_from(model, np.zeros(9), "smplx.MANO")[3:], model.mean_pose_rad)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("components", [None, 6, 45])
def test_pose_conventions_round_trip(model: HandModel, flat: bool, components: int | None) -> None:
    raw = np.random.default_rng(0).normal(size=(4, 3 + (components or 45)))
    pose = canonical_pose(model, raw, flat_hand_mean=flat, pca_components=components)
    assert pose.shape == (4, 48)
    back = pose_in_convention(model, pose, flat_hand_mean=flat, pca_components=components)
    np.testing.assert_allclose(back, raw, atol=1e-6)  # the basis is rounded to single precision


def test_few_components_give_the_nearest_pose(model: HandModel) -> None:
    pose = random_pose(1)
    short = pose_in_convention(model, pose, flat_hand_mean=False, pca_components=6)
    nearest = canonical_pose(model, short, flat_hand_mean=False, pca_components=6)
    residual = (pose - nearest)[3:]
    np.testing.assert_allclose(model.pose_components[:6] @ residual, 0, atol=1e-6)
    assert np.linalg.norm(residual) > 0.1


@pytest.mark.parametrize("numbers", [45, 47, 49, 51, 61])
def test_a_vector_of_the_wrong_length_is_refused(model: HandModel, numbers: int) -> None:
    with pytest.raises(DataError, match="should have 48 numbers"):
        canonical_pose(model, np.zeros(numbers), flat_hand_mean=True)


def test_bad_conventions_are_refused(model: HandModel) -> None:
    with pytest.raises(DataError, match="no pose convention named 'rhd'"):
        canonical_pose_from(model, np.zeros(48), "rhd")
    with pytest.raises(DataError, match="1 to 45 PCA components"):
        canonical_pose(model, np.zeros(3), flat_hand_mean=True, pca_components=0)


@pytest.mark.parametrize("name", ["smplx.MANO", "smplx with pca off, mean added", "smplx.MANOLayer"])
def test_smplx_gives_the_same_vertices(tmp_path: Path, model: HandModel, name: str) -> None:
    smplx = pytest.importorskip("smplx")
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(python2_pickle({**mano_fields(model), "J_regressor": model.joint_regressor}))
    random = np.random.default_rng(2)
    with field_modules():
        if name == "smplx.MANO":
            peer = smplx.MANO(str(path), dtype=torch.float64)
            raw = random.normal(size=(1, 9))
            pose = canonical_pose_from(model, raw, name)
        elif name == "smplx.MANOLayer":
            peer = smplx.MANOLayer(str(path), dtype=torch.float64)
            raw = random.normal(size=(1, 48))
            pose = canonical_pose_from(model, raw, name)
        else:
            peer = smplx.MANO(str(path), dtype=torch.float64, use_pca=False)
            raw = random.normal(size=(1, 48))
            pose = canonical_pose(model, raw, flat_hand_mean=False)
    shape = random.normal(size=(1, 10))
    given = torch.tensor(raw)
    if name == "smplx.MANOLayer":
        from hand.torch_rotations import matrix_from_axis_angle

        given = matrix_from_axis_angle(given.reshape(1, 16, 3))
        output = peer(betas=torch.tensor(shape), global_orient=given[:, :1], hand_pose=given[:, 1:])
    else:
        output = peer(betas=torch.tensor(shape), global_orient=given[:, :3], hand_pose=given[:, 3:])
    ours = HandLayer(model, np.float64)(pose[0], shape[0])
    np.testing.assert_allclose(ours.vertices_m, output.vertices.detach().numpy()[0], atol=1e-6)
