from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import torch
from crops import stick_hand

from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.joints import FROM_MANO_WITH_TIPS
from hand.torch_layer import TorchHandLayer
from trainer.networks.output import NetworkOutput
from trainer.samples.labelled_crop import HandBatch, collate
from trainer.training.losses import WRONG_WEIGHT, ManoLoss, SimpleManoLoss, crop_terms, gaussian_heat_maps

GEOMETRIC = ("rotations", "global_rotation", "shape", "joints", "vertices", "reprojection", "camera")


@pytest.fixture
def batch() -> HandBatch:
    return collate([stick_hand(index) for index in range(4)])


def perfect(batch: HandBatch) -> NetworkOutput:
    scale = batch.focal / batch.root_m[:, 2]
    return NetworkOutput(
        rotations=batch.rotations,
        shape=batch.shape,
        camera=torch.stack([scale, scale * batch.root_m[:, 0], scale * batch.root_m[:, 1]], 1),
        joints_crop=batch.joints_crop,
        log_sigma=torch.full((4, 21), -4.0),
        heat_maps=gaussian_heat_maps(batch.joints_crop, 32).reshape(4, 21, 32, 32).clamp(min=1e-9).log(),
        features=torch.zeros(4, 8, 16, 16),
        presence_logit=torch.full((4,), 9.0),
        right_logit=torch.full((4,), 9.0),
        certainty=torch.full((4,), 9.0),
    )


def test_certainty_loss_depends_on_joint_errors_and_has_no_other_gradient() -> None:
    batch = collate([stick_hand(index) for index in range(4)])
    output = perfect(batch)
    wrong = output.joints_crop.clone()
    wrong[2:] += 0.6  # in crop coordinates: more than a tenth of the hand, which is smaller than the crop
    joints = wrong.requires_grad_()
    certainty = torch.zeros(4, requires_grad=True)
    term = crop_terms(output._replace(joints_crop=joints, certainty=certainty), batch)["certainty"]
    gradients = torch.autograd.grad(term.value, [certainty, joints], allow_unused=True)
    assert gradients[1] is None
    assert (gradients[0][:2] < 0.0).all()
    assert (gradients[0][2:] > 0.0).all()
    # a wrong hand counts for more
    torch.testing.assert_close(gradients[0][2:].abs(), WRONG_WEIGHT * gradients[0][:2].abs())


def mano_loss() -> ManoLoss:
    return ManoLoss(TorchHandLayer(load_embedded_model()), {"vertices": 1.0})


def test_perfect_prediction_has_no_geometric_loss(batch: HandBatch) -> None:
    terms = mano_loss()(perfect(batch), batch).terms
    for name in GEOMETRIC:
        assert terms[name] < 1e-5, name


def test_2d_labels_alone_are_reprojected_onto_the_crop(batch: HandBatch) -> None:
    """Without 3D labels only the small stretch of the crop camera remains."""
    flat = replace(batch, root_weight=torch.zeros(4), root_m=torch.ones(4, 3))
    terms = mano_loss()(perfect(batch), flat).terms
    assert 1e-4 < terms["reprojection"] < 0.02


def test_flat_pose_has_a_large_loss(batch: HandBatch) -> None:
    flat = perfect(batch)._replace(rotations=torch.eye(3).expand(4, 16, 3, 3))
    terms = mano_loss()(flat, batch).terms
    assert terms["rotations"] > 0.05
    assert terms["joints"] > 0.005


def test_given_shape_poses_the_hand_and_gets_no_gradient(batch: HandBatch) -> None:
    shape = torch.full((4, 10), 1.5)
    layer = TorchHandLayer(load_embedded_model())
    joints = layer(batch.rotations, shape).joints_m
    person = replace(batch, shape=shape, joints_m=joints - joints[:, :1])
    predicted = perfect(person)._replace(shape=torch.zeros(4, 10).requires_grad_())
    learned = mano_loss()(predicted, person)
    assert learned.terms["joints"] > 1e-3
    given = ManoLoss(layer, {"shape_regularisation": 0.0})(predicted, replace(person, shape_weight=torch.zeros(4)))
    for name in ("shape", "joints", "joints_in_hand", "camera"):
        assert given.terms[name] < 1e-5, name
    (gradient,) = torch.autograd.grad(given.total, [predicted.shape], allow_unused=True)
    assert gradient is None or float(gradient.abs().max()) == 0.0


