"""Labels a recorded session as a whole: one shape for the person, movement in both directions of time, and weights.

The order of steps: landmarks are corrected for the detector's systematic errors, as far as the session shows that
error; the person's shape is solved over many different frames and held; each hand's movement is solved at once; then
every frame is compared with all its evidence, weighted or rejected, and moved half way to the network's pose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from app.labelling.evidence import Detector, FrameEvidence, collect
from app.labelling.fusion import Fused, fuse
from app.labelling.label_weights import weight_label
from app.labelling.person_shape import LARGEST_DEVIATION
from app.machine import product_version
from hand.camera import Intrinsics, project
from hand.errors import RecordingError
from hand.mirror import Side
from hand.model import HandModel
from hand.recording import RecordedHand
from hand.recording_reader import open_recording
from hand.session_labels import OfflineLabel, OfflineLabels, write_offline
from hand.types import HandObservation
from ik_baseline.calibration import HandCalibrator
from ik_baseline.landmark_correction import (
    PHOTOGRAPH_SHARE,
    LandmarkCorrection,
    correction_strength,
    measured_correction,
)
from ik_baseline.person import HandCalibration
from ik_baseline.session_solver import FRAME_S, Seen, SessionSolver
from ik_baseline.solver import IkSolution, IkSolver

SHAPE_FRAMES: Final = 40
"""Different frames that the person's shape is solved over."""

_LEAST_SHAPE_FRAMES: Final = 8
_SHAPE_CANDIDATES: Final = 400

Progress = Callable[[str, float], None]
"""Callback with the present step, and the share of the whole that is done, 0 to 1."""


def label_session(
    folder: Path,
    model: HandModel,
    *,
    detector: Detector | None = None,
    progress: Progress | None = None,
    correction: LandmarkCorrection | None = None,
) -> OfflineLabels:
    """Labels a session and writes ``offline.jsonl`` into it.

    Args:
        folder: the session.
        model: the hand model of its poses and shapes.
        detector: processes frames without live landmarks; they stay without label when left out.
        progress: called with every step.
        correction: of the detector's landmarks; the measured one when left out.

    Raises:
        RecordingError: it is no recording, it was recorded with another hand model, no hand is in it, or the disk is
            full.
    """
    report = progress or (lambda stage, share: None)
    recording = open_recording(folder)
    recording.require_model(model, "label")
    total = max(len(recording.frames), 1)
    evidence = collect(recording, detector, lambda done: report("looking at frames", 0.45 * done / total))
    if not evidence:
        raise RecordingError(f"No hand was seen in {folder}, so there is nothing to label; record it again.")
    offline = label_evidence(evidence, recording.info.intrinsics, model, report, correction)
    write_offline(folder, offline)
    report("done", 1.0)
    return offline


def label_evidence(
    evidence: Sequence[FrameEvidence],
    intrinsics: Intrinsics,
    model: HandModel,
    report: Progress = lambda stage, share: None,
    correction: LandmarkCorrection | None = None,
) -> OfflineLabels:
    """Labels hands with collected evidence.

    Args:
        evidence: at least one, in time order.
        intrinsics: of the pictures.
        model: the hand model.
        report: called with every step.
        correction: of the detector's landmarks; the measured one when left out.
    """
    correct = correction or measured_correction()
    share = correction_strength(correct, [seen.observation for seen in evidence], intrinsics)
    # renderings take all of it, in the picture too; photographs half of it, and nothing in the picture
    in_picture = max(0.0, (share - PHOTOGRAPH_SHARE) / (1.0 - PHOTOGRAPH_SHARE))
    observations = [
        correct(seen.observation, intrinsics, form_share=share, picture_share=in_picture) for seen in evidence
    ]
    report("measuring the hand", 0.5)
    calibration = person_of(observations, intrinsics, model)
    solver = SessionSolver(IkSolver(model, calibration), _frame_s(evidence))
    solutions: dict[int, IkSolution] = {}
    sides: tuple[Side, ...] = ("right", "left")
    for side in sides:
        own = [number for number, observation in enumerate(observations) if observation.side == side]
        observed = [Seen(evidence[number].frame.index, observations[number]) for number in own]

        def report_solved(solved: int, before: int = len(solutions)) -> None:
            report("solving the movement", 0.55 + 0.4 * (before + solved) / len(evidence))

        if observed:
            solutions |= zip(own, solver.solve(observed, intrinsics, progress=report_solved), strict=True)
    solved = [solutions[number] for number in range(len(evidence))]
    report("fusing both estimates", 0.95)
    fused = fuse(evidence, observations, solved, intrinsics, model, in_picture)
    labels: list[OfflineLabel] = []
    for seen, solution, hand in zip(evidence, solved, fused, strict=True):
        weighted = weight_label(seen, solution, intrinsics)
        recorded = _recorded(hand, seen, weighted.weight, intrinsics)
        labels.append(OfflineLabel(seen.frame.index, recorded, weighted.weight, weighted.reasons, weighted.agreement))
    labels.sort(key=lambda label: label.frame)
    return OfflineLabels(
        labels=tuple(labels),
        shape=np.asarray(fused[0].shape, np.float32),
        hand_model_digest=model.digest,
        made_with={
            "handlive": product_version(),
            "shape_frames": str(calibration.frames),
            "correction_share": f"{share:g}",
        },
    )


def person_of(observations: Sequence[HandObservation], intrinsics: Intrinsics, model: HandModel) -> HandCalibration:
    """The person's shape, solved over different frames from all over the session.

    Args:
        observations: corrected.
        intrinsics: of the pictures.
        model: the hand model.

    Returns:
        The average hand where too few different frames were found.
    """
    # the correction already includes the offsets
    calibrator = HandCalibrator(model, wanted_frames=SHAPE_FRAMES, offset_deviation_m=1e-5)
    order = np.random.default_rng(0).permutation(len(observations))[:_SHAPE_CANDIDATES]
    taken = sum(calibrator.add(observations[number], intrinsics) for number in order)
    if taken < _LEAST_SHAPE_FRAMES:
        return HandCalibration.default(model)
    solved = calibrator.solve()
    return replace(solved, shape=np.clip(solved.shape, -LARGEST_DEVIATION, LARGEST_DEVIATION))


def _frame_s(evidence: Sequence[FrameEvidence]) -> float:
    """Time from one frame to the next; the usual one where a session has no two neighbours."""
    pairs = [(b.frame, a.frame) for a, b in pairwise(evidence) if b.frame.index == a.frame.index + 1]
    steps = [after.capture_time_ns - before.capture_time_ns for after, before in pairs]
    return float(np.median(steps)) / 1e9 if steps else FRAME_S


def _recorded(hand: Fused, seen: FrameEvidence, weight: float, intrinsics: Intrinsics) -> RecordedHand:
    observation = seen.observation
    single = np.float32
    apart_px = project(hand.joints_m, intrinsics) - np.asarray(observation.landmarks_px)
    return RecordedHand(
        side=observation.side,
        origin="offline",
        confidence=weight,
        pose_rad=hand.pose_rad.astype(single),
        shape=np.asarray(hand.shape, single),
        camera_translation_m=hand.camera_translation_m.astype(single),
        joints_m=hand.joints_m.astype(single),
        reprojection_px=float(np.linalg.norm(apart_px, axis=1).mean()),
        landmarks_px=np.asarray(observation.landmarks_px, single),
        world_landmarks_m=np.asarray(observation.world_landmarks_m, single),
    )
