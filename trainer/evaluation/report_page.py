"""The evaluation's page: one HTML file with its metrics, curves and pictures inside."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from hand.joints import BONES, JOINT_NAMES
from hand.metrics import pck_curve
from trainer.evaluation.line_chart import line_chart
from trainer.evaluation.predictions import Predictions, best_median_worst, errors_2d, errors_pa_mm
from trainer.runs.run_history import RunHistory
from trainer.samples.labelled_crop import LabelledCrop

PICTURES_PER_ROW = 6
PICTURE_PX = 256

_MEANING = {
    "pa_mpjpe_mm": "PA-MPJPE, mm: mean joint error after similarity alignment",
    "mpjpe_mm": "MPJPE, mm: mean joint error from the wrist",
    "epe_2d": "2D error over the hand's box, mean",
    "epe_2d_median": "2D error over the hand's box, median of hands",
    "confident_half": "2D error of the more confident half over that of the other",
    "spread_ratio": "spread of predicted poses over that of the labels (near 0: collapsed)",
    "presence_of_hands_p5": "presence of hands, 5th percentile",
    "presence_of_empty_p95": "presence of crops without a hand, 95th percentile",
    "empty_below_every_good_hand": "share of empty crops that score below every good hand",
}

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1080px; padding: 0 1rem; color: #1d2330; }
h1 { font-size: 1.5rem } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dce4 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .9rem .2rem 0; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.bar { background: #4c7bd9; height: .7rem; border-radius: 2px }
.row { display: flex; flex-wrap: wrap; gap: 8px } figure { margin: 0; width: 164px }
figure img { width: 164px; border-radius: 6px; display: block } figcaption { font-size: 12px; color: #5a6274 }
svg { background: #f5f6f9; border-radius: 6px } .note { color: #5a6274 }
.charts { display: flex; flex-wrap: wrap; gap: 24px } figure.chart { width: 500px } .warning { color: #b3261e }
"""


@dataclass(frozen=True, slots=True, eq=False)
class ReportSection:
    """One set of labelled crops and how the network did on it.

    Attributes:
        name: of the set.
        metrics: by name.
        joints: errors by joint.
        predictions: beside the ground truth.
        crops: the pictures, in the order of the predictions.
        names: of the pictures; their numbers where there are none.
    """

    name: str
    metrics: dict[str, float]
    joints: dict[str, list[float]]
    predictions: Predictions
    crops: list[LabelledCrop]
    names: list[str] | None = None

    def name_of(self, index: int) -> str:
        """What to call a picture."""
        return f"crop {index}" if self.names is None else self.names[index]


def report_page(
    title: str, sections: list[ReportSection], empty: dict[str, float], history: RunHistory | None = None
) -> str:
    """The whole page.

    Args:
        title: which network.
        sections: the sets.
        empty: metrics of crops without a hand.
        history: of the training, for its curves.
    """
    body = "".join(_section(section) for section in sections)
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Evaluation of a hand network</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
        "<p class='note'>Coloured: predicted joints. White: labels.</p>"
        f"{body}<h2>No hand</h2>{_metrics_table(empty)}{'' if history is None else _training(history)}</html>"
    )


def _training(history: RunHistory) -> str:
    """Curves of the loss, and of every evaluated figure: the sets that share one share its chart."""
    charts = [line_chart("Loss", {"loss": history.losses})] if history.losses else []
    curves = history.curves()
    for name, meaning in _MEANING.items():
        of_sets = {key.removesuffix(f"_{name}"): points for key, points in curves.items() if key.endswith(f"_{name}")}
        # "mpjpe_mm" ends "pa_mpjpe_mm" too
        own = {key: points for key, points in of_sets.items() if not key.endswith("_pa")}
        if own:
            charts.append(line_chart(meaning, own))
    warnings = "".join(f"<p class='warning'>{html.escape(sentence)}</p>" for _, sentence in history.warnings[-3:])
    return f"<h2>Training</h2>{warnings}<div class='charts'>{''.join(charts)}</div>"


