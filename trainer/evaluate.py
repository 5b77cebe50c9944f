"""``python -m trainer evaluate``: how good a network is on hands it has never seen, as JSON and as a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from hand.atomic_file import write_json_atomically, write_text_atomically
from hand.embedded import load_embedded_model
from hand.torch_layer import TorchHandLayer
from trainer.calibration import GOOD_ERROR
from trainer.config import FitConfig, SourceConfig, read_config
from trainer.evaluation import Predictions, errors_2d, figures, joint_figures, predict_crops
from trainer.fit import build_network, start_from
from trainer.held_out import empty_crops, photograph_crops, rendered_crops
from trainer.labelled_crop import LabelledCrop
from trainer.networks.output import NetworkOutput
from trainer.report_page import ReportSection, report_page
from trainer.runtime import NetworkRuntime, load_network

REPORT_SCHEMA = 1


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, measures, writes the report.

    Raises:
        HandliveError: recipe, network or data cannot be used.
    """
    parser = argparse.ArgumentParser(
        prog="python -m trainer evaluate",
        description="Measure a network on unseen renderings and on labelled photographs (cropped as badly as live), "
        "and write report.json and report.html. The page shows pictures of the photographs: keep it to yourself.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--weights", type=Path, help="trained weights, for example runs/shipped/best.safetensors")
    which.add_argument("--network", type=Path, help="folder of an exported network; it runs without torch's layers")
    parser.add_argument("--config", type=Path, required=True, help="the recipe; it names the held-out photographs")
    parser.add_argument("--crops", type=int, default=2000, help="unseen renderings, and the most photographs")
    parser.add_argument(
        "--photographs",
        nargs=2,
        action="append",
        metavar=("PREDICTIONS", "FOLDER"),
        help="a prediction file and the pictures it labels, instead of the recipe's held-out ones; may be repeated",
    )
    parser.add_argument("--out", type=Path, default=Path("reports/evaluation"), help="default: reports/evaluation")
    options = parser.parse_args(arguments)
    config = read_config(options.config)
    network = _network(config, options.weights, options.network)
    sources = [SourceConfig("photographs", path=path, pictures=folder) for path, folder in options.photographs or ()]
    size = config.network.input_px
    tqdm.monitor_interval = 0  # its watchdog is a thread that outlives the bar
    with tqdm(total=options.crops, desc="unseen renderings", unit="crop") as bar:
        sets = {"rendered": rendered_crops(size, options.crops, lambda: _tick(bar))}
    photographs = photograph_crops(
        sources or config.held_out, size, options.crops, lambda sentence: print(sentence, file=sys.stderr)
    )
    if photographs:
        sets["photographs"] = list(photographs.values())
    content, sections = measure(network, sets, empty_crops(size, max(options.crops // 10, 20)))
    content = {"schema": REPORT_SCHEMA, "network": str(options.weights or options.network), **content}
    write_json_atomically(options.out / "report.json", content)
    write_text_atomically(options.out / "report.html", report_page(content["network"], sections, content["empty"]))
    for section in sections:
        for key, value in section.figures.items():
            print(f"{section.name:<12} {key:<24} {value:.4g}")
    for key, value in content["empty"].items():
        print(f"{'no hand':<12} {key:<24} {value:.4g}")
    print(f"The report is {options.out / 'report.html'}.")


def measure(
    network: nn.Module, sets: dict[str, list[LabelledCrop]], empty: list[LabelledCrop]
) -> tuple[dict[str, Any], list[ReportSection]]:
    """Runs a network over sets of labelled crops, and over crops without a hand.

    Args:
        network: gives :class:`NetworkOutput`.
        sets: labelled crops by name.
        empty: crops that show no hand.

    Returns:
        The content of the report, and what its page shows.
    """
    layer = TorchHandLayer(load_embedded_model())
    sections = []
    for name, crops in sets.items():
        predictions = predict_crops(network, layer, crops)
        values = {key: round(value, 5) for key, value in figures(predictions).items()}
        sections.append(ReportSection(name, values, joint_figures(predictions), predictions, crops))
    content: dict[str, Any] = {
        section.name: {"count": len(section.crops), "figures": section.figures, "joints": section.joints}
        for section in sections
    }
    content["empty"] = _presence_figures(
        [section.predictions for section in sections], predict_crops(network, layer, empty)
    )
    return content, sections


class OnnxNetwork(nn.Module):
    """An exported network in the place of a trained one, so that both are measured by the same code."""

    def __init__(self, runtime: NetworkRuntime) -> None:
        super().__init__()
        self._runtime = runtime

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> NetworkOutput:
        """The exported outputs; heat maps are not among them."""
        outputs = {name: torch.from_numpy(value) for name, value in self._runtime.outputs(image.numpy()).items()}
        return NetworkOutput(**outputs, heat_maps=torch.zeros(len(image), 21, 0, 0))


def _network(config: FitConfig, weights: Path | None, folder: Path | None) -> nn.Module:
    if weights is None and folder is not None:
        return OnnxNetwork(load_network(folder))
    network = build_network(config.network, load_embedded_model())
    if weights is not None:
        start_from(network, weights)
    return network


def _presence_figures(with_hand: list[Predictions], without: Predictions) -> dict[str, float]:
    """How well hands are told from no hands: extremes of both, and who scores on the wrong side of every good hand."""
    hands = np.concatenate([part.presence for part in with_hand])
    good = hands[np.concatenate([errors_2d(part) < GOOD_ERROR for part in with_hand])]
    values = {
        "presence_of_hands_p5": float(np.percentile(hands, 5)),
        "presence_of_empty_p95": float(np.percentile(without.presence, 95)),
    }
    if good.size:
        values["empty_below_every_good_hand"] = float((without.presence < good.min()).mean())
    return {key: round(value, 5) for key, value in values.items()}


def _tick(bar: tqdm) -> None:
    bar.update(1)
