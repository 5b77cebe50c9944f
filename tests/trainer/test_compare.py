"""Networks with known answers: one that returns the labels themselves, and one that is off by a known amount."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
from crops import stick_hand

from hand.rotations import matrix_from_axis_angle
from inference.runtime import NetworkRuntime
from trainer.compare import Comparison, SetComparison, ShapeGain, compare_on, predict_hands, write_report
from trainer.evaluation.compare_statistics import Change
from trainer.evaluation.predictions import errors_pa_mm
from trainer.samples.labelled_crop import LabelledCrop

COUNT = 36
META = {
    "name": "known",
    "network": {"input_px": 64},
    "crop_expansion": 1.6,
    "hand_model_digest": "",
    "confidence": {"offset": 0.0, "slope": 0.0},
}


class KnownNetwork:
    """Returns the labels of its crops in order, with all fingers turned and 2D joints shifted."""

    def __init__(self, crops: Sequence[LabelledCrop], turned_rad: float, shifted: float) -> None:
        self._crops = list(crops)
        self._turn = matrix_from_axis_angle(np.array([0.0, 0.0, turned_rad]))
        self._shifted = shifted

    def run(self, output_names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
        count = len(inputs["image"])
        crops, self._crops = self._crops[:count], self._crops[count:]
        rotations = np.stack([crop.rotations for crop in crops])
        rotations[:, 1:] = rotations[:, 1:] @ self._turn
        return [
            rotations.astype(np.float32),
            np.stack([crop.shape for crop in crops]),
            np.stack([self._camera(crop) for crop in crops]),
            np.stack([crop.joints_crop for crop in crops]) + np.float32(self._shifted),
            np.full((count, 21), -2.0, np.float32),
            np.full(count, 20.0, np.float32),
            np.full(count, 20.0, np.float32),
        ]

    @staticmethod
    def _camera(crop: LabelledCrop) -> np.ndarray:
        scale = crop.focal / crop.root_m[2]
        return np.array([scale, *(scale * crop.root_m[:2])], np.float32)


@pytest.fixture(scope="module")
def crops() -> list[LabelledCrop]:
    return [in_its_own_camera(stick_hand(index)) for index in range(COUNT)]


def in_its_own_camera(crop: LabelledCrop) -> LabelledCrop:
    """2D labels are where the 3D ones are in the crop's camera, so that refining a perfect hand changes nothing."""
    points = crop.joints_m + crop.root_m
    return replace(crop, joints_crop=(crop.focal * points[:, :2] / points[:, 2:]).astype(np.float32))


