"""Recorded motion, and its files as independent readers read them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from app_fakes import FakePath, hand_state, plain_image, write_clip, write_picture
from bvh_reader import Bvh
from gltf_reader import Gltf
from scipy.spatial.transform import Rotation

from app.headless import HeadlessRun, run_headless
from app.motion.bvh_file import write_bvh
from app.motion.correctives import TOLERANCE_M, principal_correctives
from app.motion.glb_file import LARGEST_ERROR_M, LEAST_WEIGHT, joint_sets
from app.motion.motion import HandTrack, Motion
from app.motion.recorder import MotionRecorder
from app.motion.save import save_motion
from app.pipeline.output_reason import OutputCause, OutputReason
from app.pipeline.output_selector import OutputHand
from app.pipeline.result_synchronizer import JoinedResult
from app.predict import PICTURES_PER_SECOND, PredictionRun, predict
from app.sources.video import VideoSource
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, RecordingError
from hand.joints import JOINT_NAMES, MANO_JOINT_NAMES, TO_MANO_WITH_TIPS
from hand.layer import HandLayer
from hand.mirror import Side, mirror_points, mirror_pose
from hand.types import Frame, HandState

MODEL = load_embedded_model()
TO_SCENE = np.array([1.0, -1.0, -1.0])  # y up, z towards the viewer
FRAMES, RATE = 20, 25.0


def joined(sequence: int, *states: HandState, source: str = "Fake", late: bool = False) -> JoinedResult:
    frame = Frame(sequence, sequence * 40_000_000, plain_image(), Intrinsics.from_fov(320, 240), source)
    return JoinedResult(
        frame, {}, tuple(OutputHand(state, OutputReason(OutputCause.ONLY_PATH)) for state in states), late=late
    )


def state_at(sequence: int, side: Side = "right") -> HandState:
    """A hand that rotates, translates and bends its fingers far enough for pose correctives to matter."""
    t = sequence / FRAMES
    rng = np.random.default_rng(3)
    pose = rng.normal(0, 0.25, 48) * np.sin(2 * np.pi * t + rng.uniform(0, 6, 48))
    pose[[5, 8, 14, 17, 23, 26, 32, 35]] += 1.2 * t  # about z: the bend
    pose[:3] = [2.0 * t, 1.5 - t, 3.0 * t]
    translation = np.array([0.1 * t, -0.05, 0.5 + 0.1 * t])
    shape = np.linspace(-1.0, 1.0, 10)
    if side == "left":
        pose, translation = mirror_pose(pose), mirror_points(translation)
    model = load_embedded_model(side)
    geometry = HandLayer(model, np.float64)(pose, shape, translation)
    base = hand_state(joined(sequence).frame, side)
    return replace(
        base,
        pose_rad=pose.astype(np.float32),
        shape=shape.astype(np.float32),
        camera_translation_m=translation.astype(np.float32),
        joints_m=geometry.joints_m.astype(np.float32),
        vertices_m=geometry.vertices_m.astype(np.float32),
    )


def recorded(*sides: Side, skip: tuple[int, ...] = ()) -> Motion:
    recorder = MotionRecorder(MODEL)
    for sequence in range(FRAMES):
        states = [] if sequence in skip else [state_at(sequence, side) for side in sides]
        recorder.take(joined(sequence, *states))
    return recorder.motion(RATE)


@pytest.fixture(scope="module")
def both_hands() -> Motion:
    return recorded("right", "left")


def test_motion_times_come_from_the_frames_not_from_the_rate() -> None:
    recorder = MotionRecorder(MODEL)
    for sequence in (4, 5, 8):
        recorder.take(joined(sequence, state_at(0)))
    motion = recorder.motion(60.0)
    np.testing.assert_allclose(motion.tracks[0].times_s, [0, 0.04, 0.16])
    assert motion.frames_per_second == 60.0
    assert recorder.motion().frames_per_second == pytest.approx(25.0)


def test_pictures_of_one_clock_tick_still_make_a_motion(tmp_path: Path) -> None:
    """After an hour, because animation files have times in single precision."""
    recorder = MotionRecorder(MODEL)
    hour_ns = 3_600_000_000_000
    for sequence, time_ns in enumerate((0, hour_ns, hour_ns, hour_ns, hour_ns + 40_000_000)):
        one = joined(sequence, state_at(sequence))
        recorder.take(replace(one, frame=replace(one.frame, capture_time_ns=time_ns)))
    motion = recorder.motion(0.01)
    (track,) = motion.tracks
    np.testing.assert_allclose(track.times_s, [0.0, 3600.0, 3600.001, 3600.002, 3600.04])
    assert (np.diff(track.times_s.astype(np.float32)) > 0.0).all()
    save_motion(motion, tmp_path / "motion.bvh")


def test_late_results_are_left_out_and_another_source_starts_again() -> None:
    recorder = MotionRecorder(MODEL)
    recorder.take(joined(0, state_at(0)))
    recorder.take(joined(1, state_at(1), source="Other"))
    recorder.take(joined(0, state_at(0), source="Other", late=True))
    motion = recorder.motion(RATE)
    assert motion.source == "Other"
    assert motion.tracks[0].frames.tolist() == [1]


def test_source_that_starts_again_prolongs_the_motion() -> None:
    recorder = MotionRecorder(MODEL)
    for sequence in (0, 1, 2, 0, 1):
        recorder.take(joined(sequence, state_at(sequence)))
    assert recorder.motion(RATE).tracks[0].frames.tolist() == [0, 1, 2, 3, 4]


def test_of_two_hands_of_one_side_the_surer_one_is_kept() -> None:
    recorder = MotionRecorder(MODEL)
    recorder.take(joined(0, replace(state_at(0), confidence=0.3), replace(state_at(5), confidence=0.8)))
    (track,) = recorder.motion(RATE).tracks
    np.testing.assert_array_equal(track.poses_rad[0], state_at(5).pose_rad.astype(float))


def test_motion_without_a_hand_is_refused_in_a_sentence() -> None:
    recorder = MotionRecorder(MODEL)
    recorder.take(joined(0))
    with pytest.raises(RecordingError, match="no hand was found in 1 frames"):
        recorder.motion()


def test_npz_gives_back_what_was_recorded(both_hands: Motion, tmp_path: Path) -> None:
    (file,) = save_motion(both_hands, tmp_path / "motion.npz")
    with np.load(file, allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        assert (about["schema"], about["version"], about["hand_model"]["digest"]) == (
            "handlive.motion",
            1,
            MODEL.digest,
        )
        for track in both_hands.tracks:
            np.testing.assert_array_equal(arrays[f"{track.side}_frame"], np.arange(FRAMES))
            np.testing.assert_allclose(arrays[f"{track.side}_time_s"], np.arange(FRAMES) / RATE)
            for sequence in range(FRAMES):
                state = state_at(sequence, track.side)
                np.testing.assert_array_equal(arrays[f"{track.side}_pose_rad"][sequence], state.pose_rad)
                np.testing.assert_array_equal(arrays[f"{track.side}_joints_m"][sequence], state.joints_m)
            assert arrays[f"{track.side}_method"].tolist() == ["ik"] * FRAMES


def test_glb_moves_exactly_as_the_hand_layer(both_hands: Motion, tmp_path: Path) -> None:
    (file,) = save_motion(both_hands, tmp_path / "motion.glb")
    gltf = Gltf(file)
    for side in ("right", "left"):
        for sequence in (0, 7, 13, FRAMES - 1):
            found = gltf.skinned_vertices(f"{side}_hand_mesh", sequence / RATE)
            wanted = state_at(sequence, side).vertices_m * TO_SCENE
            assert np.linalg.norm(found - wanted, axis=1).max() < LARGEST_ERROR_M
        np.testing.assert_array_equal(gltf.faces(f"{side}_hand_mesh"), load_embedded_model(side).faces)


def test_glb_without_its_correctives_would_be_off(both_hands: Motion, tmp_path: Path) -> None:
    """Guards the test above: morph targets are needed for what it asserts."""
    (file,) = save_motion(both_hands, tmp_path / "motion.glb")
    gltf = Gltf(file)
    gltf.json["animations"][0]["channels"] = [
        channel for channel in gltf.json["animations"][0]["channels"] if channel["target"]["path"] != "weights"
    ]
    last = FRAMES - 1
    found = gltf.skinned_vertices("right_hand_mesh", last / RATE)
    assert np.linalg.norm(found - state_at(last).vertices_m * TO_SCENE, axis=1).max() > 1e-3


def test_glb_loads_in_trimesh_with_outward_winding(both_hands: Motion, tmp_path: Path) -> None:
    (file,) = save_motion(both_hands, tmp_path / "motion.glb")
    scene = trimesh.load_scene(file)
    assert len(scene.geometry) == 2
    for mesh in scene.geometry.values():
        assert len(mesh.faces) == len(MODEL.faces)
        assert mesh.is_winding_consistent
        assert mesh.volume > 0  # the winding points outwards


def test_hand_that_was_away_is_interpolated_over_the_gap(tmp_path: Path) -> None:
    (file,) = save_motion(recorded("right", skip=(5, 6, 7)), tmp_path / "motion.glb")
    gltf = Gltf(file)
    before, after = (gltf.skinned_vertices("right_hand_mesh", k / RATE) for k in (4, 8))
    between = gltf.skinned_vertices("right_hand_mesh", 6 / RATE)
    limit = np.linalg.norm(after - before, axis=1).max()
    assert np.linalg.norm(between - before, axis=1).max() < limit
    assert np.linalg.norm(between - after, axis=1).max() < limit


def test_correctives_stay_within_their_tolerance_with_far_fewer_targets() -> None:
    poses = np.array([state_at(sequence).pose_rad for sequence in range(FRAMES)], float)
    correctives = principal_correctives(MODEL, poses)
    assert 0 < len(correctives.targets_m) < FRAMES
    # the weights of each target span 0 to 1, including that of the rest pose
    assert correctives.weights.min() >= 0.0
    assert correctives.weights.max() <= 1.0
    assert ((correctives.rest_weights >= 0.0) & (correctives.rest_weights <= 1.0)).all()
    ends = np.concatenate([correctives.weights, correctives.rest_weights[None]])
    np.testing.assert_allclose(ends.max(0) - ends.min(0), 1.0)
    rest = correctives.offset_m + np.einsum("k,kvc->vc", correctives.rest_weights, correctives.targets_m)
    np.testing.assert_allclose(rest, 0.0, atol=1e-9)
    for pose, weights in zip(poses, correctives.weights, strict=True):
        turns = Rotation.from_rotvec(pose.reshape(16, 3)[1:]).as_matrix() - np.eye(3)
        wanted = MODEL.pose_directions_m.astype(float) @ turns.reshape(135)
        found = correctives.offset_m + np.einsum("k,kvc->vc", weights, correctives.targets_m)
        assert np.linalg.norm(found - wanted, axis=1).max() <= TOLERANCE_M


def test_correctives_are_the_fewest_that_their_tolerance_allows() -> None:
    """With one direction fewer, an SVD of the displacements themselves exceeds the tolerance."""
    poses = np.array([state_at(sequence).pose_rad for sequence in range(FRAMES)], float)
    kept = len(principal_correctives(MODEL, poses).targets_m)
    turns = Rotation.from_rotvec(poses.reshape(FRAMES, 16, 3)[:, 1:].reshape(-1, 3)).as_matrix() - np.eye(3)
    displacements = turns.reshape(FRAMES, 135) @ MODEL.pose_directions_m.astype(float).reshape(-1, 135).T
    left, sizes, modes = np.linalg.svd(displacements, full_matrices=False)
    for count, within in ((kept - 1, False), (kept, True)):
        missed = displacements - (left[:, :count] * sizes[:count]) @ modes[:count]
        assert (np.linalg.norm(missed.reshape(FRAMES, -1, 3), axis=2).max() <= TOLERANCE_M) == within


def test_motion_that_is_still_needs_no_correctives(tmp_path: Path) -> None:
    recorder = MotionRecorder(MODEL)
    state = hand_state(joined(0).frame)  # flat: all fingers at rest
    for sequence in range(3):
        recorder.take(joined(sequence, state))
    (file,) = save_motion(recorder.motion(RATE), tmp_path / "still.glb")
    gltf = Gltf(file)
    assert "targets" not in gltf.json["meshes"][0]["primitives"][0]
    found = gltf.skinned_vertices("right_hand_mesh", 0.04)
    assert np.linalg.norm(found - state.vertices_m * TO_SCENE, axis=1).max() < 1e-4


def test_single_frame_is_a_motion_too(tmp_path: Path) -> None:
    recorder = MotionRecorder(MODEL)
    recorder.take(joined(0, state_at(3)))
    for suffix in ("glb", "bvh", "npz"):
        save_motion(recorder.motion(RATE), tmp_path / f"one.{suffix}")
    found = Gltf(tmp_path / "one.glb").skinned_vertices("right_hand_mesh", 0.0)
    assert np.linalg.norm(found - state_at(3).vertices_m * TO_SCENE, axis=1).max() < 1e-4
    assert Bvh((tmp_path / "one.bvh").read_text()).frames == 1


def test_joint_sets_keep_all_significant_skinning_weights() -> None:
    sets = joint_sets(MODEL.skinning_weights)
    dense = np.zeros(MODEL.skinning_weights.shape)
    for numbers, shares in sets:
        np.add.at(dense, (np.arange(len(dense))[:, None], numbers), shares)
    np.testing.assert_allclose(dense.sum(1), 1.0, atol=1e-6)
    assert np.abs(dense - MODEL.skinning_weights).max() < 16 * LEAST_WEIGHT


def test_bvh_joint_positions_match_the_hand_layer(both_hands: Motion, tmp_path: Path) -> None:
    right, left = write_bvh(both_hands, tmp_path / "motion.bvh")
    assert (right.name, left.name) == ("motion_right.bvh", "motion_left.bvh")
    for side, file in (("right", right), ("left", left)):
        bvh = Bvh(file.read_text())
        assert bvh.frames == FRAMES
        assert bvh.frame_time_s == pytest.approx(1 / RATE)
        for sequence in (0, 9, FRAMES - 1):
            found = bvh.positions(sequence)
            wanted = state_at(sequence, side).joints_m * TO_SCENE * 100.0
            in_mano_order = wanted[list(TO_MANO_WITH_TIPS)]
            for joint, name in enumerate(MANO_JOINT_NAMES):
                np.testing.assert_allclose(found[name], in_mano_order[joint], atol=0.01)
            # a tip is a vertex of the mesh, which also deforms with the skin; the end of a bone does not
            index_tip = wanted[JOINT_NAMES.index("index_tip")]
            assert np.linalg.norm(found["index3_end"] - index_tip) < 0.4


def test_bvh_has_one_rate_in_spite_of_gaps(tmp_path: Path) -> None:
    (file,) = write_bvh(recorded("right", skip=(3, 4, 11)), tmp_path / "motion.bvh")
    bvh = Bvh(file.read_text())
    assert bvh.frames == FRAMES
    wanted = state_at(12).joints_m[0] * TO_SCENE * 100.0
    np.testing.assert_allclose(bvh.positions(12)["wrist"], wanted, atol=0.01)


def test_unknown_suffix_and_unwritable_folder_are_refused(both_hands: Motion, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.npz .*\.bvh .*\.glb"):
        save_motion(both_hands, tmp_path / "motion.fbx")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingError, match="cannot be written"):
        save_motion(both_hands, tmp_path / "file" / "motion.npz")


def test_motion_shape_is_robust_to_an_outlier_frame() -> None:
    track = recorded("right").tracks[0]
    shapes = track.shapes.copy()
    shapes[0] = 50.0  # one frame that went wrong
    with_outlier = HandTrack(
        **{**{name: getattr(track, name) for name in track.__dataclass_fields__}, "shapes": shapes}
    )
    np.testing.assert_allclose(with_outlier.shape, track.shapes[1], atol=1e-6)


def test_headless_run_saves_every_frame_of_a_clip(tmp_path: Path) -> None:
    recorder = MotionRecorder(MODEL)
    source = VideoSource(write_clip(tmp_path / "clip.mp4", frames=12))
    run_headless(HeadlessRun(source, {"ik": FakePath}, MODEL, tmp_path, listeners={"motion": recorder.take}))
    (track,) = recorder.motion(25.0).tracks
    assert track.frames.tolist() == list(range(12))
    np.testing.assert_allclose(track.times_s, np.arange(12) / 25.0)


def test_predictions_are_frames_of_one_motion(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write_picture(tmp_path / name)
    recorder = MotionRecorder(MODEL)
    predict(PredictionRun(tmp_path, tmp_path / "pred.json", {"ik": FakePath}, MODEL, listener=recorder.take))
    (track,) = recorder.motion(PICTURES_PER_SECOND).tracks
    np.testing.assert_allclose(track.times_s, [0, 1 / 30, 2 / 30])


def test_bvh_of_a_hand_that_comes_later_starts_with_the_other_one(tmp_path: Path) -> None:
    recorder = MotionRecorder(MODEL)
    for sequence in range(FRAMES):
        late = [state_at(sequence, "left")] if sequence >= 8 else []
        recorder.take(joined(sequence, state_at(sequence), *late))
    right, left = (Bvh(file.read_text()) for file in write_bvh(recorder.motion(RATE), tmp_path / "motion.bvh"))
    assert right.frames == left.frames == FRAMES
    for frame, sequence in ((0, 8), (8, 8), (12, 12)):  # until it is seen it stands as it is seen first
        wanted = state_at(sequence, "left").joints_m[0] * TO_SCENE * 100.0
        np.testing.assert_allclose(left.positions(frame)["wrist"], wanted, atol=0.01)


def test_bvh_of_a_hand_that_is_seen_once_holds_it(tmp_path: Path) -> None:
    recorder = MotionRecorder(MODEL)
    for sequence in range(5):
        recorder.take(joined(sequence, state_at(sequence), *([state_at(4, "left")] if sequence == 4 else [])))
    _, left = write_bvh(recorder.motion(RATE), tmp_path / "motion.bvh")
    bvh = Bvh(left.read_text())
    assert bvh.frames == 5
    np.testing.assert_array_equal(bvh.numbers[0], bvh.numbers[4])
