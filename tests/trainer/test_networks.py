from __future__ import annotations

from types import SimpleNamespace
from urllib.error import URLError

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch
from torchvision.models.vision_transformer import VisionTransformer

from hand.errors import ConfigError
from hand.rotations import matrix_from_axis_angle, sixd_from_matrix
from trainer.networks.hand_network import GRID, HandNetwork, NetworkConfig
from trainer.networks.trunks import ViTShape, ViTTrunk

POSE = np.random.default_rng(3).normal(0.0, 0.4, (16, 3))
MEAN = torch.tensor(sixd_from_matrix(matrix_from_axis_angle(POSE)), dtype=torch.float32)


@pytest.mark.parametrize(
    ("trunk", "head", "input_px"),
    [
        ("resnet18", "mlp", 64),
        ("resnet50", "transformer", 64),
        ("mobilenet_v3_large", "transformer", 128),
        ("efficientnet_b0", "mlp", 128),
        ("vit_b_16", "transformer", 64),
        ("vit_tiny_8", "mlp", 64),
    ],
)
def test_every_family_gives_the_same_kind_of_output(trunk: str, head: str, input_px: int) -> None:
    network = HandNetwork(NetworkConfig(trunk, head, input_px), MEAN).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        output = network(torch.full((2, 3, input_px, input_px), 100.0))
    assert output.rotations.shape == (2, 16, 3, 3)
    assert output.heat_maps.shape == (2, 21, GRID, GRID)
    assert output.joints_crop.abs().max() < 1.0
    assert output.finite()


def test_an_untrained_network_predicts_the_mean_pose() -> None:
    network = HandNetwork(NetworkConfig("mobilenet_v3_small", "mlp", 64), MEAN).eval()
    with torch.no_grad():
        rotations = network(torch.rand(1, 3, 64, 64) * 255).rotations[0]
    expected = torch.tensor(matrix_from_axis_angle(POSE), dtype=torch.float32)
    assert (rotations - expected).abs().max() < 0.1


def test_heat_maps_are_read_at_their_peak() -> None:
    network = HandNetwork(NetworkConfig("mobilenet_v3_small", "mlp", 128), MEAN)
    scores = torch.full((1, 21, GRID, GRID), -20.0)
    row, column = 5, 24
    scores[:, :, row, column] = 20.0
    features = torch.zeros(1, 1, 16, 16)
    features[0, 0, row // 2, column // 2] = 7.0
    joints, pooled = network._read_heat_maps(scores, features)
    expected = torch.tensor([2 * (column + 0.5) / GRID - 1, 2 * (row + 0.5) / GRID - 1])
    torch.testing.assert_close(joints[0, 3], expected, atol=1e-4, rtol=0.0)
    # all of the joint's attention lies on the one feature cell under its peak
    torch.testing.assert_close(pooled, torch.full((1, 21, 1), 7.0), atol=1e-3, rtol=0.0)


def test_published_position_embedding_is_resized_to_the_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights for 224 px are used for crops of 64 px: only the position embedding of the patches changes."""
    torch.manual_seed(1)
    published = VisionTransformer(224, 16, 3, 2, 32, 128)
    published.encoder.pos_embedding.data.normal_()
    weights = SimpleNamespace(get_state_dict=lambda progress: published.state_dict())
    trunk = ViTTrunk(ViTShape(16, 3, 2, 32), weights, 64)
    assert trunk.position.shape == (1, 1 + 16, 32)
    torch.testing.assert_close(trunk.position[:, 0], published.encoder.pos_embedding[:, 0])
    torch.testing.assert_close(trunk.patches.weight, published.conv_proj.weight)
    torch.testing.assert_close(trunk.late[0].mlp[0].weight, published.encoder.layers[2].mlp[0].weight)


def test_pretrained_without_published_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match="There are no published ImageNet weights of vit_tiny_8"):
        HandNetwork(NetworkConfig("vit_tiny_8", "mlp", 64, pretrained=True), MEAN)


def test_failed_download_of_weights_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", no_network)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_network)
    with pytest.raises(ConfigError, match=r"ImageNet weights of resnet18 could not be had .*; set pretrained: false"):
        HandNetwork(NetworkConfig("resnet18", "mlp", 64, pretrained=True), MEAN)


def test_unsupported_input_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="input_px should be 32, 64, 128 or 256, got 224"):
        HandNetwork(NetworkConfig("resnet18", "mlp", 224), MEAN)


def test_an_unknown_trunk_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no trunk called 'resnet19'; choose one of resnet18"):
        HandNetwork(NetworkConfig("resnet19"), MEAN)
