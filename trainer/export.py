"""From a trained network to the files that ship: ONNX for machines without torch, safetensors, and JSON metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trainer.checkpoint import save_weights, write_atomically
from trainer.networks.hand_network import HandNetwork
from trainer.runtime import INPUT_NAME, OUTPUT_NAMES, SCHEMA


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """What travels with a network.

    Attributes:
        name: of the network.
        hand_model: name of the hand model it was trained on.
        hand_model_digest: SHA-256 of that model; another model's joints have to be refitted.
        crop_expansion: side of the crop over the longer side of the box of the 21 joints.
        confidence: coefficients of the calibrated confidence (see ``trainer.runtime``).
        figures: measured errors, for the card and the app.
    """

    name: str
    hand_model: str
    hand_model_digest: str
    crop_expansion: float
    confidence: dict[str, float]
    figures: dict[str, float]


class _Flat(nn.Module):
    """The network with a plain tuple as output, in the order of ``OUTPUT_NAMES``."""

    def __init__(self, network: HandNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> tuple[Tensor, ...]:
        """The outputs that are of use outside training."""
        output = self.network(image)
        return tuple(getattr(output, name) for name in OUTPUT_NAMES)


def export_network(network: HandNetwork, facts: ExportFacts, folder: Path) -> None:
    """Writes network.onnx, network.safetensors and network.json.

    Args:
        network: trained; exported in evaluation mode.
        facts: what travels with it.
        folder: where the three files go.
    """
    network = network.eval().cpu()
    metadata: dict[str, Any] = {"schema": SCHEMA, "network": asdict(network.config), **asdict(facts)}
    text = json.dumps(metadata, indent=1, sort_keys=True)
    example = torch.zeros(1, 3, network.config.input_px, network.config.input_px)
    folder.mkdir(parents=True, exist_ok=True)

    def write_onnx(target: Path) -> None:
        torch.onnx.export(
            _Flat(network),
            (example,),
            str(target),
            input_names=[INPUT_NAME],
            output_names=list(OUTPUT_NAMES),
            dynamic_axes={name: {0: "batch"} for name in (INPUT_NAME, *OUTPUT_NAMES)},
            opset_version=17,
            dynamo=False,
        )

    write_atomically(folder / "network.onnx", write_onnx)
    save_weights(folder / "network.safetensors", network.state_dict(), {"metadata": text})
    write_atomically(folder / "network.json", lambda target: _write_text(target, text + "\n"))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
