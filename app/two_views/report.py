"""The report about two views: report.json, frames.csv, joints.csv, report.png and pictures with the hand drawn in."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from app.palette import FINGER_COLORS, rgb
from app.rendering.skeleton import HandDrawing, overlay_skeleton
from app.two_views.analysis import TwoViewResult
from app.two_views.path_errors import MEASURES, PathErrors, mean_by_joint
from app.two_views.view_recording import ViewRecording
from hand.atomic_file import write_json_atomically, write_text_atomically
from hand.camera import project
from hand.errors import ConfigError
from hand.finite import rounded_or_none
from hand.joints import JOINT_NAMES
from hand.picture_file import write_picture

SCHEMA: Final = 1
PICTURES: Final = 4
TRUTH_NAME: Final = "triangulated hand"

NAMES: Final[Mapping[str, str]] = {"network": "the network", "ik": "MediaPipe + IK", "output": "the output"}
_COLORS: Final[Mapping[str, tuple[int, int, int]]] = {
    "network": (76, 123, 217),
    "ik": (217, 119, 60),
    "output": (63, 157, 107),
}
_WIDTH, _HEIGHT = 620, 300
_TEXT, _GRID = (60, 66, 76), (223, 227, 234)


def name_of(path: str) -> str:
    """What a path is called for people."""
    return NAMES.get(path, f"the {path} hand")


def summary(result: TwoViewResult) -> list[str]:
    """The report in sentences."""
    known = np.isfinite(result.truth.joints_m).all(-1)
    expected = result.truth.expected_m[known] * 1000.0
    lines = [
        result.calibration.describe(),
        result.state_sentence,
        f"The second view's clock is {result.calibration.late_s * 1000.0:+.0f} ms late. Of {known.shape[0]} frames "
        f"{known.any(1).mean():.0%} have a triangulated hand, with {known.mean():.0%} of all joints; a joint is "
        f"expected within {np.median(expected):.1f} mm (median).",
    ]
    lines.append(
        "The triangulated hand is made from what both paths see in both views, so that errors against it are rather "
        "too small than too large."
    )
    for one in result.errors:
        view = ("first", "second")[one.view]
        lines.append(
            f"{name_of(one.path)}, {view} camera: {one.mean('aligned_mm'):.1f} mm aligned, "
            f"{one.mean('from_wrist_mm'):.1f} mm from the wrist, {one.mean('depth_mm'):.0f} mm in distance, "
            f"{one.mean('picture'):.3f} of the box in the picture, over {len(one.times_s)} frames "
            f"(found in {one.found:.0%})."
        )
    names = {path: name_of(path) for path in (one.path for one in result.errors)}
    lines += [comparison.sentence(names) for comparison in result.comparisons]
    return lines


def write_report(result: TwoViewResult, views: tuple[ViewRecording, ViewRecording], folder: Path) -> list[Path]:
    """Writes everything.

    Args:
        result: of the analysis.
        views: with pictures to draw the hand into.
        folder: made where it is missing; files of an earlier report are replaced.

    Returns:
        The files.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / name for name in ("report.json", "frames.csv", "joints.csv", "report.png")]
        write_json_atomically(files[0], content(result, views))
        write_text_atomically(files[1], _frames_csv(result))
        write_text_atomically(files[2], _joints_csv(result))
        write_picture(files[3], cv2.cvtColor(charts(result), cv2.COLOR_RGB2BGR))
        for number, picture in enumerate(pictures(result, views)):
            files.append(folder / f"hand_{number + 1}.png")
            write_picture(files[-1], cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    except OSError as error:
        raise ConfigError(f"The report cannot be written to {folder}: {error.strerror or error}.") from None
    return files


def content(result: TwoViewResult, views: tuple[ViewRecording, ViewRecording]) -> dict[str, Any]:
    """What report.json holds; what was not measured is null."""
    calibration = result.calibration
    expected = result.truth.expected_m[np.isfinite(result.truth.joints_m).all(-1)] * 1000.0
    return {
        "schema": SCHEMA,
        "sources": [view.facts.name for view in views],
        "sentences": summary(result),
        "state": result.state.value,
        "calibration": {
            "quality": calibration.quality,
            "expected_mm": rounded_or_none(calibration.expected_mm),
            "repeat_mm": rounded_or_none(calibration.repeat_mm),
            "angle_deg": rounded_or_none(calibration.angle_deg),
            "baseline_mm": rounded_or_none(calibration.pair.baseline_m * 1000.0),
            "epipolar_px": rounded_or_none(calibration.epipolar_px),
            "scale_from": calibration.length.source,
            "scale_uncertainty": calibration.length.uncertainty,
            "clock_late_ms": rounded_or_none(calibration.late_s * 1000.0),
            "from_this_take": result.calibrated_here,
        },
        "truth": {
            "frames": len(result.truth.times_s),
            "frames_with_hand": int(np.isfinite(result.truth.joints_m).all(-1).any(1).sum()),
            "joints_known": rounded_or_none(float(np.isfinite(result.truth.joints_m).all(-1).mean())),
            "expected_mm": {
                "p50": rounded_or_none(float(np.median(expected))),
                "p90": rounded_or_none(float(np.quantile(expected, 0.9))),
            },
        },
        "paths": [
            {
                "path": one.path,
                "view": one.view + 1,
                "frames": len(one.times_s),
                "found": rounded_or_none(one.found),
                **{
                    measure: {"mean": rounded_or_none(one.mean(measure)), "p50": rounded_or_none(one.median(measure))}
                    for measure in MEASURES
                },
            }
            for one in result.errors
        ],
        "comparisons": [
            {
                "one": comparison.one,
                "other": comparison.other,
                "view": comparison.view + 1,
                "measure": comparison.measure,
                "before": rounded_or_none(comparison.change.before),
                "after": rounded_or_none(comparison.change.after),
                "low": rounded_or_none(comparison.change.low),
                "high": rounded_or_none(comparison.change.high),
                "stretches": comparison.change.units,
                "verdict": comparison.change.verdict,
            }
            for comparison in result.comparisons
        ],
    }


def charts(result: TwoViewResult) -> UInt8[np.ndarray, "height width 3"]:
    """Errors over time and by joint, of both views."""
    rows = []
    for view in (0, 1):
        errors = [one for one in result.errors if one.view == view]
        if not errors:
            continue
        where = ("first", "second")[view]
        over_time = [(one, one.times_s, one.by_frame("aligned_mm")) for one in errors]
        by_joint = [(one, np.arange(21.0), mean_by_joint(one.aligned_mm)) for one in errors]
        expected = mean_by_joint(errors[0].expected_mm)
        rows.append(
            np.hstack(
                [
                    _chart(f"{where} camera: aligned error, mm, over seconds", over_time),
                    _chart(
                        f"{where} camera: aligned error, mm, by joint (grey: expected of the truth)", by_joint, expected
                    ),
                ]
            )
        )
    return np.vstack(rows) if rows else np.full((_HEIGHT, 2 * _WIDTH, 3), 255, np.uint8)


def pictures(
    result: TwoViewResult, views: tuple[ViewRecording, ViewRecording]
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """Both cameras' pictures of a few moments beside each other, the triangulated hand drawn into both.

    Args:
        result: of the analysis.
        views: with the pictures that were kept.
    """
    truth, late_s = result.truth, result.calibration.late_s
    whole = np.flatnonzero(np.isfinite(truth.joints_m).all((1, 2)))
    if not len(whole) or not all(view.pictures for view in views):
        return []
    chosen = []
    for kept in sorted(views[0].pictures):
        n = int(whole[np.abs(truth.times_s[whole] - kept).argmin()])
        partner, _ = views[1].picture_near(kept + late_s)
        if abs(truth.times_s[n] - kept) < 0.02 and abs(partner - kept - late_s) < 0.05:
            chosen.append((n, kept))
    step = max(1, len(chosen) // PICTURES)
    drawn = []
    for n, kept in chosen[step // 2 :: step][:PICTURES]:
        halves = []
        for view, recording in enumerate(views):
            _, picture = recording.picture_near(kept + (late_s if view else 0.0))
            joints_px = project(truth.in_view(view)[n], result.calibration.pair.intrinsics[view])
            halves.append(with_hand(picture, joints_px))
        height = min(half.shape[0] for half in halves)
        sized = [cv2.resize(half, (round(half.shape[1] * height / half.shape[0]), height)) for half in halves]
        drawn.append(np.hstack(sized))
    return drawn


def with_hand(
    picture: UInt8[np.ndarray, "height width 3"], joints_px: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "height width 3"]:
    """A copy of a picture with a hand's joints drawn in."""
    result = np.ascontiguousarray(picture.copy())
    low, high = joints_px.min(0), joints_px.max(0)
    anchor = (float(low[0] + high[0]) / 2.0, float(high[1]))
    overlay_skeleton(result, HandDrawing(joints_px, None, TRUTH_NAME, anchor, float((high - low).max())))
    return result


def _chart(
    title: str,
    curves: Sequence[tuple[PathErrors, np.ndarray, np.ndarray]],
    bars: np.ndarray | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    picture = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    left, right, top, bottom = 48, 12, 52, 30
    xs = np.concatenate([x for _, x, _ in curves])
    ys = np.concatenate([y for _, _, y in curves])
    ys = ys[np.isfinite(ys)]
    x_low, x_high = float(xs.min()), max(float(xs.max()), float(xs.min()) + 1e-6)
    y_high = 5.0 * math.ceil(max(float(np.quantile(ys, 0.995)) if len(ys) else 0.0, 5.0) / 5.0)

    def place(x: float, y: float) -> tuple[int, int]:
        return (
            round(left + (x - x_low) / (x_high - x_low) * (_WIDTH - left - right)),
            round(_HEIGHT - bottom - min(y / y_high, 1.0) * (_HEIGHT - top - bottom)),
        )

    _write(picture, title, (left, 18), _TEXT, 0.42)
    for share in np.linspace(0.0, 1.0, 5):
        y = place(x_low, share * y_high)[1]
        cv2.line(picture, (left, y), (_WIDTH - right, y), _GRID, 1)
        _write(picture, f"{share * y_high:.0f}", (8, y + 4), _TEXT, 0.38)
    if bars is not None:
        for joint, value in enumerate(bars):
            if np.isfinite(value):
                (x, y), (_, base) = place(float(joint), float(value)), place(float(joint), 0.0)
                cv2.rectangle(picture, (x - 5, y), (x + 5, base), (205, 210, 218), -1)
        for joint in range(21):
            color = rgb(FINGER_COLORS[(joint - 1) // 4]) if joint else (120, 120, 120)
            cv2.circle(picture, (place(float(joint), 0.0)[0], _HEIGHT - bottom + 8), 3, color, -1, cv2.LINE_AA)
        _write(picture, "wrist, thumb, index, middle, ring, pinky", (left, _HEIGHT - 6), _TEXT, 0.36)
    else:
        for share in np.linspace(0.0, 1.0, 6):
            second = x_low + share * (x_high - x_low)
            at = min(place(second, 0.0)[0] - 6, _WIDTH - right - 24)
            _write(picture, f"{second:.0f}", (at, _HEIGHT - 10), _TEXT, 0.38)
    for number, (one, along, up) in enumerate(curves):
        color = _COLORS.get(one.path, (138, 91, 199))
        points = [place(float(a), float(b)) for a, b in zip(along, up, strict=True) if math.isfinite(b)]
        if len(points) > 1:
            cv2.polylines(picture, [np.array(points)], False, color, 1, cv2.LINE_AA)
        cv2.line(picture, (left + 190 * number, 34), (left + 190 * number + 16, 34), color, 3)
        _write(picture, f"{name_of(one.path)} {one.mean('aligned_mm'):.1f}", (left + 190 * number + 22, 38), _TEXT, 0.4)
    return picture


def _write(picture: np.ndarray, text: str, at: tuple[int, int], color: tuple[int, int, int], size: float) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)


def _frames_csv(result: TwoViewResult) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["view", "path", "time_s", *MEASURES, "truth_expected_mm"])
    for one in result.errors:
        columns = [one.by_frame(measure) for measure in MEASURES]
        expected = np.nanmean(one.expected_mm, 1)
        for n, time_s in enumerate(one.times_s):
            figures = [f"{column[n]:.4f}" for column in columns]
            writer.writerow([one.view + 1, one.path, f"{time_s:.4f}", *figures, f"{expected[n]:.3f}"])
    return text.getvalue()


def _joints_csv(result: TwoViewResult) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["view", "path", "joint", "aligned_mm", "from_wrist_mm", "picture", "truth_expected_mm"])
    for one in result.errors:
        means = [mean_by_joint(values) for values in (one.aligned_mm, one.from_wrist_mm, one.picture, one.expected_mm)]
        for joint, name in enumerate(JOINT_NAMES):
            writer.writerow([one.view + 1, one.path, name, *(f"{mean[joint]:.4f}" for mean in means)])
    return text.getvalue()
