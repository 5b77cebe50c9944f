"""``python -m trainer export``: from trained weights to the files that ship.

They are ONNX for machines without torch, safetensors for those with it, and JSON metadata with the network's measured
figures and the curve of its confidence.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand.atomic_file import folder_renewed, write_text_atomically
from hand.embedded import training_hand_model
from hand.model import HandModel
from hand.torch_layer import TorchHandLayer
from inference.runtime import METADATA_FILE, ONNX_FILE, OUTPUT_NAMES, SCHEMA, WEIGHTS_FILE
from trainer.arguments import whole_number
from trainer.evaluation.confidence_calibration import GOOD_ERROR, confidence_curve
from trainer.evaluation.devices import add_device_option, device_of, measuring_device
from trainer.evaluation.held_out import held_out_sets
from trainer.evaluation.predictions import errors_2d, predict_crops, prediction_metrics
from trainer.networks.building import LANDMARK_PREFIX, trained_network
from trainer.networks.hand_network import HandNetwork
from trainer.networks.weights import save_weights
from trainer.onnx_export import write_onnx_model
from trainer.progress_bar import ProgressBar
from trainer.recipe.config import FitConfig, read_config
from trainer.samples.augmentation import training_jitter
from trainer.samples.labelled_crop import LabelledCrop

_PROCESSOR: Final = torch.device("cpu")

_EXAMPLES = """examples:
  the best weights of a training, ready for the app
    python -m trainer export --weights runs/mine/best.safetensors --config configs/shipped.yaml --out networks/mine
    python main_v2.py --method network --network networks/mine
"""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, calibrates, then exports.

    Raises:
        HandliveError: recipe or weights cannot be used.
    """
    options = _parser().parse_args(arguments)
    config, device = read_config(options.config), measuring_device(options.device)
    with ProgressBar(total=options.crops, desc="held-out renderings", unit="crop") as bar:
        facts = export_trained(
            config, options.weights, options.out, options.crops, bar.update, device, half=options.half
        )
    size_mb = (options.out / ONNX_FILE).stat().st_size / 1e6
    print(f"{options.out}: {size_mb:.1f} MB of ONNX; confidence {facts.confidence}")
    for key, value in facts.figures.items():
        print(f"  {key:<32} {value:.4g}")


def export_trained(
    config: FitConfig,
    weights: Path,
    out: Path,
    crops: int,
    tick: Callable[[], object] = lambda: None,
    device: torch.device = _PROCESSOR,
    *,
    half: bool = False,
) -> ExportFacts:
    """Measures trained weights on held-out crops, calibrates their confidence there, and exports them.

    Args:
        config: the recipe they were trained by.
        weights: a run's best.safetensors.
        out: folder for the network's files.
        crops: held-out crops of each kind.
        tick: called after each rendering.
        device: where they are measured.
        half: round large weights to half precision, which halves the files.

    Raises:
        HandliveError: recipe or weights cannot be used.
    """
    model = training_hand_model(config.hand_model)
    network = trained_network(config.network, model, weights).to(device)
    if half:
        round_to_half(network)
    sets = held_out_sets(config, crops, lambda text: print(text, file=sys.stderr), tick)
    expansion = training_jitter(config.network.upright).expansion
    facts = measured_facts(network, model, sets, name=config.name, crop_expansion=expansion)
    export_network(network, facts, out, half=half)
    return facts