def test_labels_in_mano_order_give_a_large_joint_loss(batch: HandBatch) -> None:
    permuted = replace(batch, joints_m=batch.joints_m[:, list(FROM_MANO_WITH_TIPS)])
    assert mano_loss()(perfect(batch), permuted).terms["joints"] > 0.01


def test_labels_without_weight_add_no_loss(batch: HandBatch) -> None:
    nothing = replace(
        batch,
        pose_weight=torch.zeros(4),
        shape_weight=torch.zeros(4),
        joints_weight=torch.zeros(4, 21),
        root_weight=torch.zeros(4),
        joints_crop_weight=torch.zeros(4, 21),
        right_weight=torch.zeros(4),
    )
    terms = mano_loss()(perfect(batch)._replace(rotations=torch.eye(3).expand(4, 16, 3, 3)), nothing).terms
    assert all(terms[name] == 0.0 for name in (*GEOMETRIC, "heat_map", "joints_2d", "right"))


def test_unknown_joint_adds_no_loss_and_other_joints_do(batch: HandBatch) -> None:
    known = torch.ones(4, 21)
    known[:, 8] = 0.0
    partly = replace(batch, joints_weight=known, joints_crop_weight=known)

    def terms_with(joint: int) -> dict[str, float]:
        """The loss terms if the label of a joint is moved by 5 cm, and by 0.5 in crop coordinates."""
        off_m, off_crop = batch.joints_m.clone(), batch.joints_crop.clone()
        off_m[:, joint] += 0.05
        off_crop[:, joint] += 0.5
        return dict(mano_loss()(perfect(batch), replace(partly, joints_m=off_m, joints_crop=off_crop)).terms)

    unknown, other = terms_with(8), terms_with(7)
    for name in ("joints", "joints_in_hand", "reprojection"):
        assert unknown[name] < 1e-5, name
    assert other["joints"] == pytest.approx(0.05 / 20, rel=1e-3)
    assert other["joints_in_hand"] > 1e-3
    assert other["reprojection"] > 1e-3


def test_a_weight_of_a_term_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"there is no term 'joint'; the terms are rotations, .*joints, "):
        SimpleManoLoss({"joint": 400.0})
    with pytest.raises(ConfigError, match="there is no term 'joint'"):
        ManoLoss(TorchHandLayer(load_embedded_model()), {"joint": 400.0})


def test_loss_is_least_where_sigma_equals_the_error(batch: HandBatch) -> None:
    """For a fixed error e, e / sigma + log sigma is least at sigma = e."""
    off = perfect(batch)
    costs = {
        log_sigma: SimpleManoLoss()(
            off._replace(joints_crop=off.joints_crop + 0.05, log_sigma=torch.full((4, 21), log_sigma)), batch
        ).terms["joints_2d"]
        for log_sigma in (-3.3, -2.302585, -1.3)
    }
    assert min(costs, key=costs.__getitem__) == -2.302585


def test_heat_maps_sum_to_one_and_peak_at_the_joint() -> None:
    maps = gaussian_heat_maps(torch.tensor([[[0.5, -0.25]] * 21]), 32)
    torch.testing.assert_close(maps.sum(-1), torch.ones(1, 21))
    peak = int(maps[0, 0].argmax())
    assert (peak % 32, peak // 32) in {(23, 11), (24, 11), (23, 12), (24, 12)}


def test_simple_loss_has_no_3d_joint_term(batch: HandBatch) -> None:
    assert "joints" not in SimpleManoLoss()(perfect(batch), batch).terms
