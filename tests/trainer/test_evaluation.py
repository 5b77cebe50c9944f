"""Measuring a network: known answers for the figures, and mistakes that they have to show."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np
import torch
from crops import stick_hand, write_left_hand
from torch import nn

from hand.embedded import load_embedded_model
from hand.errors import ConfigError, DataError, HandliveError
from hand.torch_layer import TorchHandLayer
from inference.runtime import load_network
from trainer.evaluate import OnnxNetwork, main, measure
from trainer.evaluation.held_out import empty_crops
from trainer.evaluation.line_chart import round_ticks
from trainer.evaluation.predictions import (
    Predictions,
    best_median_worst,
    errors_2d,
    joint_metrics,
    predict_crops,
    prediction_metrics,
)
from trainer.export import ExportFacts, export_network
from trainer.networks.building import build_network
from trainer.networks.hand_network import NetworkConfig
from trainer.networks.output import NetworkOutput
from trainer.networks.weights import save_weights
from trainer.recipe.config import FitConfig, build_dataclass
from trainer.runs.events import EventLog
from trainer.runs.run_history import read_history
from trainer.samples.labelled_crop import HandBatch, LabelledCrop, collate

NETWORK = NetworkConfig("mobilenet_v3_small", "mlp", 64, 32)
CROPS = [stick_hand(index) for index in range(12)]


class LabelNetwork(nn.Module):
    """Returns the labels of the given crops."""

    def __init__(self, crops: list[LabelledCrop], batch: int = 64) -> None:
        super().__init__()
        self.batches = iter([collate(crops[start : start + batch]) for start in range(0, len(crops), batch)])

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        labels: HandBatch = next(self.batches)
        count = len(image)
        camera = torch.ones(count, 3)
        sigma = torch.full((count, 21), -3.0)
        logits = torch.full((count,), 3.0)
        maps = torch.zeros(count, 21, 1, 1)
        return NetworkOutput(
            labels.rotations, labels.shape, camera, labels.joints_crop, sigma, maps, maps, logits, logits, logits
        )


def predictions_of(crops: list[LabelledCrop]) -> Predictions:
    return predict_crops(LabelNetwork(crops), TorchHandLayer(load_embedded_model()), CROPS)


def test_labels_as_predictions_have_no_error() -> None:
    values = prediction_metrics(predictions_of(CROPS))
    assert values["pa_mpjpe_mm"] == pytest.approx(0.0, abs=1e-2)
    assert values["mpjpe_mm"] == pytest.approx(0.0, abs=1e-2)
    assert values["epe_2d"] == pytest.approx(0.0, abs=1e-6)
    assert values["spread_ratio"] == pytest.approx(1.0, abs=1e-3)


def test_one_pose_for_every_crop_has_no_spread() -> None:
    """The collapse: errors stay moderate, the spread does not."""
    one = [replace(crop, rotations=CROPS[0].rotations) for crop in CROPS]
    values = prediction_metrics(predictions_of(one))
    assert values["spread_ratio"] < 1e-3
    assert values["mpjpe_mm"] > 10.0


def test_a_permuted_joint_order_shows_in_every_error() -> None:
    """MANO's order of fingers taken for the common one."""
    order = np.array([0, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18, 19, 20, 13, 14, 15, 16, 1, 2, 3, 4])
    truth = predictions_of(CROPS)
    wrong = replace(truth, joints_m=truth.joints_m[:, order], joints_crop=truth.joints_crop[:, order])
    values = prediction_metrics(wrong)
    assert values["pa_mpjpe_mm"] > 10.0
    assert values["epe_2d_median"] > 0.1


def test_2d_errors_count_in_hand_boxes() -> None:
    truth = predictions_of(CROPS)
    extent = np.ptp(truth.true_joints_crop, axis=1).max(-1)
    moved = replace(truth, joints_crop=truth.true_joints_crop + 0.1 * extent[:, None, None] * np.array([0.6, 0.8]))
    np.testing.assert_allclose(errors_2d(moved), 0.1, atol=1e-6)
    assert joint_metrics(moved)["epe_2d_median"] == pytest.approx([0.1] * 21, abs=1e-4)


