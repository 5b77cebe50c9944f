"""Two cameras: triangulation, calibration from the hand, pairing by time, and the errors of paths."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rendered_board import render_board
from two_view_fakes import FIRST, RATE, SECOND, moving_joints, pair_of

from app.lens_calibration.board import corner_positions_m
from app.lens_calibration.session import BoardView
from app.sources.base import SourceFacts
from app.two_views.analysis import BOARD_LENGTH, TwoViewResult, analyse, calibrate_views
from app.two_views.board_calibration import boards_in_both, pair_from_boards
from app.two_views.bone_lengths import mean_lengths, steady
from app.two_views.bundle_adjustment import EDGES, edge_lengths
from app.two_views.calibration import KnownLength, PairCalibration, assess_pair, calibrate_pair
from app.two_views.calibration_store import pair_file, save_pair, saved_pair
from app.two_views.camera_pair import CameraPair
from app.two_views.evidence import OUTPUT, ViewTrack
from app.two_views.movement_check import WINDOW_FRAMES, MovementCheck, PairState
from app.two_views.path_errors import measure_path
from app.two_views.report import write_report
from app.two_views.time_pairing import estimate_skew, paired
from app.two_views.triangulation import Sightings, reprojection, triangulate
from app.two_views.truth import dependent_sigmas, in_both_views, measure_truth
from app.two_views.truth_labels import label_sessions
from app.two_views.view_recording import ViewRecording
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.metrics import pa_error_mm
from hand.recording import RecordedHand, SessionInfo
from hand.recording_writer import RecordingWriter
from hand.rotations import matrix_from_axis_angle
from hand.session_labels import read_session_labels
from hand.types import Frame


def track_of(pixels: np.ndarray, joints: np.ndarray, times_s: np.ndarray | None = None) -> ViewTrack:
    times = np.arange(len(pixels)) / RATE if times_s is None else times_s
    unknown = np.full(pixels.shape[:2], np.nan)
    return ViewTrack(
        times,
        {"network": pixels, "ik": pixels.copy()},
        {"network": joints, "ik": joints.copy(), OUTPUT: joints.copy()},
        {"network": unknown, "ik": unknown, OUTPUT: unknown},
        {"network": np.ones(len(pixels)), "ik": np.ones(len(pixels)), OUTPUT: np.ones(len(pixels))},
    )


def with_output(track: ViewTrack) -> ViewTrack:
    return replace(track, joints_px={**track.joints_px, OUTPUT: track.joints_px["network"]})


def seen(pair: CameraPair, joints: np.ndarray, noise_px: float, seed: int = 1) -> tuple[ViewTrack, ViewTrack]:
    """Tracks of a hand in both views, with independent noise for each path."""
    rng = np.random.default_rng(seed)
    tracks = []
    for camera, at in ((pair.first, joints), (pair.second, pair.to_second(joints))):
        exact = project(at, camera)
        track = track_of(exact + rng.normal(size=exact.shape) * noise_px, at)
        track.joints_px["ik"][:] = exact + rng.normal(size=exact.shape) * noise_px  # type: ignore[index]
        tracks.append(with_output(track))
    return tracks[0], tracks[1]


def sighted(pair: CameraPair, joints: np.ndarray, noise_px: float, seed: int = 0) -> list[Sightings]:
    rng = np.random.default_rng(seed)
    return [
        Sightings(
            view, pixels + rng.normal(size=pixels.shape) * noise_px, np.full(pixels.shape[:2], max(noise_px, 0.5))
        )
        for view, pixels in enumerate((project(joints, pair.first), project(pair.to_second(joints), pair.second)))
    ]


@pytest.fixture(scope="module")
def joints() -> np.ndarray:
    return moving_joints(100)


@pytest.fixture(scope="module")
def calibrated(joints: np.ndarray) -> tuple[PairCalibration, ViewTrack, ViewTrack]:
    """A calibration from the hand alone, of cameras with known intrinsics."""
    pair = pair_of()
    first, second = (one_path(track) for track in seen(pair, joints, 1.5))
    return calibrate_pair(first, second, pair.first, pair.second, palm_of(joints)), first, second


def palm_of(joints: np.ndarray) -> KnownLength:
    return KnownLength((0, 9), float(np.linalg.norm(joints[0, 0] - joints[0, 9])), "a ruler", 0.0)


def one_path(track: ViewTrack) -> ViewTrack:
    parts = [
        {"network": values["network"]} for values in (track.joints_px, track.joints_m, track.sigma_px, track.confidence)
    ]
    return ViewTrack(track.times_s, *parts)


def test_exact_pixels_give_the_exact_points(joints: np.ndarray) -> None:
    pair = pair_of()
    made = triangulate(pair, sighted(pair, joints, 0.0))
    assert np.abs(made.joints_m - joints).max() < 1e-6


def test_linear_part_agrees_with_opencv(joints: np.ndarray) -> None:
    pair = pair_of()
    sightings = sighted(pair, joints[:1], 1.0)
    matrices = [
        camera.matrix() @ np.concatenate([rotation, translation[:, None]], 1)
        for camera, rotation, translation in pair.views
    ]
    theirs = cv2.triangulatePoints(*matrices, sightings[0].joints_px[0].T, sightings[1].joints_px[0].T)
    apart = triangulate(pair, sightings).joints_m[0] - (theirs[:3] / theirs[3]).T
    # OpenCV does not weight by depth, triangulate minimizes the reprojection error
    assert np.linalg.norm(apart, axis=1).max() < 0.002


def test_covariance_matches_the_spread_of_repeated_measurements(joints: np.ndarray) -> None:
    pair = pair_of()
    runs = [triangulate(pair, sighted(pair, joints[:3], 2.0, seed)) for seed in range(200)]
    errors = np.stack([run.joints_m - joints[:3] for run in runs])
    spread = np.nanmean(np.einsum("rnji,rnjk->rnjik", errors, errors), 0)
    predicted = np.nanmean(np.stack([run.covariance_m2 for run in runs]), 0)
    ratio = np.trace(predicted, axis1=-2, axis2=-1).mean() / np.trace(spread, axis1=-2, axis2=-1).mean()
    assert ratio == pytest.approx(1.0, abs=0.12)


def test_reprojection_jacobian_matches_finite_differences(joints: np.ndarray) -> None:
    pair, points = pair_of(), joints[0]
    _, jacobian = reprojection(pair, 1, points, np.zeros((21, 2)))
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-6
        ahead, _ = reprojection(pair, 1, points + step, np.zeros((21, 2)))
        behind, _ = reprojection(pair, 1, points - step, np.zeros((21, 2)))
        assert np.allclose((ahead - behind) / 2e-6, jacobian[..., axis], atol=1e-3)


def test_one_wrong_observer_of_three_is_left_out(joints: np.ndarray) -> None:
    pair = pair_of()
    clean = sighted(pair, joints[:20], 1.0)
    wrong = replace(clean[0], joints_px=clean[0].joints_px + np.array([0.0, 60.0]))
    made = triangulate(pair, [*clean, wrong])
    assert not made.used[2].any()
    assert np.nanmedian(np.linalg.norm(made.joints_m - joints[:20], axis=-1)) < 0.004


def test_inconsistent_joints_are_missing(joints: np.ndarray) -> None:
    pair = pair_of()
    clean = sighted(pair, joints[:20], 1.0)
    clean[1].joints_px[:, 8] += [0.0, 40.0]
    made = triangulate(pair, clean)
    assert np.isnan(made.joints_m[:, 8]).all()
    assert np.isfinite(np.delete(made.joints_m, 8, axis=1)).mean() > 0.95


def test_constant_bone_lengths_reduce_the_noise_of_joints(joints: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    noisy = joints + rng.normal(size=joints.shape) * 0.004
    covariance = np.broadcast_to(np.eye(3) * 0.004**2, (*joints.shape, 3)).copy()
    lengths = mean_lengths(noisy, covariance)
    exact = edge_lengths(joints).mean(0)
    # noise makes bones longer, the short ones most
    assert np.mean(edge_lengths(noisy).mean(0) / exact) > 1.02
    assert np.mean(lengths / exact) == pytest.approx(1.0, abs=0.01)
    firm = steady(noisy, covariance)
    before, after = (np.linalg.norm(made - joints, axis=-1).mean() for made in (noisy, firm.joints_m))
    assert after < 0.9 * before
    assert np.nanstd(edge_lengths(firm.joints_m), 0)[:20].mean() < 0.6 * edge_lengths(noisy).std(0)[:20].mean()


def test_an_unknown_joint_stays_unknown(joints: np.ndarray) -> None:
    gappy = joints.copy()
    gappy[5, 12] = np.nan
    covariance = np.broadcast_to(np.eye(3) * 1e-5, (*joints.shape, 3)).copy()
    covariance[5, 12] = np.nan
    firm = steady(gappy, covariance)
    assert np.isnan(firm.joints_m[5, 12]).all()
    assert np.isfinite(np.delete(firm.joints_m.reshape(-1, 3), 5 * 21 + 12, axis=0)).all()


def test_dependent_observers_get_the_weights_of_the_best_linear_mean() -> None:
    one, other = dependent_sigmas(np.array([[[1.0]], [[1.5]]]))
    assert one.item() ** -2 + other.item() ** -2 == pytest.approx(1.0 / 0.9642857, rel=1e-6)
    assert one.item() ** -2 / other.item() ** -2 == pytest.approx((2.25 - 0.75) / (1.0 - 0.75), rel=1e-6)
    alone = dependent_sigmas(np.array([[[2.0]], [[np.inf]]]))
    assert alone[0].item() == 2.0


def centred_error_m(found: np.ndarray, joints: np.ndarray) -> float:
    apart = (found - np.nanmean(found, 1, keepdims=True)) - (joints - joints.mean(1, keepdims=True))
    return float(np.nanmedian(np.linalg.norm(apart, axis=-1)))


def rotation_between_deg(one: CameraPair, other: CameraPair) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(one.rotation @ other.rotation.T) - 1.0) / 2.0, -1.0, 1.0))))


def test_calibration_from_the_hand_alone(
    joints: np.ndarray, calibrated: tuple[PairCalibration, ViewTrack, ViewTrack]
) -> None:
    found, first, second = calibrated
    exact = pair_of()
    assert rotation_between_deg(found.pair, exact) < 1.0
    assert found.pair.baseline_m == pytest.approx(exact.baseline_m, rel=0.02)
    assert found.quality == "good"
    truth = measure_truth(found, first, second)
    assert centred_error_m(truth.joints_m, joints) < 0.003
    assert np.isfinite(truth.joints_m).mean() > 0.9


def test_calibration_of_cameras_whose_field_of_view_is_assumed(joints: np.ndarray) -> None:
    pair = pair_of()
    first, second = (one_path(track) for track in seen(pair, joints, 1.5))
    assumed = Intrinsics.from_fov(640, 480)
    found = calibrate_pair(first, second, assumed, assumed, palm_of(joints))
    assert rotation_between_deg(found.pair, pair) < 4.0
    before, after = (abs(np.log(camera.fx_px / FIRST.fx_px)) for camera in (assumed, found.pair.first))
    assert after < before
    assert centred_error_m(measure_truth(found, first, second).joints_m, joints) < 0.004


def test_the_expected_error_is_not_below_the_real_one(
    joints: np.ndarray, calibrated: tuple[PairCalibration, ViewTrack, ViewTrack]
) -> None:
    found, first, second = calibrated
    truth = measure_truth(replace(found, pair=pair_of()), first, second)
    real = np.sqrt(np.nanmean((truth.joints_m - joints) ** 2) * 3.0)
    expected = np.sqrt(np.nanmean(truth.expected_m**2))
    # the errors of these observers are independent, and the estimate has a factor for dependent ones
    assert real < expected < 3.0 * real


def test_too_little_movement_is_refused(joints: np.ndarray) -> None:
    first, second = seen(pair_of(), joints[:20], 1.0)
    with pytest.raises(ConfigError, match="at least 40 moments"):
        calibrate_pair(first, second, FIRST, SECOND)


def test_views_from_one_side_are_refused(joints: np.ndarray) -> None:
    pair = pair_of(4.0)
    with pytest.raises(ConfigError, match=r"same side|fit no pair"):
        calibrate_pair(*(one_path(track) for track in seen(pair, joints, 1.0)), pair.first, pair.second)


@pytest.mark.parametrize("late_s", [0.0, 0.085, -1.4])
def test_the_shift_of_two_clocks_is_found(late_s: float) -> None:
    pair, joints = pair_of(), moving_joints(420, seed=5)
    times = np.arange(len(joints)) / RATE
    first, second = seen(pair, joints, 1.5)
    skew = estimate_skew(first, replace(second, times_s=times + late_s), 3.0)
    assert skew.credible
    assert skew.late_s == pytest.approx(late_s, abs=0.02)


def test_two_different_movements_are_not_credible() -> None:
    first, _ = seen(pair_of(), moving_joints(300, seed=5), 1.5)
    _, second = seen(pair_of(), moving_joints(300, seed=6), 1.5)
    skew = estimate_skew(first, second, 0.4)
    assert not skew.credible


def test_times_between_frames_are_interpolated_but_gaps_are_not(joints: np.ndarray) -> None:
    pair = pair_of()
    first, second = seen(pair, joints, 0.0)
    kept = np.ones(len(joints), bool)
    kept[60:80] = False
    holed = replace(second.part(kept), times_s=second.times_s[kept] + 0.5 / RATE)
    _, there = paired(first, holed, 0.0)
    exact = project(pair.to_second(joints), pair.second)
    gone = np.isnan(there.joints_px["network"][:, 0, 0])
    assert gone[62:79].all()
    assert not gone[5:58].any()
    between = (exact[10] + exact[11]) / 2.0
    _, later = paired(replace(first, times_s=first.times_s + 0.5 / RATE), second, 0.0)
    assert np.abs(later.joints_px["network"][10] - between).max() < 1e-6


def test_a_calibration_is_kept_for_its_two_cameras(
    calibrated: tuple[PairCalibration, ViewTrack, ViewTrack], tmp_path: Path
) -> None:
    found = calibrated[0]
    file = save_pair("Cam A", "Cam B", found, tmp_path)
    again = saved_pair("Cam A", "Cam B", ((1280, 960), (640, 480)), tmp_path)
    assert again is not None
    assert np.array_equal(again.pair.rotation, found.pair.rotation)
    assert again.pair.first.fx_px == pytest.approx(2.0 * found.pair.first.fx_px)
    assert saved_pair("Cam B", "Cam A", ((640, 480), (640, 480)), tmp_path) is None
    assert saved_pair("Cam A", "Cam B", ((640, 360), (640, 480)), tmp_path) is None
    broken = json.loads(file.read_text())
    broken["rotation"][0][0] += 0.1
    file.write_text(json.dumps(broken))
    assert saved_pair("Cam A", "Cam B", ((640, 480), (640, 480)), tmp_path) is None
    assert pair_file("Cam A", "Cam B", tmp_path) == file


@pytest.mark.parametrize("turn_deg", [(4.0, 0.0, 0.0), (0.0, 8.0, 0.0)])
def test_a_moved_camera_is_noticed(
    joints: np.ndarray,
    turn_deg: tuple[float, float, float],
    calibrated: tuple[PairCalibration, ViewTrack, ViewTrack],
) -> None:
    pair = pair_of()
    found, first, second = calibrated
    check = MovementCheck(found)
    for n in range(WINDOW_FRAMES):
        check.add(first.joints_px["network"][n], second.joints_px["network"][n])
    assert check.state is PairState.GOOD
    moved = replace(pair, rotation=matrix_from_axis_angle(np.radians(turn_deg)) @ pair.rotation)
    elsewhere, there = seen(moved, joints, 1.5)
    for n in range(WINDOW_FRAMES):
        check.add(elsewhere.joints_px["network"][n], there.joints_px["network"][n])
    assert check.state is PairState.MOVED
    assert "calibrate the two cameras again" in check.describe()


def recording_of(track: ViewTrack, intrinsics: Intrinsics, name: str) -> ViewRecording:
    facts = SourceFacts(name, "video", 640, 480, RATE, len(track))
    picture = cv2.imencode(".jpg", np.full((480, 640, 3), 90, np.uint8))[1].tobytes()
    return ViewRecording(facts, intrinsics, track, {float(t): picture for t in track.times_s[::15]})


@pytest.fixture(scope="module")
def result() -> tuple[TwoViewResult, tuple[ViewRecording, ViewRecording]]:
    joints, pair = moving_joints(480, seed=2), pair_of()
    first, second = seen(pair, joints, 1.5)
    # in one path a fingertip is off by a centimetre
    for track in (first, second):
        track.joints_m["ik"][:, 8] += [0.01, 0.0, 0.0]
    views = recording_of(first, pair.first, "a.mp4"), recording_of(second, pair.second, "b.mp4")
    return analyse(
        *views, None, KnownLength((0, 9), float(np.linalg.norm(joints[0, 0] - joints[0, 9])), "a ruler", 0.0)
    ), views


def test_the_worse_path_is_named(result: tuple[TwoViewResult, tuple[ViewRecording, ViewRecording]]) -> None:
    analysed, _ = result
    verdicts = {(one.one, one.other, one.view): one.change for one in analysed.comparisons}
    change = verdicts["network", "ik", 0]
    assert change.verdict == "worse"
    assert verdicts["network", OUTPUT, 0].verdict != "better"
    wrong = next(one for one in analysed.errors if one.path == "ik" and one.view == 0)
    by_joint = np.nanmean(wrong.aligned_mm, 0)
    assert by_joint.argmax() == 8
    assert analysed.state is PairState.GOOD


def test_the_report_holds_figures_and_pictures(
    result: tuple[TwoViewResult, tuple[ViewRecording, ViewRecording]], tmp_path: Path
) -> None:
    files = write_report(*result, tmp_path / "report")
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    assert content["paths"][0]["aligned_mm"]["mean"] > 0.0
    assert content["calibration"]["quality"] in ("good", "usable", "poor")
    rows = (tmp_path / "report" / "frames.csv").read_text().splitlines()
    assert rows[0].startswith("view,path,time_s,aligned_mm")
    assert len(rows) > 400
    assert len((tmp_path / "report" / "joints.csv").read_text().splitlines()) == 1 + 21 * len(result[0].errors)
    pictures = [file for file in files if file.suffix == ".png"]
    assert len(pictures) >= 2
    assert all(cv2.imread(str(file)) is not None for file in pictures)


def test_a_perfect_path_has_no_error_and_a_mirrored_one_has(
    joints: np.ndarray, calibrated: tuple[PairCalibration, ViewTrack, ViewTrack]
) -> None:
    pair = pair_of()
    found, first, second = calibrated
    truth = replace(
        measure_truth(found, first, second), joints_m=joints, expected_m=np.full(joints.shape[:2], 1e-3), pair=pair
    )
    exact = measure_path(truth, first, "network", 0, pair.first)
    assert exact.mean("aligned_mm") < 1e-6
    assert exact.mean("from_wrist_mm") < 1e-6
    mirrored = replace(first, joints_m={**first.joints_m, "network": joints * [-1.0, 1.0, 1.0]})
    assert measure_path(truth, mirrored, "network", 0, pair.first).mean("aligned_mm") > 3.0


def write_view(folder: Path, joints: np.ndarray, intrinsics: Intrinsics, start_s: float, noise_px: float) -> None:
    """A session with the network's hand at the right pixels and at a wrong depth."""
    model, rng = load_embedded_model(), np.random.default_rng(len(folder.name))
    info = SessionInfo(folder.name, intrinsics, False, model.name, model.digest)
    picture = np.full((480, 640, 3), 90, np.uint8)
    with RecordingWriter(folder, info) as writer:
        for n, at in enumerate(joints):
            farther = at * (1.1 + 0.3 * (at[:, 2:] - at[:, 2].mean()))
            farther[:, :2] += rng.normal(size=(21, 2)) * noise_px / intrinsics.fx_px * farther[:, 2:]
            hand = RecordedHand("right", "network", 0.9, np.zeros(48), np.zeros(10), np.zeros(3), farther)
            writer.add(Frame(n, round((start_s + n / RATE) * 1e9), picture, intrinsics, folder.name), [hand])


