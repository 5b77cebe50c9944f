"""Two live views without a window: calibration, errors of the paths, and moved, lost or changed cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import FakePath, FakeSource, found, wait_until
from two_view_fakes import RATE, moving_joints, pair_of

from app.pipeline.output_reason import OutputCause, OutputReason
from app.pipeline.output_selector import OutputHand
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.scene_view import as_seen_by_camera
from app.two_views.calibration import KnownLength
from app.two_views.camera_pair import CameraPair
from app.two_views.live_pair import CLOCKS_SENTENCE, ONE_VIEW_SENTENCE, UNRELATED_SENTENCE, LivePair, PairReading
from app.two_views.live_two_views import LiveTwoViews
from app.two_views.movement_check import PairState
from app.two_views.movement_progress import MovementProgress, movement_progress
from app.two_views.pair_recorder import PairRecorder
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.mirror import mirror_points, other_side
from hand.recording_reader import open_recording
from hand.rotations import matrix_from_axis_angle
from hand.session_labels import read_session_labels
from hand.types import Frame, HandOrigin, HandState, PathResult
from ik_baseline.person import HandCalibration

START_NS = 5_000_000_000
LATE_S = 0.05
SECONDS = 24
PICTURE = np.full((480, 640, 3), 90, np.uint8)


def state_of(frame: Frame, joints: np.ndarray, path_id: HandOrigin) -> HandState:
    return HandState(
        frame.sequence,
        "right",
        np.zeros(48, np.float32),
        np.zeros(10, np.float32),
        np.zeros(3, np.float32),
        joints.astype(np.float32),
        np.zeros((0, 3), np.float32),
        0.9,
        path_id,
    )


def joined_of(
    number: int, joints: np.ndarray, intrinsics: Intrinsics, name: str, *, late_s: float = 0.0, live: bool = True
) -> JoinedResult:
    """A frame with the network's joints, and MediaPipe + IK's with a finger tip a centimetre away."""
    time_ns = START_NS + round((number / RATE + late_s) * 1e9)
    frame = Frame(number, time_ns, PICTURE.copy(), intrinsics, name, live=live)
    wrong = joints.copy()
    wrong[8, 0] += 0.01
    network, ik = state_of(frame, joints, "network"), state_of(frame, wrong, "ik")
    results = {
        "network": PathResult(frame, "network", (network,)),
        "ik": PathResult(frame, "ik", (ik,)),
    }
    return JoinedResult(frame, results, (OutputHand(network, OutputReason(OutputCause.FUSED)),))


@pytest.fixture(scope="module")
def joints() -> np.ndarray:
    return moving_joints(int(SECONDS * RATE), seed=2)


def length_of(joints: np.ndarray) -> KnownLength:
    return KnownLength((0, 9), float(np.linalg.norm(joints[0, 0] - joints[0, 9])), "a ruler", 0.0)


def play(
    live: LivePair, joints: np.ndarray, cameras: CameraPair, *, begin: int = 0, mirrored: bool = False
) -> list[PairReading]:
    """Adds a movement to both views and steps the pair once for every second of it."""
    rng = np.random.default_rng(7)
    readings = []
    for n, at in enumerate(joints, begin):
        noisy = at + rng.normal(size=at.shape) * 0.001
        first = joined_of(n, noisy, cameras.first, "Cam A")
        live.add(0, seen_mirrored(first) if mirrored else first)
        there = cameras.to_second(at) + rng.normal(size=at.shape) * 0.001
        live.add(1, joined_of(n, there, cameras.second, "Cam B", late_s=LATE_S))
        if n % int(RATE) == int(RATE) - 1:
            readings.append(live.step())
    return readings


def seen_mirrored(joined: JoinedResult) -> JoinedResult:
    """The same result as from a window that mirrors its camera."""
    turned = as_seen_by_camera(replace(joined, frame=replace(joined.frame, mirrored=True)), picture=True)
    frame = replace(turned.frame, mirrored=True)
    return replace(turned, frame=frame)


@pytest.fixture(scope="module")
def measured(joints: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[LivePair, list[PairReading], Path]:
    """A pair that was calibrated with the hand and then evaluates the paths; the first view is mirrored."""
    folder = tmp_path_factory.mktemp("cameras")
    live = LivePair(length_of(joints), folder)
    readings = play(live, joints, pair_of(), mirrored=True)
    return live, readings, folder


def test_pair_is_uncalibrated_until_both_cameras_give_a_picture(joints: np.ndarray, tmp_path: Path) -> None:
    live = LivePair(None, tmp_path)
    assert live.step().sentence == ONE_VIEW_SENTENCE
    live.add(0, joined_of(0, joints[0], pair_of().first, "Cam A"))
    assert live.step().state is PairState.UNCALIBRATED
    assert live.frame().frames[1] is None
    with pytest.raises(ConfigError, match="Nothing was measured yet"):
        live.result()


def test_movement_calibrates_the_cameras_and_yields_path_errors(
    measured: tuple[LivePair, list[PairReading], Path],
) -> None:
    _, readings, _ = measured
    assert readings[0].state is PairState.UNCALIBRATED
    assert 0.0 < readings[2].share < 1.0
    shares = [reading.share for reading in readings if reading.state is PairState.UNCALIBRATED]
    assert shares == sorted(shares)
    last = readings[-1]
    assert last.state is PairState.GOOD
    assert last.calibration is not None
    assert last.calibration.quality == "good"
    assert last.calibration.late_s == pytest.approx(LATE_S, abs=0.02)
    errors = {(one.path, one.view): one for one in last.errors}
    assert set(errors) == {(path, view) for path in ("network", "ik", "output") for view in (0, 1)}
    assert errors["ik", 0].mean("aligned_mm") > errors["network", 0].mean("aligned_mm")
    assert np.nanmean(errors["ik", 1].from_wrist_mm, 0).argmax() == 8
    assert np.isfinite(last.expected_mm)


def test_triangulated_hand_is_drawn_at_its_projection(
    joints: np.ndarray, measured: tuple[LivePair, list[PairReading], Path]
) -> None:
    live, _, _ = measured
    moment = live.frame()
    assert moment.measured
    first, second = moment.frames
    assert first is not None
    assert second is not None
    assert not first.mirrored
    drawn = moment.joints_px[0]
    assert drawn is not None
    exact = project(joints[first.sequence], pair_of().first)
    assert np.nanmedian(np.linalg.norm(drawn - exact, axis=-1)) < 6.0


def test_live_report_has_the_files_of_a_recorded_one(
    measured: tuple[LivePair, list[PairReading], Path], tmp_path: Path
) -> None:
    live, _, _ = measured
    files = live.write_report(tmp_path / "report")
    assert {file.name for file in files} >= {"report.json", "frames.csv", "joints.csv", "report.png", "hand_1.png"}


def test_saved_calibration_is_used_immediately_and_a_moved_camera_is_detected(
    joints: np.ndarray, measured: tuple[LivePair, list[PairReading], Path]
) -> None:
    _, _, folder = measured
    live = LivePair(None, folder)
    readings = play(live, joints[:120], pair_of())
    assert readings[-1].state is PairState.GOOD
    assert readings[-1].errors
    still = pair_of()
    moved = replace(still, rotation=matrix_from_axis_angle(np.radians([4.0, 0.0, 0.0])) @ still.rotation)
    readings = play(live, joints[120:300], moved, begin=120)
    assert readings[-1].state is PairState.MOVED
    assert "calibrate the two cameras again" in readings[-1].sentence
    assert not readings[-1].comparisons
    assert not live.frame().measured
    live.recalibrate()
    reading = live.step()
    assert reading.state is PairState.UNCALIBRATED
    assert reading.calibration is None


def test_refused_calibration_is_explained_and_retried(
    joints: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def refuse(*_arguments: object, **_more: object) -> None:
        tries.append(1)
        raise ConfigError("The two cameras view the hand from nearly the same side; put them apart.")

    monkeypatch.setattr("app.two_views.live_pair.calibrate_pair", refuse)
    live = LivePair(None, tmp_path)
    readings = play(live, np.concatenate([joints, joints[:360]]), pair_of())
    assert readings[-1].state is PairState.UNCALIBRATED
    assert "nearly the same side" in readings[-1].sentence
    assert 2 <= len(tries) <= 3


def test_camera_moved_before_the_first_measurement_is_detected(
    joints: np.ndarray, measured: tuple[LivePair, list[PairReading], Path]
) -> None:
    still = pair_of()
    moved = replace(still, rotation=matrix_from_axis_angle(np.radians([15.0, 0.0, 0.0])) @ still.rotation)
    readings = play(LivePair(None, measured[2]), joints[:180], moved)
    assert readings[-1].state is PairState.MOVED
    assert "calibrate the two cameras again" in readings[-1].sentence


def test_changing_the_first_camera_restarts_the_pair(joints: np.ndarray, tmp_path: Path) -> None:
    live = LivePair(length_of(joints), tmp_path)
    play(live, joints[:150], pair_of())
    _, anew = live.add(0, joined_of(150, joints[150], pair_of().first, "Cam C"))
    assert anew
    assert live.step().sentence == ONE_VIEW_SENTENCE


def test_two_videos_wait_for_the_shift_of_their_clocks(joints: np.ndarray, tmp_path: Path) -> None:
    live = LivePair(None, tmp_path)
    cameras = pair_of()
    for n, at in enumerate(joints[:20]):
        live.add(0, joined_of(n, at, cameras.first, "a.mp4", live=False))
        live.add(1, joined_of(n, cameras.to_second(at), cameras.second, "b.mp4", late_s=3.0, live=False))
    assert live.step().sentence == CLOCKS_SENTENCE


@pytest.mark.parametrize(("speed", "match"), [(1, True), (2, False)])
def test_videos_at_different_speeds_are_reported_as_unrelated(speed: int, match: bool, tmp_path: Path) -> None:
    live, cameras = LivePair(None, tmp_path), pair_of()
    movement = moving_joints(int(35 * RATE) * 2, seed=3)
    for n in range(int(35 * RATE)):
        live.add(0, joined_of(n, movement[n], cameras.first, "a.mp4", live=False))
        live.add(1, joined_of(n, cameras.to_second(movement[speed * n]), cameras.second, "b.mp4", live=False))
    sentence = live.step().sentence
    assert sentence != CLOCKS_SENTENCE
    assert (sentence != UNRELATED_SENTENCE) == match


def test_an_unmirrored_result_is_the_same_scene() -> None:
    intrinsics = Intrinsics(600.0, 600.0, 300.0, 240.0, 640, 480)
    result = found(Frame(0, 1, PICTURE.copy(), intrinsics, "Cam", mirrored=True))
    joined = JoinedResult(
        result.frame, {"ik": result}, (OutputHand(result.states[0], OutputReason(OutputCause.FUSED)),)
    )
    turned = as_seen_by_camera(joined, picture=True)
    state, before = turned.results["ik"].states[0], result.states[0]
    assert state.side == other_side(before.side)
    assert np.allclose(state.joints_m, mirror_points(before.joints_m))
    seen, seen_before = (
        project(np.asarray(one.joints_m, float), f.intrinsics)
        for one, f in ((state, turned.frame), (before, result.frame))
    )
    assert np.allclose(seen[:, 0], 639 - seen_before[:, 0], atol=1e-3)
    model = load_embedded_model(state.side)
    from hand.layer import HandLayer

    posed = HandLayer(model)(state.pose_rad, state.shape, state.camera_translation_m).joints_m
    assert np.allclose(posed, state.joints_m, atol=1e-4)
    assert as_seen_by_camera(turned) is turned


def test_progress_describes_the_missing_movement() -> None:
    assert "where both cameras see it" in MovementProgress().describe()
    assert "turn it" in MovementProgress(seconds=8.0).describe()
    assert "close it" in MovementProgress(seconds=8.0, turn_deg=60.0).describe()
    assert "nearer" in MovementProgress(seconds=8.0, turn_deg=60.0, opening=0.6).describe()
    moved = MovementProgress(seconds=21.0, turn_deg=60.0, opening=0.6, nearer=0.3)
    assert moved.enough
    assert not MovementProgress(seconds=21.0).enough
    assert MovementProgress(seconds=60.0).enough


def test_a_hand_held_still_is_no_movement(joints: np.ndarray, tmp_path: Path) -> None:
    live = LivePair(None, tmp_path)
    readings = play(live, np.repeat(joints[:1], 300, 0), pair_of())
    assert readings[-1].state is PairState.UNCALIBRATED
    assert readings[-1].share < 0.5
    assert movement_progress(live._views[0].track(), live._views[1].track()).turn_deg < 10.0


def smoothed_away(joined: JoinedResult) -> JoinedResult:
    """The same result after a filter that displaces the hand by 5 cm in each axis."""
    results = {
        path: replace(
            result,
            states=tuple(replace(state, joints_m=state.joints_m + np.float32(0.05)) for state in result.states),
            unfiltered=result.states,
        )
        for path, result in joined.results.items()
    }
    return replace(joined, results=results)


@pytest.mark.parametrize("from_cameras", [True, False])
def test_both_views_are_recorded_as_linked_sessions_with_measured_labels(
    joints: np.ndarray, measured: tuple[LivePair, list[PairReading], Path], tmp_path: Path, from_cameras: bool
) -> None:
    live, _, _ = measured
    hand_file = tmp_path.parent / f"{tmp_path.name}.json"
    recorder = PairRecorder(load_embedded_model(), tmp_path, hand_file)
    cameras = pair_of()
    for n, at in enumerate(joints[:80]):
        recorder.offer(0, smoothed_away(joined_of(n, at, cameras.first, "Cam A", live=from_cameras)))
        recorder.offer(1, joined_of(n, cameras.to_second(at), cameras.second, "Cam B", late_s=LATE_S))
    sentence = recorder.stop(live.calibration)
    assert "that two cameras measured" in sentence
    # a file may show another person's hand
    assert hand_file.exists() == from_cameras == (str(hand_file) in sentence)
    if from_cameras:
        assert HandCalibration.load(load_embedded_model(), hand_file).views == 2
    folders = sorted(tmp_path.iterdir())
    infos = [open_recording(folder).info for folder in folders]
    assert len(infos) == 2
    assert infos[0].pair == infos[1].pair != ""
    for folder in folders:
        labels = read_session_labels(folder).labels
        assert len(labels) > 60
        seen = open_recording(folder).frames[3].hands[0]  # before any filter
        assert np.allclose(
            seen.joints_m, joints[3] if folder == folders[0] else cameras.to_second(joints[3]), atol=1e-5
        )
        assert {label.hand.origin for label in labels} == {"two_views"}


@pytest.fixture
def second(tmp_path: Path) -> Iterator[tuple[LiveTwoViews, FakeSource]]:
    source = FakeSource(name="Cam B", live=True, forever=True)
    session = LiveTwoViews(
        lambda: source, {"ik": FakePath}, load_embedded_model(), LivePair(None, tmp_path), retry_s=0.02
    )
    yield session, source
    session.close()


def test_the_second_camera_is_lost_and_comes_back(second: tuple[LiveTwoViews, FakeSource]) -> None:
    session, source = second
    wait_until(lambda: session.reading.state is PairState.UNCALIBRATED)
    wait_until(lambda: session.pictures.second is not None)
    source.plugged.clear()
    wait_until(lambda: session.reading.state is PairState.SECOND_MISSING)
    assert "check its cable" in session.reading.sentence or "plugged" in session.reading.sentence
    source.plugged.set()
    wait_until(lambda: session.reading.state is PairState.UNCALIBRATED)


def test_closing_the_session_closes_the_second_camera(tmp_path: Path) -> None:
    source = FakeSource(name="Cam B", live=True, forever=True)
    session = LiveTwoViews(lambda: source, {"ik": FakePath}, load_embedded_model(), LivePair(None, tmp_path))
    wait_until(lambda: session.pipeline.source_state.frames > 3)
    session.close()
    wait_until(lambda: not source.is_open)