def test_sigma_ordered_as_the_errors_separates_the_halves() -> None:
    truth = predictions_of(CROPS)
    size = np.linspace(0.01, 0.12, len(CROPS))
    moved = replace(
        truth,
        joints_crop=truth.true_joints_crop + size[:, None, None],
        sigma=np.repeat(size[:, None], 21, 1),
    )
    backwards = replace(moved, sigma=moved.sigma[::-1].copy())
    assert prediction_metrics(moved)["confident_half"] < 0.5
    assert prediction_metrics(backwards)["confident_half"] > 2.0


def test_exported_and_trained_network_measure_the_same(tmp_path: Path) -> None:
    model = load_embedded_model()
    network = build_network(NETWORK, model).eval()
    export_network(
        network, ExportFacts("t", model.name, model.digest, 1.6, {"offset": 0.0, "slope": 1.0}, {}), tmp_path
    )
    sets = {"stick": CROPS}
    ours, _ = measure(network, sets, empty_crops(64, 4))
    theirs, _ = measure(OnnxNetwork(load_network(tmp_path)), sets, empty_crops(64, 4))
    for name, value in ours["stick"]["figures"].items():
        assert theirs["stick"]["figures"][name] == pytest.approx(value, rel=1e-3, abs=1e-4)
    assert theirs["empty"] == pytest.approx(ours["empty"], abs=1e-4)