def test_labels_of_two_views_have_the_right_depth(tmp_path: Path) -> None:
    pair, joints = pair_of(), moving_joints(130, seed=4)
    write_view(tmp_path / "first", joints, pair.first, 100.0, 1.0)
    write_view(tmp_path / "second", pair.to_second(joints)[4:], pair.second, 100.0 + 4 / RATE, 1.0)
    _, labels = label_sessions(tmp_path / "first", tmp_path / "second", load_embedded_model(), length=palm_of(joints))
    for view, name in enumerate(("first", "second")):
        session = read_session_labels(tmp_path / name)
        assert len(session.labels) > 100
        assert {label.hand.origin for label in session.labels} == {"two_views"}
        found = np.stack([label.hand.joints_m for label in session.labels]).astype(np.float64)
        frames = np.array([label.frame.index for label in session.labels])
        exact = joints[frames] if view == 0 else pair.to_second(joints)[4:][frames]
        assert centred_error_m(found, exact) < 0.006
        assert pa_error_mm(found, exact) < 5.0
        assert min(label.weight for label in session.labels) > 0.0
    assert np.abs(labels[0].shape).max() < 1.5


def test_the_printed_board_in_both_views_gives_exact_cameras(joints: np.ndarray) -> None:
    pair, rng = pair_of(40.0), np.random.default_rng(0)
    corners = corner_positions_m() - corner_positions_m().mean(0)
    views = []
    for _ in range(6):
        turn = matrix_from_axis_angle(np.append(rng.uniform(-0.4, 0.4, 2), 0.1) + np.array([0.0, 0.3, 0.0]))
        at = corners @ turn.T + [*rng.uniform(-0.05, 0.05, 2), 0.6]
        views.append(
            tuple(
                BoardView(np.arange(len(at)), project(of, camera) + rng.normal(size=(len(at), 2)) * 0.2)
                for of, camera in ((at, pair.first), (pair.to_second(at), pair.second))
            )
        )
    found = pair_from_boards(views, pair.first, pair.second)  # type: ignore[arg-type]
    assert found is not None
    assert rotation_between_deg(found, pair) < 0.2
    assert np.abs(found.translation_m - pair.translation_m).max() < 0.002
    first, second = (one_path(track) for track in seen(pair, joints, 1.5))
    assessed = assess_pair(found, first, second, palm_of(joints))
    truth = measure_truth(assessed, first, second)
    assert np.nanmedian(np.linalg.norm(truth.joints_m - joints, axis=-1)) < 0.004
    assert pair_from_boards(views[:3], pair.first, pair.second) is None  # type: ignore[arg-type]
    mixed = [(one, views[(n + 2) % 6][1]) for n, (one, _) in enumerate(views)]
    assert pair_from_boards(mixed, pair.first, pair.second) is None


