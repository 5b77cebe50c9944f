"""Labels of a take that two cameras recorded: the hand model, laid onto the triangulated joints in both views.

The person's shape is measured (``hand_shape.py``), then held; each frame is posed by the inverse kinematics of
``ik_baseline``. Joints that two views could not triangulate are filled from the most certain path's hand,
moved onto the joints that are known.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float

from app.machine import product_version
from app.pipeline.paths.calibrated_ik_path import measured_own_shape
from app.two_views.analysis import skew_of_tracks
from app.two_views.calibration import KnownLength, PairCalibration, calibrate_pair
from app.two_views.evidence import ViewTrack, ViewTrackBuilder
from app.two_views.hand_shape import keep_shape, measured_shape
from app.two_views.session_link import write_links
from app.two_views.time_pairing import LIVE_SEARCH_S, paired
from app.two_views.truth import Truth, measure_truth
from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.errors import RecordingError
from hand.metrics import best_similarity
from hand.mirror import Side, mirror_points
from hand.model import HandModel
from hand.recording import RecordedHand
from hand.recording_reader import Recording, open_recording
from hand.session_labels import OfflineLabel, OfflineLabels, write_offline
from hand.types import HandObservation, HandState
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver, turn_to_ray

FEWEST_JOINTS: Final = 16
"""Triangulated joints of a frame that gets a label."""

JOINT_SIGMA_M: Final = 0.004
"""How far the posed model may lie from a triangulated joint."""

NO_LABEL_MM: Final = 15.0
"""Expected error from which a frame is no label."""


def track_of_session(recording: Recording) -> ViewTrack:
    """The live paths' results in a recorded session.

    Args:
        recording: of one view.
    """
    builder = ViewTrackBuilder()
    start_ns = recording.frames[0].capture_time_ns if recording.frames else 0
    for frame in recording.frames:
        hands: dict[str, HandState | None] = {}
        for hand in frame.hands:
            if hand.origin in ("network", "ik") and hands.get(hand.origin) is None:
                hands[hand.origin] = _state(hand, frame.sequence)
        builder.add((frame.capture_time_ns - start_ns) / 1e9, hands, recording.info.intrinsics)
    return builder.track()


def label_sessions(
    first: Path,
    second: Path,
    model: HandModel,
    *,
    calibration: PairCalibration | None = None,
    length: KnownLength | None = None,
    late_s: float | None = None,
    hand_shape: Float[np.ndarray, "10"] | None = None,
) -> tuple[Truth, tuple[OfflineLabels, OfflineLabels]]:
    """Labels both sessions of one take from the triangulation of their views, and writes ``offline.jsonl`` into each.

    Each session is linked to the other one, so that a review shows both.

    Args:
        first: session of the first camera.
        second: session of the second camera.
        model: hand model of both sessions.
        calibration: of the two cameras; solved from this take when left out.
        length: gives a new calibration its scale.
        late_s: how much later the second session's clock is, both beginning with their first frames; found from the
            hand's movement when left out.
        hand_shape: of the person where it was measured before, and so perhaps held by the paths in this take; measured
            on this take when left out.

    Raises:
        RecordingError: a session cannot be read or written, or was recorded with another hand model.
        ConfigError: the views cannot be calibrated, or do not show one hand.
    """
    recordings = open_recording(first), open_recording(second)
    for recording in recordings:
        recording.require_model(model, "label")
        if not recording.frames:
            raise RecordingError(f"{recording.folder} holds no frame, so there is nothing to label; record it again.")
    tracks = tuple(track_of_session(recording) for recording in recordings)
    if late_s is None:
        # both clocks are the machine's own; sessions begin when their camera does
        offset_s = (recordings[0].frames[0].capture_time_ns - recordings[1].frames[0].capture_time_ns) / 1e9
        late_s = skew_of_tracks(tracks[0], tracks[1], LIVE_SEARCH_S + abs(offset_s), offset_s)
    one, other = paired(tracks[0], tracks[1], late_s)
    known = calibration or calibrate_pair(
        one, other, recordings[0].info.intrinsics, recordings[1].info.intrinsics, length, late_s=late_s
    )
    truth = measure_truth(known, one, other)
    shape = measured_shape(truth, model) if hand_shape is None else hand_shape
    backwards, forwards = paired(tracks[1], tracks[0], -late_s)
    mirrored_truth = measure_truth(known, forwards, backwards)
    labels = []
    for view, (recording, own, track) in enumerate(
        ((recordings[0], truth, one), (recordings[1], mirrored_truth, backwards))
    ):
        labels.append(label_view(recording, own, view, track, shape, known.pair.intrinsics[view], model))
        write_offline(recording.folder, labels[-1])
    write_links(first, second, known.pair, late_s)
    return truth, (labels[0], labels[1])


def label_take(
    first: Path,
    second: Path,
    model: HandModel,
    calibration: PairCalibration,
    late_s: float,
    *,
    live: bool,
    hand_file: Path | None = None,
) -> tuple[tuple[int, int], str]:
    """Labels both sessions of a take, with the shape of the user's hand where cameras recorded it.

    A shape that was measured before is held, and one that is measured now is kept. The hand in a file may be another
    person's.

    Args:
        first: session of the first camera.
        second: session of the second camera.
        model: hand model of both sessions.
        calibration: of the two cameras.
        late_s: see :func:`label_sessions`.
        live: cameras recorded it.
        hand_file: where the shape of the user's hand is kept; the user's own calibration when left out.

    Returns:
        How many labels each session has, and what was done with the shape in a sentence, empty for files.

    Raises:
        HandliveError: as :func:`label_sessions`, or the shape cannot be written.
    """
    known = measured_own_shape(model, hand_file) if live else None
    _, labels = label_sessions(first, second, model, calibration=calibration, late_s=late_s, hand_shape=known)
    one, other = (len(each.labels) for each in labels)
    return (one, other), keep_shape(labels[0].shape, one + other, model, hand_file) if live else ""


def label_view(
    recording: Recording,
    truth: Truth,
    view: int,
    track: ViewTrack,
    shape: Float[np.ndarray, "10"],
    intrinsics: Intrinsics,
    model: HandModel,
) -> OfflineLabels:
    """The labels of one view's session.

    Args:
        recording: the session; its frames are those of ``truth``.
        truth: the triangulated hand at the session's frames.
        view: 0 for the first camera, 1 for the second.
        track: the paths' results in this view.
        shape: of the person.
        intrinsics: of this view as calibrated.
        model: a right hand.
    """
    solver = IkSolver(model, replace(HandCalibration.without_offsets(model), shape=shape))
    labels: list[OfflineLabel] = []
    joints = truth.in_view(view)
    for n, frame in enumerate(recording.frames):
        known = np.isfinite(joints[n]).all(-1)
        if known.sum() < FEWEST_JOINTS or not known[0]:
            continue
        expected_mm = float(np.nanmean(truth.expected_m[n])) * 1000.0
        whole = _filled(joints[n], known, track, n)
        if whole is None:
            continue
        solved = posed_onto(solver, whole, truth.side, intrinsics)
        weight = float(np.clip(1.0 - expected_mm / NO_LABEL_MM, 0.0, 1.0))
        hidden = int((~known).sum())
        reasons = (f"{hidden} joints are filled in",) if hidden else ()
        labels.append(
            OfflineLabel(
                frame.index,
                replace(solved, confidence=weight),
                weight,
                reasons,
                MappingProxyType({"expected_mm": expected_mm}),
            )
        )
    if not labels:
        raise RecordingError(f"The hand in {recording.folder} cannot be triangulated; check that it is in both views.")
    return OfflineLabels(
        labels=tuple(labels),
        shape=shape.astype(np.float32),
        hand_model_digest=model.digest,
        made_with=MappingProxyType({"handlive": product_version(), "labels": "two views"}),
    )


def _filled(
    joints_m: Float[np.ndarray, "21 3"], known: np.ndarray, track: ViewTrack, n: int
) -> Float[np.ndarray, "21 3"] | None:
    """All joints, the unknown ones from the most certain path; None where no path found a hand."""
    if known.all():
        return joints_m
    seen = [path for path, values in track.joints_m.items() if np.isfinite(values[n]).all()]
    if not seen:
        return None
    path = max(seen, key=lambda name: float(track.confidence[name][n]))
    fit = best_similarity(track.joints_m[path][n][known], joints_m[known])
    return np.where(known[:, None], joints_m, fit.applied(track.joints_m[path][n]))


def posed_onto(
    solver: IkSolver, joints_m: Float[np.ndarray, "21 3"], side: Side, intrinsics: Intrinsics
) -> RecordedHand:
    """The hand model, posed onto joints that two views measured.

    Args:
        solver: of the person's shape.
        joints_m: 21 joints in camera axes.
        side: of the hand.
        intrinsics: of the picture that the joints are seen in.
    """
    pixels = project(joints_m, intrinsics)
    middle = pixels.mean(0)
    if side == "left":
        turn = turn_to_ray(np.array([intrinsics.width_px - 1 - middle[0], middle[1]]), intrinsics.mirrored())
        world = mirror_points(mirror_points(joints_m - joints_m.mean(0)) @ turn)
    else:
        world = (joints_m - joints_m.mean(0)) @ turn_to_ray(middle, intrinsics)
    observation = HandObservation(side, 1.0, pixels, world, crop_around(pixels, 1.5))
    target = solver.target(observation, intrinsics)._replace(world_precision=1.0 / np.full(3, JOINT_SIGMA_M))
    solution = solver.described(side, target, solver.converge(target))
    single = np.float32
    return RecordedHand(
        side=side,
        origin="two_views",
        confidence=1.0,
        pose_rad=solution.pose_rad.astype(single),
        shape=np.asarray(solution.shape, single),
        camera_translation_m=solution.camera_translation_m.astype(single),
        joints_m=solution.joints_m.astype(single),
        reprojection_px=float(solution.reprojection_px.mean()),
    )


def _state(hand: RecordedHand, sequence: int) -> HandState:
    """A recorded estimate as the path gave it, without its mesh."""
    return HandState(
        sequence=sequence,
        side=hand.side,
        pose_rad=hand.pose_rad,
        shape=hand.shape,
        camera_translation_m=hand.camera_translation_m,
        joints_m=hand.joints_m,
        vertices_m=np.zeros((0, 3), np.float32),
        confidence=hand.confidence,
        origin="network" if hand.origin == "network" else "ik",
    )
