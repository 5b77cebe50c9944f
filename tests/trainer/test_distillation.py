"""A network trained with a teacher: its targets, their effect, and which teachers are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch
from crops import stick_hand

from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from trainer.networks.building import start_partly_from, trained_network
from trainer.networks.hand_network import HandNetwork, NetworkConfig
from trainer.networks.output import NetworkOutput
from trainer.recipe.config import FitConfig, read_config
from trainer.samples.labelled_crop import HandBatch, collate
from trainer.training.distillation import DistillationLoss, teacher_of
from trainer.training.losses import LossTerms, SimpleManoLoss

ROOT = Path(__file__).resolve().parents[2]
LAYOUT = NetworkConfig("mobilenet_v3_small", "mlp", 64, width=32)


def network(seed: int) -> HandNetwork:
    torch.manual_seed(seed)
    return HandNetwork(LAYOUT, torch.tensor([[1.0, 0, 0, 0, 1.0, 0]] * 16)).eval()


@pytest.fixture
def batch() -> HandBatch:
    return collate([stick_hand(index) for index in range(4)])


def no_label_loss(output: NetworkOutput, batch: HandBatch) -> LossTerms:
    del batch
    return LossTerms(0.0 * output.shape.sum(), {})


def test_imitation_loss_is_zero_for_a_copy_of_the_teacher(batch: HandBatch) -> None:
    by_labels = SimpleManoLoss()
    with torch.no_grad():
        output = network(1)(batch.image.float())
        result = DistillationLoss(by_labels, network(1), weight=5.0)(output, batch)
    assert result.terms["imitation"] < 1e-8
    assert float(result.total) == pytest.approx(float(by_labels(output, batch).total), rel=1e-5)


def test_imitation_loss_is_relative_to_the_size_of_the_teachers_features(batch: HandBatch) -> None:
    with torch.no_grad():
        output, theirs = network(1)(batch.image.float()), network(2)(batch.image.float()).features.numpy()
        result = DistillationLoss(no_label_loss, network(2), weight=5.0)(output, batch)
    expected = np.mean((output.features.numpy() - theirs) ** 2) / np.mean(theirs**2)
    assert result.terms["imitation"] == pytest.approx(float(expected), rel=1e-4)
    assert float(result.total) == pytest.approx(5.0 * float(expected), rel=1e-4)


def test_training_moves_features_towards_an_unchanged_teacher(batch: HandBatch) -> None:
    learner, teacher = network(1), network(2)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    loss = DistillationLoss(no_label_loss, teacher, weight=1.0)
    optimizer = torch.optim.Adam([*learner.parameters(), *loss.parameters()], lr=3e-3)
    differences = []
    for _ in range(25):
        result = loss(learner(batch.image.float()), batch)
        differences.append(result.terms["imitation"])
        optimizer.zero_grad()
        result.total.backward()
        optimizer.step()
    assert differences[-1] < 0.3 * differences[0]
    for name, value in teacher.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0.0, atol=0.0)


def test_equal_features_and_the_teachers_heads_give_equal_joints(batch: HandBatch) -> None:
    """Imitating the features is sufficient because the heads in the ResNet-18 recipe are the teacher's."""
    config = replace(read_config(ROOT / "configs" / "freihand_resnet18.yaml"), teacher=str(ROOT / "assets" / "network"))
    teacher = teacher_of(config)
    learner = HandNetwork(config.network, torch.zeros(16, 6)).eval()
    start_partly_from(learner, ROOT / config.start_from)
    image = torch.nn.functional.interpolate(batch.image.float(), size=config.network.input_px)
    with torch.no_grad():
        features = teacher.eval().joint_features(image)
        joints = []
        for network in (learner, teacher):
            scores = torch.nn.functional.interpolate(network.to_heat_maps(features), size=(32, 32), mode="bilinear")
            joints.append(network._read_heat_maps(scores, features)[0])
    torch.testing.assert_close(joints[0], joints[1])


def test_a_teacher_with_other_features_is_refused() -> None:
    config = FitConfig(teacher=str(ROOT / "assets" / "network"), network=replace(LAYOUT, input_px=64))
    with pytest.raises(ConfigError, match="takes 128 px and makes 128 features, the recipe's takes 64 px and makes 32"):
        teacher_of(config)
    shipped = read_config(ROOT / "configs" / "shipped.yaml").network
    teacher = teacher_of(replace(config, network=shipped))
    same = trained_network(shipped, load_embedded_model(), ROOT / "assets" / "network" / "network.safetensors")
    for name, value in teacher.state_dict().items():
        torch.testing.assert_close(value, same.state_dict()[name], rtol=0.0, atol=0.0)