def test_the_board_is_found_in_rendered_pictures_of_both_cameras() -> None:
    pair, joints, rng = pair_of(40.0), moving_joints(200), np.random.default_rng(3)
    middle = corner_positions_m().mean(0)
    turned = matrix_from_axis_angle(np.array([0.0, np.radians(-20.0), 0.0]))  # half way between both cameras
    times = np.arange(8) / 2.0
    pictures: tuple[dict[float, bytes], dict[float, bytes]] = ({}, {})
    for time_s in times:
        turn = turned @ matrix_from_axis_angle(rng.uniform(-0.3, 0.3, 3))
        place = np.array([*rng.uniform(-0.05, 0.05, 2), 0.6]) - turn @ middle
        seen_from = ((turn, place, pair.first), (pair.rotation @ turn, pair.to_second(place), pair.second))
        for view, (rotation, translation, camera) in enumerate(seen_from):
            picture = render_board(rotation, translation, camera)
            pictures[view][float(time_s)] = cv2.imencode(".jpg", picture)[1].tobytes()
    tracks = [one_path(track) for track in seen(pair, joints, 1.5)]
    facts = SourceFacts("a", "video", 640, 480, RATE, len(joints))
    views = [
        ViewRecording(facts, camera, track, pictures[view])
        for view, (camera, track) in enumerate(((pair.first, tracks[0]), (pair.second, tracks[1])))
    ]
    boards = boards_in_both(views[0], views[1], 0.0)
    assert len(boards) >= 6
    found = pair_from_boards(boards, pair.first, pair.second)
    assert found is not None
    assert rotation_between_deg(found, pair) < 0.3
    assert np.abs(found.translation_m - pair.translation_m).max() < 0.003
    by_board = calibrate_views(views[0], views[1], None)
    assert by_board.length == BOARD_LENGTH
    assert rotation_between_deg(by_board.pair, pair) < 0.3


