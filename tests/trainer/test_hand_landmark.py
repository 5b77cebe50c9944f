"""The hand-landmark network in PyTorch against the published file in ONNX Runtime, and the network that reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import onnxruntime
import torch

from hand.camera import Intrinsics
from hand.crop import SquareCrop, crop_picture
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.torch_layer import TorchHandLayer
from inference.landmark_reader import LANDMARK_FILE, LANDMARK_PX, LandmarkReader
from inference.runtime import OUTPUT_NAMES, load_network, whole_square
from trainer.export import ExportFacts, export_network
from trainer.networks.building import build_network, trained_network
from trainer.networks.hand_landmark import HandLandmarkNetwork, load_published
from trainer.networks.hand_network import HandNetwork, NetworkConfig, Percept, reduction_matrix
from trainer.networks.weights import load_weights
from trainer.samples.labelled_crop import collate
from trainer.samples.rendered import RenderedCrops
from trainer.training.losses import ManoLoss

LAYOUT = NetworkConfig(
    "efficientnet_lite0", input_px=224, trunk_px=64, width=32, layers=1, landmarks=True, upright=True
)


@pytest.fixture(scope="module")
def published() -> HandLandmarkNetwork:
    network = HandLandmarkNetwork().eval()
    load_published(network)
    return network


@pytest.fixture(scope="module")
def network() -> HandNetwork:
    torch.manual_seed(3)
    return build_network(LAYOUT, load_embedded_model()).eval()


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    crop = RenderedCrops(LANDMARK_PX, 5, only_right_hands=True, upright=True)[1]
    return torch.from_numpy(crop.image).permute(2, 0, 1)[None].float()


def test_the_read_out_is_that_of_the_published_file(published: HandLandmarkNetwork, image: torch.Tensor) -> None:
    session = onnxruntime.InferenceSession(str(LANDMARK_FILE), providers=["CPUExecutionProvider"])
    tensor = (image / 255.0).numpy()
    landmarks, presence, side, world = session.run(None, {session.get_inputs()[0].name: tensor})
    with torch.inference_mode():
        read = published(image / 255.0)
    np.testing.assert_allclose(read.image, landmarks, atol=2e-3)  # pixels
    np.testing.assert_allclose(read.world_m, world, atol=1e-5)
    np.testing.assert_allclose(read.presence_logit.sigmoid(), presence, atol=1e-4)
    np.testing.assert_allclose(read.side_logit.sigmoid(), side, atol=1e-4)


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not be read"):
        load_published(HandLandmarkNetwork(), tmp_path / "none.onnx")
    palm = LANDMARK_FILE.parent / "palm_detection.onnx"
    with pytest.raises(ConfigError, match="is not the published hand-landmark network"):
        load_published(HandLandmarkNetwork(), palm)


def test_landmarks_require_their_own_crop_size() -> None:
    with pytest.raises(ConfigError, match="landmarks: true needs input_px: 224"):
        build_network(NetworkConfig(input_px=128, landmarks=True), load_embedded_model(), published=False)


def test_reduction_matrix_agrees_with_crop_picture() -> None:
    picture = RenderedCrops(LANDMARK_PX, 5, only_right_hands=True, upright=True)[1].image
    matrix = reduction_matrix(224, 128)
    reduced = matrix @ torch.from_numpy(picture).permute(2, 0, 1).float() @ matrix.T
    expected = crop_picture(picture, whole_square(224), 128)
    # crop_picture rounds to whole grey levels after each of its two steps
    gap = (reduced.permute(1, 2, 0) - torch.from_numpy(expected).float()).abs()
    assert gap.max() <= 2.5
    assert gap.mean() < 0.4


def test_exported_network_gives_equal_joints_with_given_and_own_landmarks(tmp_path: Path) -> None:
    """The runtime's own reading of a crop, the same given from outside, and torch on the crop."""
    torch.manual_seed(5)
    network = build_network(LAYOUT, load_embedded_model()).eval()
    for layer in (network.pose_head.numbers, network.pose_head.places, network.landmark_logits):
        torch.nn.init.normal_(layer.weight, std=0.05)
    facts = ExportFacts("test", "embedded", "digest", 1.6, {"offset": 0.0, "slope": 1.0}, {})
    export_network(network, facts, tmp_path)
    runtime = load_network(tmp_path)
    assert runtime.takes_landmarks
    picture = RenderedCrops(LANDMARK_PX, 8, only_right_hands=True, upright=True)[2].image
    camera, whole = Intrinsics.from_fov(224, 224), whole_square(224)
    own = runtime.predict(picture, whole, camera)
    given = runtime.predict(picture, whole, camera, LandmarkReader().read(picture, whole))
    turned = SquareCrop(114.0, 109.0, 240.0, 0.15, flipped=True)
    elsewhere = runtime.predict(picture, whole, camera, LandmarkReader().read(picture, turned))
    np.testing.assert_array_equal(given.joints_px, own.joints_px)
    assert 0.0 < np.abs(elsewhere.joints_px - own.joints_px).max() < 8.0
    with torch.inference_mode():
        seen = network(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    np.testing.assert_allclose((seen.joints_crop[0] + 1.0) * 112.0 - 0.5, own.joints_px, atol=1.0)
    # the landmark network is not among the weights, and is there again when they are loaded
    assert not [name for name in load_weights(tmp_path / "network.safetensors") if name.startswith("landmarks.")]
    again = trained_network(LAYOUT, load_embedded_model(), tmp_path / "network.safetensors").eval()
    for before, after in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(before, after, rtol=0.0, atol=0.0)


def test_reduction_matrix_keeps_constants_and_pixel_positions() -> None:
    matrix = reduction_matrix(224, 128)
    torch.testing.assert_close(matrix.sum(1), torch.ones(128))
    # a ramp stays one, with pixel centres at integers on both sides; borders get less of it
    ramp = matrix @ torch.arange(224.0)
    torch.testing.assert_close(ramp[2:-2], ((torch.arange(128.0) + 0.5) * 1.75 - 0.5)[2:-2], atol=0.2, rtol=0.0)


def test_percept_contains_the_published_landmarks(
    network: HandNetwork, published: HandLandmarkNetwork, image: torch.Tensor
) -> None:
    with torch.inference_mode():
        read, percept = published(image / 255.0), network.perceive(image)
    places = percept.landmarks[0, :-2].reshape(21, 6)[:, :2]
    torch.testing.assert_close((places + 1.0) * 112.0, read.image.reshape(21, 3)[:, :2], atol=1e-3, rtol=1e-4)


def test_stored_percept_gives_the_outputs_of_its_crop(network: HandNetwork, image: torch.Tensor) -> None:
    with torch.inference_mode():
        seen, stored = network(image), network(network.perceive(image).flat())
    for name in OUTPUT_NAMES:
        torch.testing.assert_close(getattr(stored, name), getattr(seen, name))
    assert stored.heat_maps.shape[-1] == 0


def test_pose_head_starts_at_the_mean_of_trunk_and_landmark_joints(network: HandNetwork, image: torch.Tensor) -> None:
    with torch.inference_mode():
        percept = network.perceive(image)
        fused = network.pose_head.fused(percept)
    read = percept.landmarks[:, :-2].reshape(1, 21, 6)[..., :2]
    torch.testing.assert_close(fused.joints, (percept.joints + read) / 2.0)
    assert not fused.doubt.any()
    assert torch.isfinite(fused.numbers).all()


@pytest.mark.parametrize("blind_to", ["trunk", "landmarks"])
def test_blinded_head_ignores_the_input_it_is_blind_to(
    network: HandNetwork, image: torch.Tensor, blind_to: Literal["trunk", "landmarks"]
) -> None:
    blind = build_network(replace(LAYOUT, blind_to=blind_to), load_embedded_model()).eval()
    blind.load_state_dict(network.state_dict())
    with torch.inference_mode():
        percept = network.perceive(image)
        other = percept._replace(landmarks=percept.landmarks + 0.3)
        if blind_to == "trunk":
            other = Percept(percept.pooled + 0.3, percept.joints - 0.1, percept.overview + 0.3, percept.landmarks)
        for sighted, same in ((network, False), (blind, True)):
            first, second = sighted(percept.flat()), sighted(other.flat())
            gaps = (first.joints_crop - second.joints_crop).abs().max()
            assert (gaps == 0.0) == same


def test_heads_learn_from_stored_percepts() -> None:
    torch.manual_seed(4)
    network = build_network(LAYOUT, load_embedded_model()).train()
    crops = [RenderedCrops(LANDMARK_PX, 6, only_right_hands=True, upright=True)[index] for index in range(4)]
    with torch.no_grad():
        vectors = network.eval().perceive(collate(crops).network_input()).flat().half().numpy()
    batch = collate([crop.with_image(vector) for crop, vector in zip(crops, vectors, strict=True)])
    loss = ManoLoss(TorchHandLayer(load_embedded_model()))
    optimizer = torch.optim.Adam(network.pose_head.parameters(), 1e-3)
    first = loss(network(batch.network_input()), batch)
    assert "heat_map" not in first.terms
    for _ in range(30):
        optimizer.zero_grad()
        loss(network(batch.network_input()), batch).total.backward()
        optimizer.step()
    assert loss(network(batch.network_input()), batch).total < 0.6 * first.total