def test_report_is_one_self_contained_page(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text("name: tiny\nnetwork: {trunk: mobilenet_v3_small, head: mlp, input_px: 64, width: 32}\n")
    model = load_embedded_model()
    network = build_network(NETWORK, model)
    facts = ExportFacts("t", model.name, model.digest, 1.6, {"offset": 0.0, "slope": 1.0}, {})
    export_network(network, facts, tmp_path / "network")
    out = tmp_path / "report"
    arguments = ["--network", str(tmp_path / "network"), "--config", str(recipe), "--crops", "20", "--wide", "4"]
    arguments += ["--adorned", "3"]
    with pytest.raises(DataError, match=r"missing\.json should be a prediction file"):
        main([*arguments, "--photographs", str(tmp_path / "missing.json"), str(tmp_path), "--out", str(out)])
    assert not out.exists()
    main([*arguments, "--out", str(out)])
    content = json.loads((out / "report.json").read_text())
    assert content["rendered"]["count"] == 20
    assert content["wide"]["count"] == 4
    assert content["adorned"]["count"] == 3
    assert len(content["rendered"]["joints"]["pa_mm"]) == 21
    assert content["rendered"]["figures"]["pa_mpjpe_mm"] == pytest.approx(
        np.mean(content["rendered"]["joints"]["pa_mm"]), rel=1e-3
    )
    page = (out / "report.html").read_text()
    assert page.count("<img") == 18 + 3 * 4 + 3 * 3  # of the few, all are best, median and worst
    assert not re.search(r"(src|href)=['\"]?(http|/|\.)", page)


def write_run(folder: Path) -> None:
    """A run that was killed at step 30, whose last checkpoint was at step 20, and that went on from there."""
    config = FitConfig(name="tiny", network=NETWORK)
    network = build_network(NETWORK, load_embedded_model())
    save_weights(folder / "best.safetensors", network.state_dict(), {})
    log = EventLog(folder / "events.jsonl")
    log.emit("hello", step=0, config=asdict(config))  # as version 0.1.0 called it
    for step in (10, 20, 30):
        log.emit("step", step=step, loss=9.0 - step / 10)
        log.emit("evaluation", step=step, rendered_pa_mpjpe_mm=30.0 - step, rendered_mpjpe_mm=50.0 - step, score=1.0)
    log.emit("run_started", step=20, config=asdict(config))
    log.emit("step", step=30, loss=5.5)
    log.emit("evaluation", step=30, rendered_pa_mpjpe_mm=7.0, rendered_mpjpe_mm=21.0, score=float("nan"))
    log.emit("warning", step=30, hint="collapsed", message="Step 30: <one pose>.")
    log.close()


def test_history_lists_repeated_steps_once(tmp_path: Path) -> None:
    write_run(tmp_path)
    history = read_history(tmp_path)
    assert history.losses == [(10, 8.0), (20, 7.0), (30, 5.5)]
    assert history.curves()["rendered_pa_mpjpe_mm"] == [(10, 20.0), (20, 10.0), (30, 7.0)]
    assert build_dataclass(FitConfig, history.config, "the run's recipe").network == NETWORK
    with pytest.raises(DataError, match=r"is no training: its .* is missing or empty"):
        read_history(tmp_path / "elsewhere")


def test_a_run_is_reported_with_its_curves_and_its_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The recipe and the weights are the run's own; photographs come with names, and a sheet of them is drawn."""
    write_run(tmp_path / "run")
    write_left_hand(tmp_path)
    out, sheet = tmp_path / "report", tmp_path / "elsewhere" / "sheet.png"
    arguments = ["--run", str(tmp_path / "run"), "--crops", "8", "--out", str(out), "--contact-sheet", str(sheet)]
    main([*arguments, "--photographs", str(tmp_path / "pred.json"), str(tmp_path)])
    content = json.loads((out / "report.json").read_text())
    assert content["run"]["losses"] == [[10, 8.0], [20, 7.0], [30, 5.5]]
    worst = content["rendered"]["pictures"]["worst"]
    assert [picture["epe_2d"] for picture in worst] == sorted((p["epe_2d"] for p in worst), reverse=True)
    assert content["photographs"]["pictures"]["best"][0]["name"] == f"{tmp_path / 'hand.png'} (0)"
    page = (out / "report.html").read_text()
    # loss, aligned and from the wrist, each in its own chart; and the share of joints of both sets
    assert page.count("class='chart'") == 3
    assert page.count("<polyline") == 3 + 2
    assert "Step 30: &lt;one pose&gt;." in page
    picture = cv2.imread(str(sheet))
    # one photograph, three rows; what is drawn on it is coloured
    assert picture.shape[0] > 3 * 256
    assert np.ptp(picture[40:296, 6:262].astype(int), axis=2).max() > 100
    assert "The contact sheet is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", "nowhere"], "Which recipe was the network trained by"),
        (["--config", "configs/debug.yaml"], "What is to be measured"),
        (["--config", "configs/debug.yaml", "--network", "nowhere"], "There is no trained network at nowhere"),
    ],
)
def test_missing_arguments_are_reported_before_rendering(arguments: list[str], message: str) -> None:
    with pytest.raises(HandliveError, match=message):
        main(arguments)


def test_a_sheet_needs_photographs(tmp_path: Path) -> None:
    write_run(tmp_path)
    with pytest.raises(ConfigError, match="no photographs for a contact sheet"):
        main(["--run", str(tmp_path), "--crops", "20", "--contact-sheet", str(tmp_path / "sheet.png")])


def test_ticks_are_round_and_enclose_the_values() -> None:
    assert round_ticks(0.0, 1720.0, 5) == [0.0, 500.0, 1000.0, 1500.0, 2000.0]
    assert round_ticks(0.124, 0.208, 5) == pytest.approx([0.12, 0.14, 0.16, 0.18, 0.2, 0.22])
    assert round_ticks(3.0, 3.0, 5)[-1] >= 3.0


def test_report_pictures_are_best_median_and_worst() -> None:
    chosen = best_median_worst(np.array([5.0, 1.0, 4.0, 2.0, 3.0]), 2)
    assert chosen == {"best": [1, 3], "median": [3, 4], "worst": [0, 2]}