def test_lengths_of_the_palm_are_not_counted_twice() -> None:
    assert len({tuple(edge) for edge in EDGES.tolist()}) == len(EDGES)


def test_moments_in_both_views_are_those_at_which_one_path_sees_the_hand_in_each(joints: np.ndarray) -> None:
    first, second = seen(pair_of(), joints[:5], 0.0)
    for track, path, moment in ((first, "network", 1), (second, "ik", 1), (second, "network", 2), (second, "ik", 2)):
        track.joints_px[path][moment] = np.nan
    second.joints_px["ik"][3] = np.nan
    assert in_both_views(first, second).tolist() == [True, False, False, True, True]
    assert not in_both_views(first, replace(second, joints_px={})).any()


def test_noise_is_that_of_the_calibration_where_the_second_view_hardly_sees_the_hand(
    joints: np.ndarray,
    calibrated: tuple[PairCalibration, ViewTrack, ViewTrack],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, first, second = calibrated
    hidden = second.joints_px["network"].copy()
    hidden[10:] = np.nan

    def refuse(*_: object) -> None:
        raise AssertionError("the noise was measured on ten moments")

    monkeypatch.setattr("app.two_views.truth.measure_noise", refuse)
    truth = measure_truth(found, first, replace(second, joints_px={"network": hidden}))
    assert np.isfinite(truth.joints_m[:10]).any()


@pytest.mark.parametrize("noise", ["[]", "[" * 5000 + "]" * 5000])
def test_damaged_calibration_of_two_cameras_counts_as_none(
    calibrated: tuple[PairCalibration, ViewTrack, ViewTrack], tmp_path: Path, noise: str
) -> None:
    file = save_pair("Cam A", "Cam B", calibrated[0], tmp_path)
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "noise": "damaged"}).replace('"damaged"', noise))
    assert saved_pair("Cam A", "Cam B", ((640, 480), (640, 480)), tmp_path) is None
