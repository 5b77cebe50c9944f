"""The offline pass: smoother and more accurate than single frames, one shape per session, outliers rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.labelling.evidence import FrameEvidence, collect
from app.labelling.session_labeller import label_session
from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.errors import RecordingError
from hand.landmark_offsets import measured_offsets_m
from hand.layer import HandLayer
from hand.metrics import jitter_mm
from hand.mirror import mirror_pixels, mirror_points
from hand.recording import RecordedHand, SessionInfo
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.session_labels import read_session_labels
from hand.types import Frame, HandObservation
from ik_baseline.landmark_correction import LandmarkCorrection
from trainer.synthetic.moving_hand import MovingHand

CAMERA = Intrinsics.from_fov(64, 48, 60.0)
MODEL = load_embedded_model()
FRAMES = 60
NOTHING_TO_CORRECT = LandmarkCorrection(np.zeros((1, 114)), np.zeros((1, 105)), np.zeros(105), 1.0)


@pytest.fixture(scope="module")
def movement() -> tuple[MovingHand, np.ndarray]:
    """A moving hand and its true joints."""
    hand = MovingHand(MODEL, 5, FRAMES, width_px=64, height_px=48)
    layer = HandLayer(MODEL, np.float64)
    poses = [hand.hand_at(k) for k in range(FRAMES)]
    return hand, np.stack([layer(pose, hand.shape, place).joints_m for pose, place in poses])


def _session(
    folder: Path, movement: tuple[MovingHand, np.ndarray], *, noise_m: float = 0.0, wrong: tuple[int, ...] = (),
    left: bool = False, flicker: tuple[int, ...] = (),
) -> Path:  # fmt: skip
    hand, joints = movement
    rng = np.random.default_rng(1)
    camera = hand.intrinsics.mirrored() if left else hand.intrinsics
    offsets = np.linalg.norm(measured_offsets_m(), axis=1).mean()
    assert offsets < 0.02, "landmarks and joints are much the same here"
    info = SessionInfo("test", camera, False, MODEL.name, MODEL.digest)
    with RecordingWriter(folder, info, min_free_bytes=0) as writer:
        for k in range(FRAMES):
            seen = joints[k] + rng.normal(scale=max(noise_m, 1e-9), size=(21, 3))
            if k in wrong:
                seen = seen[::-1]
            pixels = project(joints[k] if k not in wrong else seen, hand.intrinsics)
            world = seen - seen.mean(0)
            if left:
                seen, world, pixels = mirror_points(seen), mirror_points(world), mirror_pixels(pixels, 64)
            side = "left" if left != (k in flicker) else "right"
            numbers = (np.zeros(48), np.zeros(10), np.zeros(3), seen)
            live = RecordedHand(side, "ik", 0.9, *numbers, 1.0, pixels, world)  # type: ignore[arg-type]
            writer.add(Frame(k, k * 33_333_333, np.zeros((48, 64, 3), np.uint8), camera, "test"), [live])
    return folder


def _error_mm(joints: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm((joints - joints[:, :1]) - (truth - truth[:, :1]), axis=-1).mean() * 1e3)


def test_offline_labels_are_more_accurate_and_smoother_than_live_estimates(
    tmp_path: Path, movement: tuple[MovingHand, np.ndarray]
) -> None:
    folder = _session(tmp_path / "s", movement, noise_m=0.008)
    label_session(folder, MODEL, correction=NOTHING_TO_CORRECT)
    session = read_session_labels(folder)
    assert len(session.labels) == FRAMES
    live = np.array([label.frame.hands[0].joints_m for label in session.labels])
    offline = np.array([label.hand.joints_m for label in session.labels])
    assert _error_mm(offline, movement[1]) < 0.8 * _error_mm(live, movement[1])
    assert jitter_mm(offline - offline[:, :1]) < 0.2 * jitter_mm(live - live[:, :1])


def test_one_shape_for_the_person(tmp_path: Path, movement: tuple[MovingHand, np.ndarray]) -> None:
    folder = _session(tmp_path / "s", movement)
    label_session(folder, MODEL, correction=NOTHING_TO_CORRECT)
    session = read_session_labels(folder)
    assert session.person_shape is not None
    for label in session.labels:
        np.testing.assert_array_equal(label.hand.shape, session.person_shape)


def test_outlier_frames_are_rejected_with_a_reason(tmp_path: Path, movement: tuple[MovingHand, np.ndarray]) -> None:
    wrong = (20, 33, 34)
    folder = _session(tmp_path / "s", movement, noise_m=0.002, wrong=wrong)
    label_session(folder, MODEL, correction=NOTHING_TO_CORRECT)
    labels = read_session_labels(folder).labels
    assert {label.frame.index for label in labels if label.status == "rejected"} == set(wrong)
    assert all(label.reasons for label in labels if label.status == "rejected")
    right = [label.weight for label in labels if label.status == "kept"]
    assert min(right) > 0.3


def test_a_left_hand_is_the_mirror_of_the_right_one(tmp_path: Path, movement: tuple[MovingHand, np.ndarray]) -> None:
    right = label_session(_session(tmp_path / "r", movement), MODEL, correction=NOTHING_TO_CORRECT)
    left = label_session(_session(tmp_path / "l", movement, left=True), MODEL, correction=NOTHING_TO_CORRECT)
    for one, other in zip(right.labels, left.labels, strict=True):
        assert other.hand.side == "left"
        np.testing.assert_allclose(mirror_points(other.hand.joints_m), one.hand.joints_m, atol=1e-4)


def test_momentary_change_of_side_is_corrected(tmp_path: Path, movement: tuple[MovingHand, np.ndarray]) -> None:
    folder = _session(tmp_path / "s", movement, flicker=(10, 40))
    evidence = collect(open_recording(folder))
    assert {seen.observation.side for seen in evidence} == {"right"}
    assert [seen.frame.index for seen in evidence if seen.side_changed] == [10, 40]


class _Detector:
    """Finds a hand in every picture."""

    def __init__(self, joints: np.ndarray, camera: Intrinsics) -> None:
        self.calls = 0
        pixels = project(joints, camera)
        self.observation = HandObservation("right", 0.9, pixels, joints - joints.mean(0), crop_around(pixels, 1.5))

    def detect(self, image_rgb: np.ndarray) -> tuple[HandObservation, ...]:
        self.calls += 1
        return (self.observation,)


def test_frames_without_a_live_result_are_detected_offline(
    tmp_path: Path, movement: tuple[MovingHand, np.ndarray]
) -> None:
    recording = open_recording(_session(tmp_path / "s", movement))
    frames = tuple(replace(frame, hands=()) if frame.index % 3 else frame for frame in recording.frames)
    detector = _Detector(movement[1][0], movement[0].intrinsics)
    evidence = collect(replace(recording, frames=frames), detector)
    assert detector.calls == 40
    assert len(evidence) == FRAMES
    assert sum(isinstance(seen, FrameEvidence) and seen.live is None for seen in evidence) == 40


def test_of_two_live_hands_of_one_side_the_surer_counts(
    tmp_path: Path, movement: tuple[MovingHand, np.ndarray]
) -> None:
    recording = open_recording(_session(tmp_path / "s", movement))
    frames = []
    for frame in recording.frames:
        sure = frame.hands[0]
        doubtful = replace(sure, confidence=0.4, joints_m=sure.joints_m + np.float32(0.2))
        frames.append(replace(frame, hands=(doubtful, sure) if frame.index % 2 else (sure, doubtful)))
    evidence = collect(replace(recording, frames=tuple(frames)))
    assert [seen.frame.index for seen in evidence] == list(range(FRAMES))
    assert all(seen.live is frame.hands[frame.index % 2] for seen, frame in zip(evidence, frames, strict=True))


def test_wrong_hand_model_and_empty_session_are_refused(
    tmp_path: Path, movement: tuple[MovingHand, np.ndarray]
) -> None:
    info = SessionInfo("test", CAMERA, False, "MANO", "f" * 64)
    with RecordingWriter(tmp_path / "other", info, min_free_bytes=0):
        pass
    with pytest.raises(RecordingError, match="hand model MANO"):
        label_session(tmp_path / "other", MODEL)
    info = replace(info, hand_model=MODEL.name, hand_model_digest=MODEL.digest)
    with RecordingWriter(tmp_path / "empty", info, min_free_bytes=0):
        pass
    with pytest.raises(RecordingError, match="No hand was seen"):
        label_session(tmp_path / "empty", MODEL)