def measured_facts(
    network: HandNetwork,
    model: HandModel,
    sets: Mapping[str, Sequence[LabelledCrop]],
    *,
    name: str,
    crop_expansion: float,
) -> ExportFacts:
    """Measures a network on held-out crops and calibrates its confidence there.

    Args:
        network: trained; it is measured where its weights are.
        model: that it poses.
        sets: held-out crops by name.
        name: of the network.
        crop_expansion: see :class:`ExportFacts`.
    """
    layer = TorchHandLayer(model).to(device_of(network))
    measured = {part: predict_crops(network, layer, crops, refine_on=model) for part, crops in sets.items()}
    certainty = np.concatenate([predictions.certainty for predictions in measured.values()])
    good = np.concatenate([errors_2d(predictions) < GOOD_ERROR for predictions in measured.values()])
    return ExportFacts(
        name=name,
        hand_model=model.name,
        hand_model_digest=model.digest,
        crop_expansion=crop_expansion,
        confidence=confidence_curve(certainty, good),
        figures={
            f"{part}_{key}": round(value, 5)
            for part, predictions in measured.items()
            for key, value in prediction_metrics(predictions).items()
        },
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer export",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure trained weights on held-out crops, calibrate their confidence there, and write\n"
        f"{ONNX_FILE}, {WEIGHTS_FILE} and {METADATA_FILE}.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--weights", type=Path, required=True, help="for example runs/shipped/best.safetensors")
    parser.add_argument("--config", type=Path, required=True, help="the recipe they were trained by")
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files, such as assets/network")
    parser.add_argument("--crops", type=whole_number(1), default=512, help="held-out crops of each kind (default: 512)")
    parser.add_argument(
        "--half", action="store_true", help="round large weights to half precision before measuring: half the size"
    )
    add_device_option(parser)
    return parser


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """What travels with a network.

    Attributes:
        name: of the network.
        hand_model: name of the hand model it was trained on.
        hand_model_digest: SHA-256 of that model; another model's joints have to be refitted.
        crop_expansion: side of the crop over the longer side of the box of the 21 joints.
        confidence: coefficients of the calibrated confidence (see ``inference.runtime``).
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

    def forward(
        self, image: Float[Tensor, "B 3 S S"], landmarks: Float[Tensor, "B L"] | None = None
    ) -> tuple[Tensor, ...]:
        """The outputs that are of use outside training."""
        output = self.network(image, landmarks)
        return tuple(getattr(output, name) for name in OUTPUT_NAMES)


def export_network(network: HandNetwork, facts: ExportFacts, folder: Path, *, half: bool = False) -> None:
    """Writes network.onnx, network.safetensors and network.json: all three are new then, or all are as before.

    Args:
        network: trained; exported in evaluation mode.
        facts: what travels with it.
        folder: where the three files go; what else lies there stays.
        half: large weights take two bytes each in both files.
    """
    # in evaluation mode as a whole, because exporting ends by giving every part the mode of the outermost
    flat = _Flat(network.cpu()).eval()
    shapes = network.input_shapes()
    metadata: dict[str, Any] = {
        "schema": SCHEMA,
        "network": asdict(network.config),
        # the side of the picture, and how many landmark numbers
        "inputs": {name: shape[-1] for name, shape in shapes.items()},
        "outputs": list(OUTPUT_NAMES),
        **asdict(facts),
    }
    text = json.dumps(metadata, indent=1, sort_keys=True)
    # the landmark network is a file of its own, which the program has anyway
    state = {name: value for name, value in network.state_dict().items() if not name.startswith(LANDMARK_PREFIX)}
    # as in the ONNX file: statistics have values below half's normal range, and are no parameters that were rounded
    halved = {name for name, value in network.named_parameters() if half and is_large(value)}
    weights = {name: value.half() if name in halved else value for name, value in state.items()}
    with folder_renewed(folder) as new:
        write_onnx_model(flat, shapes, new / ONNX_FILE, OUTPUT_NAMES, weights_as_they_are=half)
        if half:
            store_in_half(new / ONNX_FILE)
        save_weights(new / WEIGHTS_FILE, weights, {"metadata": text})
        write_text_atomically(new / METADATA_FILE, text + "\n")


LARGE: Final = 1024
"""Tensors with fewer numbers stay as they are: biases and statistics save nothing, and need their digits."""


def round_to_half(network: nn.Module) -> None:
    """Rounds the large weights of a network to half precision, in place; their type stays single."""
    with torch.no_grad():
        for value in network.parameters():
            if is_large(value):
                value.copy_(value.half())


def is_large(value: Tensor) -> bool:
    """Whether a tensor is one of those that are rounded."""
    return value.dtype == torch.float32 and value.numel() >= LARGE


def store_in_half(file: Path) -> None:
    """Stores those large weights of an ONNX file in half precision that lose nothing by it; engines widen them again.

    Args:
        file: rewritten in place.
    """
    import onnx

    model = onnx.load(str(file))
    graph = model.graph
    casts = []
    for index, constant in enumerate(graph.initializer):
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype != np.float32 or array.size < LARGE:
            continue
        half = array.astype(np.float16)
        if (half.astype(np.float32) == array).all():
            name = constant.name
            graph.initializer[index].CopyFrom(onnx.numpy_helper.from_array(half, name + "_half"))
            casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(file))