def compared(crops: list[LabelledCrop], before: tuple[float, float], after: tuple[float, float]) -> SetComparison:
    networks = [NetworkRuntime(KnownNetwork(crops, *off), META) for off in (before, after)]
    frames = np.arange(COUNT)
    return compare_on("your hand", networks, crops, frames // 3, frames // 3, frames / 30.0)


def test_perfect_network_is_better_with_zero_error(crops: list[LabelledCrop]) -> None:
    result = compared(crops, (0.4, 0.1), (0.0, 0.0))
    assert result.change.verdict == "better"
    assert result.change.share == pytest.approx(-1.0, abs=1e-4)
    assert result.change.units == 12
    assert result.after["pa_mpjpe_mm"] == pytest.approx(0.0, abs=1e-3)
    assert result.after["jitter_mm"] == pytest.approx(0.0, abs=1e-3)
    assert result.after["epe_2d"] == pytest.approx(0.0, abs=1e-4)
    assert result.after["good_share"] == 1.0
    # the curve gives 0.5 everywhere: half wrong where everything is good
    assert result.after["mean_confidence"] == pytest.approx(0.5, abs=1e-3)
    assert result.after["calibration_gap"] == pytest.approx(0.5, abs=1e-3)
    for before, after in result.fingers.values():
        assert before > 1.0
        assert after == pytest.approx(0.0, abs=1e-3)


def test_shifted_2d_joints_shift_the_refined_hand(crops: list[LabelledCrop]) -> None:
    result = compared(crops, (0.0, 0.1), (0.0, 0.0))
    # every joint is off by 0.1 along both axes of the crop; under perspective a moved hand looks a little different
    extents = [np.ptp(crop.joints_crop, axis=0).max() for crop in crops]
    assert result.before["epe_2d"] == pytest.approx(np.mean(0.1 * np.sqrt(2.0) / np.array(extents)), rel=0.02)


def test_hands_are_measured_with_the_shape_of_the_person(crops: list[LabelledCrop]) -> None:
    def error_mm(shape: np.ndarray | None) -> float:
        network = NetworkRuntime(KnownNetwork(crops, 0.0, 0.0), META)
        return float(errors_pa_mm(predict_hands(network, crops, shape)).mean())

    # these hands have the average shape
    assert error_mm(None) == pytest.approx(0.0, abs=0.01)
    assert error_mm(np.zeros(10)) == pytest.approx(0.0, abs=0.01)
    assert error_mm(np.array([2.0, -1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])) > 0.5


def test_gain_of_the_shape_is_reported_apart_from_the_training() -> None:
    of = change(5.9, 5.8, "no clear difference")
    part = SetComparison("set", 1, of, of, of, {}, {}, {}, ())
    gain = ShapeGain(change(7.5, 5.9, "better"), change(7.5, 5.8, "better"))
    comparison = Comparison("a", "b", part, part, "two_views", gain)
    assert comparison.verdict == "no clear difference"
    assert "shape of your hand brought 7.5 to 5.9 mm" in comparison.sentence


def test_equal_networks_show_no_difference_and_swapped_ones_are_worse(crops: list[LabelledCrop]) -> None:
    assert compared(crops, (0.3, 0.0), (0.3, 0.0)).change.verdict == "no clear difference"
    assert compared(crops, (0.1, 0.0), (0.4, 0.0)).change.verdict == "worse"


def test_pictures_of_one_moment_are_shown_once(crops: list[LabelledCrop], tmp_path: Path) -> None:
    part = compared(crops, (0.4, 0.1), (0.1, 0.0))
    assert len(part.pairs) == 12
    assert [change for change, _ in part.pairs] == sorted(change for change, _ in part.pairs)
    comparison = Comparison("old <b>", "new", part, compared(crops, (0.1, 0.0), (0.1, 0.0)), sessions=("a", "<b>"))
    write_report(comparison, tmp_path)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["verdict"] == "better"
    assert len(content["own"]["pictures"]) == 12
    assert all((tmp_path / picture["file"]).is_file() for picture in content["own"]["pictures"])
    page = (tmp_path / "report.html").read_text()
    assert comparison.sentence in page
    assert "old &lt;b&gt;" in page
    assert "<h2>Your hand, recorded sessions a, &lt;b&gt;</h2>" in page, "whatever was learned from"


def change(before: float, after: float, verdict: str) -> Change:
    share = after / before - 1.0
    return Change(before, after, share, share - 0.02, share + 0.02, 20, verdict)  # type: ignore[arg-type]


@pytest.mark.parametrize("verdict", ["better", "worse", "no clear difference"])
def test_sentence_on_single_view_labels_claims_no_gain_on_the_hand(verdict: str) -> None:
    of = change(10.0, 7.0, verdict)
    part = SetComparison("set", 1, of, of, of, {}, {}, {}, ())
    comparison = Comparison("a", "b", part, part, "labels")
    assert "etter on your hand" not in comparison.sentence
    assert "the labels" in comparison.sentence.lower()
    assert "7 to 15 mm from the truth" in comparison.sentence
    assert comparison.verdict != "better"


def test_sentence_names_the_reference() -> None:
    of = change(10.0, 7.0, "better")
    part = SetComparison("set", 1, of, of, of, {}, {}, {}, ())
    assert "against the truth of the second camera" in Comparison("a", "b", part, part, "two_views").sentence


@pytest.mark.parametrize(
    ("own", "general", "words"),
    [
        (change(10.0, 7.0, "better"), change(8.0, 8.1, "no clear difference"), ("Better on your", "about as before")),
        (change(10.0, 12.0, "worse"), change(8.0, 9.0, "worse"), ("Worse on your hand", "forgotten")),
        (change(10.0, 9.9, "no clear difference"), change(8.0, 8.2, "worse"), ("No clear", "about as before")),
        (change(10.0, 7.0, "better"), change(8.0, 7.0, "better"), ("fell from 10.0 to 7.0 mm", "got better too")),
    ],
)
def test_sentence_contains_the_verdicts_on_own_and_general_hands(
    own: Change, general: Change, words: tuple[str, str]
) -> None:
    def part(of: Change) -> SetComparison:
        return SetComparison("set", 1, of, of, of, {}, {}, {}, ())

    sentence = Comparison("a", "b", part(own), part(general)).sentence
    assert all(word in sentence for word in words), sentence