def _section(section: ReportSection) -> str:
    error = errors_2d(section.predictions)
    pictures = "".join(
        f"<h3>{name.capitalize()}</h3><div class='row'>{''.join(_figure(section, i, error) for i in chosen)}</div>"
        for name, chosen in best_median_worst(error, PICTURES_PER_ROW).items()
    )
    return (
        f"<h2>{html.escape(section.name)} ({len(section.crops)} crops)</h2>{_metrics_table(section.metrics)}"
        f"{_curve(errors_pa_mm(section.predictions))}{_joint_table(section.joints)}{pictures}"
    )


def _metrics_table(metrics: dict[str, float]) -> str:
    rows = (
        f"<tr><td>{html.escape(_MEANING.get(name, name))}</td><td class='number'>{value:.3f}</td></tr>"
        for name, value in metrics.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _joint_table(joints: dict[str, list[float]]) -> str:
    largest = max(max(joints["pa_mm"]), 1e-9)
    rows = (
        f"<tr><td>{html.escape(name)}</td><td class='number'>{pa:.1f}</td><td class='number'>{wrist:.1f}</td>"
        f"<td class='number'>{flat:.3f}</td>"
        f"<td style='width:240px'><div class='bar' style='width:{100 * pa / largest:.0f}%'></div></td></tr>"
        for name, pa, wrist, flat in zip(
            JOINT_NAMES, joints["pa_mm"], joints["from_wrist_mm"], joints["epe_2d_median"], strict=True
        )
    )
    return f"<table><tr><th>joint<th>PA mm<th>from wrist mm<th>2D median<th></tr>{''.join(rows)}</table>"


def _curve(errors_mm: Float[np.ndarray, "N 21"]) -> str:
    """Share of joints within a PA error, 0 to 50 mm, as a line."""
    curve = pck_curve(errors_mm)
    width, height = 480, 180
    points = " ".join(
        f"{x / curve.thresholds_mm[-1] * width:.1f},{(1.0 - y) * height:.1f}"
        for x, y in zip(curve.thresholds_mm, curve.fractions, strict=True)
    )
    return (
        f"<p class='note'>Share of joints within an aligned error of 0 to 50 mm; area {curve.auc:.3f}</p>"
        f"<svg viewBox='0 0 {width} {height}' width='{width}' height='{height}'>"
        f"<polyline points='{points}' fill='none' stroke='#4c7bd9' stroke-width='2'/></svg>"
    )


def _figure(section: ReportSection, index: int, error: Float[np.ndarray, " N"]) -> str:
    predictions = section.predictions
    picture = overlay(section.crops[index].image, predictions.joints_crop[index], predictions.true_joints_crop[index])
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    encoded = base64.b64encode(data.tobytes()).decode() if ok else ""
    sure = float(np.exp(np.log(predictions.sigma[index]).mean()))
    name = html.escape(section.name_of(index))
    return (
        f"<figure title='{name}'><img alt='{name}' src='data:image/jpeg;base64,{encoded}'>"
        f"<figcaption>{error[index]:.3f} of the box, sigma {sure:.3f}, presence {predictions.presence[index]:.2f}"
        "</figcaption></figure>"
    )


def overlay(
    image_rgb: UInt8[np.ndarray, "S S 3"], predicted: Float[np.ndarray, "21 2"], labelled: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "P P 3"]:
    """A crop, enlarged, with labelled joints in white and predicted ones in colours on top.

    Args:
        image_rgb: the crop.
        predicted: crop coordinates, -1 to 1.
        labelled: crop coordinates, -1 to 1.
    """
    picture = cv2.resize(image_rgb, (PICTURE_PX, PICTURE_PX), interpolation=cv2.INTER_CUBIC)
    for joints, is_label in ((labelled, True), (predicted, False)):
        places = np.clip((joints + 1.0) * (PICTURE_PX / 2.0) - 0.5, -1e4, 1e4).round().astype(int)
        for start, end in BONES:
            color = (255, 255, 255) if is_label else finger_color((end - 1) // 4)
            cv2.line(picture, places[start].tolist(), places[end].tolist(), color, 1 if is_label else 2, cv2.LINE_AA)
    return picture


def finger_color(finger: int) -> tuple[int, int, int]:
    """The colour that a finger is drawn in, RGB; 0 is the thumb, 4 the little finger."""
    hue = 180 * finger // 5
    red, green, blue = cv2.cvtColor(np.array([[[hue, 200, 255]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue
