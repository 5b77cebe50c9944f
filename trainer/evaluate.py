"""``python -m trainer evaluate``: how good a network is on hands it has never seen, as JSON and as a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand.atomic_file import write_json_atomically, write_text_atomically
from hand.embedded import load_embedded_model, training_hand_model
from hand.errors import ConfigError, DataError
from hand.model import HandModel
from hand.torch_layer import TorchHandLayer
from inference.runtime import DOUBTED, NetworkRuntime, load_network, read_metadata
from trainer.arguments import whole_number
from trainer.evaluation.confidence_calibration import GOOD_ERROR, WRONG_ERROR
from trainer.evaluation.contact_sheet import contact_sheet, write_png
from trainer.evaluation.dataset_scores import open_evaluation, predict_set, score_lines, score_set
from trainer.evaluation.devices import add_device_option, device_of, measuring_device
from trainer.evaluation.held_out import (
    data_set_crops,
    empty_crops,
    photograph_crops,
    rendered_crops,
    warn_of_recordings,
)
from trainer.evaluation.predictions import (
    Predictions,
    best_median_worst,
    confidences,
    errors_2d,
    errors_pa_mm,
    joint_metrics,
    predict_crops,
    prediction_metrics,
)
from trainer.evaluation.report_page import PICTURES_PER_ROW, ReportSection, report_page
from trainer.networks.building import trained_network
from trainer.networks.hand_network import NetworkConfig, certainty_of_sigma
from trainer.networks.output import NetworkOutput
from trainer.progress_bar import ProgressBar
from trainer.recipe.config import FitConfig, build_dataclass, exported_layout, read_config
from trainer.recipe.sources import PhotographSource
from trainer.runs.run_folder import BEST_FILE
from trainer.runs.run_history import RunHistory, read_history
from trainer.samples.labelled_crop import LabelledCrop

REPORT_SCHEMA = 1
_MOST_POINTS = 500
"""Of the curve of the loss in report.json, at most."""

_EXAMPLES = """examples:
  the shipped network, on unseen renderings and the photographs that its recipe holds out
    python -m trainer evaluate --network assets/network --config configs/shipped.yaml
  a training, finished or not, with its curves
    python -m trainer evaluate --run runs/debug --crops 500
  photographs of your own; labels first, then figures and a contact sheet
    python main_v2.py predict --input photos --method ik --output labels.json
    python -m trainer evaluate --network assets/network --config configs/shipped.yaml \\
        --photographs labels.json photos --contact-sheet sheet.png
  FreiHAND's evaluation split by the official figures, with the pred.json that its server takes
    python -m trainer evaluate --dataset freihand data/FreiHAND --network runs/freihand/network --out pred.json
"""


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, measures, writes the report.

    Raises:
        HandliveError: recipe, network or data cannot be used.
    """
    options = _parser().parse_args(arguments)
    if options.dataset is not None:
        _score_data_set(options)
        return
    out = options.out or Path("reports/evaluation")
    history = None if options.run is None else read_history(options.run)
    config = _recipe(options.config, history)
    network, name = _network(config, options)
    sources = [PhotographSource(path=path, pictures=folder) for path, folder in options.photographs or ()]
    shown = config.network if options.network is None else exported_layout(options.network)
    size, upright = shown.input_px, shown.upright
    photographs = _photographs(sources, config, shown, options.crops)
    if options.contact_sheet is not None and not photographs:
        raise ConfigError("There are no photographs for a contact sheet; give --photographs PREDICTIONS FOLDER.")
    total = options.crops + options.wide + options.adorned
    with ProgressBar(total=total, desc="unseen renderings", unit="crop") as bar:
        sets = {"rendered": rendered_crops(size, options.crops, bar.update, upright=upright)}
        if options.wide:
            sets["wide"] = rendered_crops(size, options.wide, bar.update, wide_share=1.0, upright=upright)
        if options.adorned:
            sets["adorned"] = rendered_crops(size, options.adorned, bar.update, adorned_share=1.0, upright=upright)
    sets |= {name: list(crops.values()) for name, crops in photographs.items()}
    names = {name: list(crops) for name, crops in photographs.items()}
    model = training_hand_model(options.hand_model or config.hand_model)
    sets |= data_set_crops(config.held_out, model, shown, options.crops)
    warn_of_recordings(config.held_out, lambda sentence: print(sentence, file=sys.stderr))
    curve = None if options.network is None else read_metadata(options.network)["confidence"]
    content, sections = measure(network, sets, empty_crops(size, max(options.crops // 10, 20)), names, model, curve)
    write_page(out, name, content, sections, history)
    for section in sections:
        for key, value in section.metrics.items():
            print(f"{section.name:<12} {key:<24} {value:.4g}")
    for part, title in (("empty", "no hand"), ("confidence", "all hands")):
        for key, value in content.get(part, {}).items():
            print(f"{title:<12} {key:<24} {value:.4g}")
    print(f"The report is {out / 'report.html'}.")
    if options.contact_sheet is not None:
        pictured = next(section for section in sections if section.name in photographs)
        write_png(options.contact_sheet, contact_sheet(pictured.crops, pictured.predictions))
        print(f"The contact sheet is {options.contact_sheet}.")


def _photographs(
    given: Sequence[PhotographSource], config: FitConfig, shown: NetworkConfig, most: int
) -> dict[str, dict[str, LabelledCrop]]:
    """Crops by set and by photograph: several given sets each under the name of its labels, else one set.

    Raises:
        DataError: a given set cannot be used; one of the recipe is left out with a word.
    """

    def warn(sentence: str) -> None:
        if given:
            raise DataError(sentence)
        print(sentence, file=sys.stderr)

    if len(given) > 1:
        sets = {Path(source.path).stem: photograph_crops([source], shown, most, warn) for source in given}
    else:
        sets = {"photographs": photograph_crops(given or config.held_out, shown, most, warn)}
    return {name: crops for name, crops in sets.items() if crops}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainer evaluate",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure a network on unseen renderings and on labelled photographs (cropped as badly as live),\n"
        "and write report.json and report.html. The page shows the photographs: keep it to yourself.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="a training: its curves, and its recipe and best weights"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--weights", type=Path, metavar="FILE", help="other trained weights; needs their recipe")
    which.add_argument("--network", type=Path, metavar="DIR", help="an exported network, run by ONNX Runtime")
    parser.add_argument(
        "--config", type=Path, metavar="RECIPE", help="names the held-out photographs (default: the run's)"
    )
    parser.add_argument(
        "--crops", type=whole_number(1), default=2000, help="unseen renderings, and most photographs (default: 2000)"
    )
    parser.add_argument(
        "--wide",
        type=whole_number(0),
        default=0,
        metavar="COUNT",
        help="also this many renderings of what webcams seldom see: any bend of any finger, from any side",
    )
    parser.add_argument(
        "--adorned",
        type=whole_number(0),
        default=0,
        metavar="COUNT",
        help="also this many renderings of hands with rings, drawings, patches of other skin, or gloves",
    )
    parser.add_argument(
        "--photographs",
        nargs=2,
        action="append",
        metavar=("PREDICTIONS", "FOLDER"),
        help="a prediction file and the pictures it labels, instead of the recipe's held-out ones; may be repeated: "
        "each is measured by itself",
    )
    parser.add_argument(
        "--dataset",
        nargs=2,
        metavar=("KIND", "DIR"),
        help="the official figures on a data set's evaluation split instead: freihand or ho3d, and its folder",
    )
    parser.add_argument(
        "--hand-model", metavar="FILE", help="the MANO_RIGHT.pkl that the network poses (default: the recipe's)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="the report's folder, or the file with --dataset (default: reports/evaluation, pred.json)",
    )
    parser.add_argument(
        "--contact-sheet",
        type=Path,
        metavar="PNG",
        help="also draw the best, median and worst photographs of the first set here",
    )
    add_device_option(parser)
    return parser


def _score_data_set(options: argparse.Namespace) -> None:
    """Writes pred.json about a data set and prints its score.

    Raises:
        HandliveError: network or data cannot be used.
    """
    kind, folder = options.dataset[0], Path(options.dataset[1])
    hands = open_evaluation(kind, folder)
    if options.network is None:
        history = None if options.run is None else read_history(options.run)
        config = _recipe(options.config, history)
        shown, model = config.network, training_hand_model(options.hand_model or config.hand_model)
        network, name = _network(config, options)
    else:
        runtime = load_network(options.network)
        shown, model = exported_layout(options.network), training_hand_model(options.hand_model or "")
        if runtime.hand_model_digest != model.digest:
            raise ConfigError(
                f"{options.network} poses {runtime.metadata.get('hand_model')}, not {model.name}; give the MANO file "
                "that it was trained with as --hand-model."
            )
        network, name = OnnxNetwork(runtime), str(options.network)
    with ProgressBar(total=len(hands), desc=hands.facts.title, unit=" hands") as bar:
        predictions = predict_set(network, model, hands, shown, tick=bar.update)
    out = options.out or Path("pred.json")
    predictions.write(out)
    print(f"{out} holds the predictions of {name} for {len(hands)} hands of {hands.facts.title}.")
    score = score_set(kind, folder, out)
    if score is None:
        print(
            f"{folder} has no evaluation_xyz.json and evaluation_verts.json, so that only its owners' server can score."
        )
        return
    print(score.as_text() + "\n" + "\n".join(score_lines(score)))


def _recipe(path: Path | None, history: RunHistory | None) -> FitConfig:
    if path is not None:
        return read_config(path)
    if history is None:
        raise ConfigError(
            "Which recipe was the network trained by? Give --config RECIPE, or --run DIR, which contains it."
        )
    return build_dataclass(FitConfig, history.config, "the run's recipe")


def measure(
    network: nn.Module,
    sets: dict[str, list[LabelledCrop]],
    empty: list[LabelledCrop],
    names: Mapping[str, list[str]] = MappingProxyType({}),
    model: HandModel | None = None,
    curve: Mapping[str, float] | None = None,
) -> tuple[dict[str, Any], list[ReportSection]]:
    """Runs a network over sets of labelled crops, and over crops without a hand.

    Args:
        network: gives :class:`NetworkOutput`.
        sets: labelled crops by name.
        empty: crops that show no hand.
        names: of the pictures of a set, where they have any.
        model: that the network poses; the embedded one when None.
        curve: of the network's confidence, where it was calibrated.

    Returns:
        The content of the report, and what its page shows.
    """
    model = model or load_embedded_model()
    layer = TorchHandLayer(model).to(device_of(network))
    sections = []
    for name, crops in sets.items():
        predictions = predict_crops(network, layer, crops, refine_on=model)
        values = {key: round(value, 5) for key, value in prediction_metrics(predictions).items()}
        sections.append(ReportSection(name, values, joint_metrics(predictions), predictions, crops, names.get(name)))
    content: dict[str, Any] = {
        section.name: {
            "count": len(section.crops),
            "figures": section.metrics,
            "joints": section.joints,
            "pictures": _pictures(section),
        }
        for section in sections
    }
    content["empty"] = _presence_metrics(
        [section.predictions for section in sections], predict_crops(network, layer, empty)
    )
    if curve is not None:
        content["confidence"] = _confidence_metrics([section.predictions for section in sections], curve)
    return content, sections


def write_page(
    out: Path, name: str, content: Mapping[str, Any], sections: Sequence[ReportSection], history: RunHistory | None
) -> None:
    """Writes report.json and report.html.

    Args:
        out: folder for both.
        name: what to call the network.
        content: from :func:`measure`.
        sections: from :func:`measure`.
        history: of the training, where it is known.
    """
    content = {"schema": REPORT_SCHEMA, "network": name, **content}
    if history is not None:
        evaluations = [(point.step, point.metrics) for point in history.evaluations]
        content["run"] = {"losses": _thinned(history.losses), "evaluations": evaluations}
    write_json_atomically(out / "report.json", content)
    write_text_atomically(out / "report.html", report_page(name, list(sections), content["empty"], history))


class OnnxNetwork(nn.Module):
    """An exported network in the place of a trained one, so that both are measured by the same code."""

    def __init__(self, runtime: NetworkRuntime) -> None:
        super().__init__()
        self._runtime = runtime

    def forward(self, image: Float[Tensor, "B 3 S S"]) -> NetworkOutput:
        """The exported outputs; heat maps and features are not among them."""
        outputs = {name: torch.from_numpy(value) for name, value in self._runtime.outputs(image.numpy()).items()}
        outputs.setdefault("certainty", certainty_of_sigma(outputs["log_sigma"]))
        nothing = torch.zeros(len(image), 21, 0, 0)
        return NetworkOutput(**outputs, heat_maps=nothing, features=nothing)


def _network(config: FitConfig, options: argparse.Namespace) -> tuple[nn.Module, str]:
    """What is to be measured, and what to call it."""
    device = measuring_device(options.device)
    if options.network is not None:
        return OnnxNetwork(load_network(options.network)), str(options.network)
    weights = options.weights or (options.run and options.run / BEST_FILE)
    if weights is None:
        raise ConfigError("What is to be measured? Give --run DIR, --weights FILE or --network DIR.")
    model = training_hand_model(options.hand_model or config.hand_model)
    return trained_network(config.network, model, weights).to(device), str(weights)


def _presence_metrics(with_hand: list[Predictions], without: Predictions) -> dict[str, float]:
    """Separation of hands from no hands: extremes of both, and the score of every good hand on the wrong side."""
    hands = np.concatenate([part.presence for part in with_hand])
    good = hands[np.concatenate([errors_2d(part) < GOOD_ERROR for part in with_hand])]
    values = {
        "presence_of_hands_p5": float(np.percentile(hands, 5)),
        "presence_of_empty_p95": float(np.percentile(without.presence, 95)),
    }
    if good.size:
        values["empty_below_every_good_hand"] = float((without.presence < good.min()).mean())
    return {key: round(value, 5) for key, value in values.items()}


def _confidence_metrics(with_hand: list[Predictions], curve: Mapping[str, float]) -> dict[str, float]:
    """Whether the confidence falls where fingers are confused, and stays where they are not."""
    error = np.concatenate([errors_2d(part) for part in with_hand])
    doubted = np.concatenate([confidences(part, curve) for part in with_hand]) < DOUBTED
    wrong, good = error > WRONG_ERROR, error < GOOD_ERROR
    values = {"wrong_hands": float(wrong.mean())}
    if wrong.any():
        values["doubted_of_the_wrong"] = float(doubted[wrong].mean())
    if good.any():
        values["doubted_of_the_good"] = float(doubted[good].mean())
    return {key: round(value, 5) for key, value in values.items()}


def _pictures(section: ReportSection) -> dict[str, list[dict[str, Any]]]:
    """Which pictures the page shows, with their errors."""
    flat, aligned_mm = errors_2d(section.predictions), errors_pa_mm(section.predictions).mean(1)
    return {
        kind: [
            {"name": section.name_of(i), "epe_2d": round(float(flat[i]), 5), "pa_mm": round(float(aligned_mm[i]), 3)}
            for i in chosen
        ]
        for kind, chosen in best_median_worst(flat, PICTURES_PER_ROW).items()
    }


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return points[:: max(1, -(-len(points) // _MOST_POINTS))]
