"""NetworkPath with a fake network that returns the true hands: tracking, re-detection, sides and hand models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from app.networks.live_network import LiveNetwork
from app.pipeline.paths.network_path import NetworkPath, steady_crop
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, NetworkPathFactory
from app.pipeline.paths.shared_detections import SharedDetections
from hand.camera import Intrinsics, project
from hand.crop import SquareCrop, crop_around, crop_around_hand, upright_angle_rad
from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.landmark_reading import LandmarkReading
from hand.layer import HandLayer
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose, other_side
from hand.model import HandModel
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from hand.types import Frame, HandObservation, PathResult
from inference.runtime import CropFeatures, CropPrediction
from inference.test_time_augmentation import TURNS_AND_SCALES

CAMERA = Intrinsics(620.0, 620.0, 310.0, 245.0, 640, 480)
MODEL = load_embedded_model()


@dataclass
class TrueHand:
    """A hand in the scene, described as the right hand of its own (mirrored, if left) picture."""

    wrist_m: tuple[float, float, float]
    side: Side = "right"
    seed: int = 0
    presence: float = 0.95
    right: float = 0.98
    confidence: float = 0.8
    pose: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.pose = np.random.default_rng(self.seed).normal(0.0, 0.15, 48)
        self.pose[:3] += (1.2, 1.2, 1.2)

    @property
    def upright_joints_m(self) -> np.ndarray:
        layer = HandLayer(MODEL, np.float64)
        wrist = mirror_points(np.array(self.wrist_m)) if self.side == "left" else np.array(self.wrist_m)
        return layer(self.pose, np.zeros(10), wrist - layer.shaped(np.zeros(10)).joints_m[0]).joints_m

    @property
    def joints_m(self) -> np.ndarray:
        """In the camera of the picture."""
        return mirror_points(self.upright_joints_m) if self.side == "left" else self.upright_joints_m

    @property
    def joints_px(self) -> np.ndarray:
        return project(self.joints_m, CAMERA)


class Scene:
    """Fake runtime and fake detector over the same true hands."""

    crop_expansion = 1.6
    upright = False

    def __init__(self, *hands: TrueHand, digest: str = MODEL.digest) -> None:
        self.hands = list(hands)
        self.hand_model_digest = digest
        self.visible_to_detector = True
        self.detector_confuses_sides = False
        self.searches = self.predictions = self.closed = self.encoded_ahead = self.resets = 0
        self.readings: list[LandmarkReading | None] = []

    def encode(self, image_rgb: np.ndarray, crop: SquareCrop) -> CropFeatures:
        return CropFeatures(image_rgb, crop, {})

    def predict(
        self,
        image_rgb: np.ndarray,
        crop: SquareCrop,
        intrinsics: Intrinsics,
        landmarks: LandmarkReading | None = None,
        seen: CropFeatures | None = None,
    ) -> CropPrediction:
        self.predictions += 1
        self.encoded_ahead += seen is not None and seen.image_rgb is image_rgb and seen.crop == crop
        self.readings.append(landmarks)
        center = np.array([crop.center_x_px, crop.center_y_px])
        hand = min(self.hands, key=lambda hand: float(np.abs(hand.joints_px.mean(0) - center).max()))
        shown_as: Side = "left" if crop.flipped else "right"
        near = np.abs(hand.joints_px.mean(0) - center).max() < 0.35 * crop.size_px
        pixels = mirror_pixels(hand.joints_px, 640) if shown_as == "left" else hand.joints_px
        if crop.size_px < 0.8 * crop_around(hand.joints_px, 1.6).size_px:
            # a network that gets only a part of the hand fits a whole hand into that part
            pixels = pixels.mean(0) + 0.5 * (pixels - pixels.mean(0))
        rotations = matrix_from_axis_angle(hand.pose.reshape(16, 3))
        # a depth error, since the scale is ambiguous in a single crop
        root = hand.upright_joints_m[0] * 1.15
        presence = hand.presence if near else 0.02
        right = hand.right if shown_as == hand.side else 1.0 - hand.right
        return CropPrediction(rotations, np.zeros(10), root, pixels, np.full(21, 2.0), presence, right, hand.confidence)

    def detect(self, image_rgb: np.ndarray, last_seen_px: Sequence[np.ndarray] = ()) -> tuple[HandObservation, ...]:
        self.searches += 1
        self.last_seen_px = list(last_seen_px)
        if not self.visible_to_detector:
            return ()
        return tuple(
            # a detector error of a few pixels
            HandObservation(
                other_side(hand.side) if self.detector_confuses_sides else hand.side,
                0.9,
                hand.joints_px + 4.0,
                hand.joints_m,
                crop_around(hand.joints_px, 1.5),
            )
            for hand in self.hands
        )

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed += 1


class ConstantDetector:
    """A detector with constant detections."""

    def __init__(self, *seen: HandObservation) -> None:
        self.seen = seen
        self.calls = self.closed = 0

    def detect(self, image_rgb: np.ndarray, last_seen_px: Sequence[np.ndarray] = ()) -> tuple[HandObservation, ...]:
        self.calls += 1
        return self.seen

    def reset(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def path_over(scene: Scene, model: HandModel = MODEL, **options: int) -> NetworkPath:
    return NetworkPath(scene, model, (scene,), **options)  # type: ignore[arg-type]


def frame(sequence: int) -> Frame:
    return Frame(sequence, sequence, np.zeros((480, 640, 3), np.uint8), CAMERA, "test")


def worst_mm(result: PathResult, hand: TrueHand) -> float:
    (state,) = (state for state in result.states if state.side == hand.side)
    return float(np.linalg.norm(state.joints_m - hand.joints_m, axis=1).max() * 1e3)


@pytest.mark.parametrize("side", ["right", "left"])
def test_tracked_hand_needs_no_detector(side: Side) -> None:
    scene = Scene(TrueHand((-0.12, 0.06, 0.5), side))
    path = path_over(scene)
    for sequence in range(12):
        scene.visible_to_detector = sequence == 0
        scene.hands[0].wrist_m = (-0.12 + 0.02 * sequence, 0.06, 0.5 + 0.01 * sequence)
        result = path.process(frame(sequence))
        assert worst_mm(result, scene.hands[0]) < 1.0
        assert ("detector" in result.timings_ms) == (sequence == 0)
        (state,) = result.states
        assert state.origin == "network"
        assert state.reprojection_px < 0.5
        np.testing.assert_allclose(result.observations[0].landmarks_px, scene.hands[0].joints_px, atol=1e-6)
    assert scene.searches == 1
    assert result.message == ""
    path.close()
    assert scene.closed == 1


def test_mesh_and_joints_match_the_pose_parameters() -> None:
    scene = Scene(TrueHand((0.05, 0.05, 0.45), "left"))
    (state,) = path_over(scene).process(frame(0)).states
    layer = HandLayer(load_embedded_model("left"), np.float64)
    posed = layer(state.pose_rad, state.shape, state.camera_translation_m)
    np.testing.assert_allclose(posed.vertices_m, state.vertices_m, atol=1e-5)
    np.testing.assert_allclose(posed.joints_m, state.joints_m, atol=1e-5)
    # the pose was refined on pixels of a hand that was posed in single precision
    np.testing.assert_allclose(state.pose_rad, mirror_pose(scene.hands[0].pose), atol=3e-5)


def test_measured_hand_shape_is_used_for_live_frames_only() -> None:
    shape = np.array([2.0, -1.5, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    scene = Scene(TrueHand((0.0, 0.0, 0.5)))
    path = NetworkPath(scene, MODEL, (scene,), hand_shape=shape)  # type: ignore[arg-type]
    (of_file,) = path.process(frame(0)).states
    (of_camera,) = path.process(replace(frame(1), live=True)).states
    np.testing.assert_allclose(of_file.shape, 0.0, atol=0.05)
    assert np.linalg.norm(of_camera.shape - shape) < 0.5 * np.linalg.norm(shape)


def test_tracked_hand_needs_less_presence_than_a_new_one() -> None:
    scene = Scene(TrueHand((-0.1, 0.05, 0.5), presence=0.5))
    path = path_over(scene)
    assert path.process(frame(0)).states == ()
    scene.hands[0].presence = 0.9
    assert len(path.process(frame(1)).states) == 1
    scene.hands[0].presence = 0.5
    assert len(path.process(frame(2)).states) == 1
    scene.hands[0].presence = 0.2
    assert path.process(frame(3)).states == ()


def test_a_lost_hand_is_found_again_in_the_same_frame() -> None:
    scene = Scene(TrueHand((-0.15, 0.05, 0.5)))
    path = path_over(scene)
    path.process(frame(0))
    scene.hands[0].wrist_m = (0.15, -0.02, 0.5)  # a jump out of the crop
    result = path.process(frame(1))
    assert worst_mm(result, scene.hands[0]) < 1.0
    assert "detector" in result.timings_ms


def test_detectors_run_in_order_until_the_network_confirms_a_hand() -> None:
    """A detector without detections or with a false detection does not end the search."""
    scene = Scene(TrueHand((-0.15, 0.05, 0.5)))
    (true,) = scene.detect(np.zeros((4, 4, 3), np.uint8))
    false_detection = replace(true, landmarks_px=true.landmarks_px + np.array([250.0, 0.0]))
    finders = [ConstantDetector(), ConstantDetector(false_detection), ConstantDetector(true), ConstantDetector(true)]
    path = NetworkPath(scene, MODEL, finders)  # type: ignore[arg-type]
    assert worst_mm(path.process(frame(0)), scene.hands[0]) < 1.0
    assert [finder.calls for finder in finders] == [1, 1, 1, 0]
    path.close()
    assert [finder.closed for finder in finders] == [1, 1, 1, 1]


def test_second_hand_is_found_by_an_occasional_search_and_both_keep_their_sides() -> None:
    right, left = TrueHand((-0.15, 0.05, 0.55)), TrueHand((0.15, 0.05, 0.5), "left", seed=3)
    scene = Scene(right)
    path = path_over(scene, max_hands=2)
    for sequence in range(20):
        result = path.process(frame(sequence))
    assert len(result.states) == 1
    assert 2 <= scene.searches <= 4
    scene.hands.append(left)
    for sequence in range(20, 30):
        result = path.process(frame(sequence))
    assert [state.side for state in result.states] == ["right", "left"]
    assert max(worst_mm(result, hand) for hand in scene.hands) < 1.0


def test_uncertain_track_is_corrected_by_the_detector_and_kept_without_it() -> None:
    scene = Scene(TrueHand((-0.1, 0.05, 0.5)))
    path = path_over(scene)
    path.process(frame(0))
    assert scene.last_seen_px == []  # nothing is tracked yet
    scene.hands[0].confidence = 0.1
    # the crop shrank onto a part of the hand
    (track,) = path._tracks
    track.crop = replace(track.crop, size_px=track.crop.size_px * 0.6)
    track.joints_px = track.joints_px.mean(0) + 0.4 * (track.joints_px - track.joints_px.mean(0))
    searches = scene.searches
    found = [path.process(frame(sequence)).observations[0].landmarks_px for sequence in range(1, 20)]
    assert np.ptp(found[0], axis=0).max() < 0.6 * np.ptp(scene.hands[0].joints_px, axis=0).max()
    np.testing.assert_allclose(found[-1], scene.hands[0].joints_px, atol=1e-6)
    assert 2 <= scene.searches - searches <= 3
    assert path._tracks == [track]
    assert len(scene.last_seen_px) == 1  # the place of the uncertain hand, which is searched first
    scene.visible_to_detector = False
    for sequence in range(20, 40):
        assert len(path.process(frame(sequence)).states) == 1
    scene.hands[0].confidence = 0.8
    path.process(frame(40))
    searches = scene.searches
    for sequence in range(41, 60):
        path.process(frame(sequence))
    assert scene.searches == searches


def test_two_tracks_never_share_one_hand() -> None:
    first, second = TrueHand((-0.12, 0.05, 0.5)), TrueHand((0.12, 0.05, 0.5), seed=3)
    scene = Scene(first, second)
    path = path_over(scene, max_hands=2)
    assert len(path.process(frame(0)).states) == 2
    # one hand leaves, and the other moves into both crops
    scene.hands = [first]
    first.wrist_m = (0.0, 0.05, 0.5)
    for sequence in range(1, 4):
        result = path.process(frame(sequence))
        assert len(result.states) <= 1


def test_wrong_side_changes_after_several_frames_but_not_at_once() -> None:
    scene = Scene(TrueHand((0.0, 0.05, 0.5)))
    path = path_over(scene)
    path.process(frame(0))
    scene.hands[0].right = 0.02
    sides = [path.process(frame(sequence)).states[0].side for sequence in range(1, 20)]
    assert sides[:3] == ["right"] * 3
    assert sides[-1] == "left"


def test_side_is_kept_while_the_evidence_against_it_is_weak() -> None:
    scene = Scene(TrueHand((0.0, 0.05, 0.5)))
    path = path_over(scene)
    path.process(frame(0))
    scene.hands[0].right = 0.2  # 0.2 as a right and 0.8 as a left hand: 2.8 in log-odds
    assert {path.process(frame(sequence)).states[0].side for sequence in range(1, 60)} == {"right"}
    # each test of the other side is one more inference, so it must be rare
    assert scene.predictions < 75


def test_still_pictures_are_not_tracked() -> None:
    scene = Scene(TrueHand((0.0, 0.05, 0.5)))
    path = path_over(scene, still=True)
    path.process(frame(0))
    scene.visible_to_detector = False
    assert path.process(frame(1)).states == ()


def test_still_picture_is_predicted_again_in_augmented_crops_around_the_first_prediction() -> None:
    scene = Scene(TrueHand((0.0, 0.05, 0.5)))
    path_over(scene, still=True).process(frame(0))
    # once as each side, then in the augmented crops around the predicted joints
    assert (scene.searches, scene.predictions) == (1, 2 + len(TURNS_AND_SCALES))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("still", [False, True])
def test_network_overrules_a_detector_that_confuses_the_sides(side: Side, still: bool) -> None:
    scene = Scene(TrueHand((0.0, 0.05, 0.5), side))
    scene.detector_confuses_sides = True
    assert worst_mm(path_over(scene, still=still).process(frame(0)), scene.hands[0]) < 1.0


def test_network_without_a_clear_side_keeps_that_of_the_detector() -> None:
    scene = Scene(TrueHand((0.0, 0.05, 0.5), right=0.2))
    (state,) = path_over(scene).process(frame(0)).states
    assert state.side == "right"


def test_hand_is_refitted_to_another_hand_model_with_a_message() -> None:
    larger = replace(
        MODEL, name="my own hand", v_template_m=(MODEL.v_template_m * 1.03).astype(MODEL.v_template_m.dtype)
    )
    scene = Scene(TrueHand((-0.1, 0.05, 0.5), "left"))
    result = path_over(scene, larger).process(frame(0))
    assert "refitted to my own hand" in result.message
    (state,) = result.states
    # the same hand in the picture and nearly the same in space, on the vertices of the other model
    assert state.reprojection_px < 3.0
    shape_mm = np.linalg.norm(
        (state.joints_m - state.joints_m[0]) / 1.03 - (scene.hands[0].joints_m - scene.hands[0].joints_m[0]), axis=1
    )
    assert shape_mm.mean() * 1e3 < 6.0
    posed = HandLayer(larger.mirrored())(state.pose_rad, state.shape, state.camera_translation_m)
    np.testing.assert_allclose(posed.vertices_m, state.vertices_m, atol=1e-5)


def test_a_network_for_an_unknown_hand_model_is_refused() -> None:
    with pytest.raises(CheckpointError, match="trained for a hand model that is not here"):
        path_over(Scene(digest="unknown"))


def test_a_crop_stays_while_the_hand_hardly_moves() -> None:
    joints = TrueHand((0.0, 0.05, 0.5)).joints_px
    crop = crop_around(joints, 1.6)
    assert steady_crop(crop, crop_around(joints + 2.0, 1.6)) is crop
    moved = steady_crop(crop, crop_around(joints + 40.0, 1.6))
    assert moved.center_x_px == pytest.approx(crop.center_x_px + 40.0)
    assert steady_crop(crop, crop_around(joints * 1.3, 1.6)) is not crop


@pytest.mark.parametrize("side", ["right", "left"])
def test_crops_of_an_upright_network_turn_with_the_hand(side: Side) -> None:
    scene = Scene(TrueHand((-0.05, 0.06, 0.5), side))
    scene.upright = True
    shown: list[SquareCrop] = []
    predict = scene.predict

    def recording_predict(image_rgb: np.ndarray, crop: SquareCrop, *rest: object) -> CropPrediction:
        shown.append(crop)
        return predict(image_rgb, crop, *rest)  # type: ignore[arg-type]

    scene.predict = recording_predict  # type: ignore[method-assign]
    path = path_over(scene)
    turn = matrix_from_axis_angle(np.array([0.0, 0.0, 0.2 if side == "right" else -0.2]))
    for sequence in range(10):
        result = path.process(frame(sequence))
        assert worst_mm(result, scene.hands[0]) < 1.0
        off = shown[-1].angle_rad - upright_angle_rad(scene.hands[0].joints_px)
        # a crop lags by one frame and by the tolerance of steady_crop
        assert abs(np.angle(np.exp(1j * off))) < 0.35
        first = matrix_from_axis_angle(scene.hands[0].pose[:3])
        scene.hands[0].pose[:3] = axis_angle_from_matrix(turn @ first)
    angles = np.unwrap([crop.angle_rad for crop in shown])
    assert abs(angles[-1] - angles[0]) > 1.0


def test_an_upright_crop_turns_only_when_the_hand_does() -> None:
    joints = TrueHand((0.0, 0.05, 0.5)).joints_px
    crop = crop_around_hand(joints, 1.6, upright=True)
    assert steady_crop(crop, replace(crop, angle_rad=crop.angle_rad + 0.05)) is crop
    turned = replace(crop, angle_rad=crop.angle_rad + 0.3)
    assert steady_crop(crop, turned) is turned
    # a full turn is the same angle
    assert steady_crop(crop, replace(crop, angle_rad=crop.angle_rad + 2.0 * np.pi)) is crop


def detected(shared: SharedDetections, frame: Frame, *hands: TrueHand) -> None:
    """Another path's detections of some hands in a frame."""
    seen = []
    for hand in hands:
        points = hand.joints_px + 3.0
        reading = LandmarkReading(points, np.zeros(21), hand.joints_m, 0.99, 1.0 if hand.side == "right" else 0.0)
        seen.append(HandObservation(hand.side, 0.99, points, hand.joints_m, crop_around(points, 1.5), reading))
    shared.started(frame)
    shared.detected(frame, tuple(seen))


def test_shared_detections_replace_the_detector_of_the_network() -> None:
    hands = (TrueHand((-0.12, 0.0, 0.5)), TrueHand((0.12, 0.0, 0.5), "left", seed=3))
    scene, shared = Scene(*hands), SharedDetections()
    shared.opened()
    path = NetworkPath(scene, MODEL, (scene,), max_hands=2, shared=shared)  # type: ignore[arg-type]
    for sequence in range(3):
        now = frame(sequence)
        detected(shared, now, *hands)
        result = path.process(now)
        assert {state.side for state in result.states} == {"left", "right"}
    assert scene.searches == 0
    for reading in scene.readings:
        # each hand gets its own reading
        assert reading is not None
    assert {round(float(reading.points_px[0, 0])) for reading in scene.readings if reading is not None} == {
        round(float(hand.joints_px[0, 0] + 3.0)) for hand in hands
    }


def test_tracking_finder_supplies_landmarks_in_every_frame() -> None:
    hand = TrueHand((0.0, 0.0, 0.5))
    scene = Scene(hand)
    landmarks = LandmarkReading(hand.joints_px + 3.0, np.zeros(21), hand.joints_m, 0.99, 1.0)
    (seen,) = scene.detect(np.zeros((4, 4, 3), np.uint8))
    finder = ConstantDetector(replace(seen, reading=landmarks))
    path = NetworkPath(scene, MODEL, (finder, scene), detect_every_frame=True)  # type: ignore[arg-type]
    scene.searches = 0
    for sequence in range(3):
        result = path.process(frame(sequence))
        assert worst_mm(result, hand) < 1.0
        assert "detector" not in result.timings_ms
    assert finder.calls == 3
    assert all(reading is landmarks for reading in scene.readings)
    finder.seen = ()  # the finder loses the hand, and the network continues without it
    assert len(path.process(frame(3)).states) == 1
    assert scene.readings[-1] is None
    assert scene.searches == 0
    path.reset()
    assert scene.resets == 1


def test_tracking_finder_is_opened_only_for_a_video_with_a_single_path(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[bool] = []

    def note(kind: str, max_hands: int, *, still: bool, tiles_per_picture: int) -> ConstantDetector:
        opened.append(still)
        return ConstantDetector()

    monkeypatch.setattr("app.pipeline.paths.path_factories.open_detector", note)
    live = LiveNetwork(SHIPPED_NETWORK_DIR)
    for factory in (
        NetworkPathFactory(live, MODEL),
        NetworkPathFactory(live, MODEL, still=True),
        NetworkPathFactory(live, MODEL, finder="mediapipe"),
        NetworkPathFactory(live, MODEL, shared=SharedDetections()),
    ):
        factory().close()
    assert opened == [False, True, True, True]


def test_network_runs_its_own_detector_without_a_shared_detection_of_the_frame() -> None:
    hand = TrueHand((0.0, 0.0, 0.5))
    scene, shared = Scene(hand), SharedDetections()
    path = NetworkPath(scene, MODEL, (scene,), shared=shared)  # type: ignore[arg-type]
    assert len(path.process(frame(0)).states) == 1
    assert scene.searches == 1
    assert set(scene.readings) == {None}


def test_hand_that_the_shared_detector_misses_stays_tracked() -> None:
    hand = TrueHand((0.0, 0.0, 0.5))
    scene, shared = Scene(hand), SharedDetections()
    shared.opened()
    path = NetworkPath(scene, MODEL, (scene,), shared=shared)  # type: ignore[arg-type]
    for sequence, seen in enumerate([(hand,), (), ()]):
        now = frame(sequence)
        detected(shared, now, *seen)
        assert len(path.process(now).states) == 1
    assert scene.readings[-1] is None
    assert scene.searches == 0


def test_tracked_hands_are_encoded_before_their_landmarks_arrive() -> None:
    hands = (TrueHand((-0.12, 0.0, 0.5)), TrueHand((0.12, 0.0, 0.5), "left", seed=3))
    scene, shared = Scene(*hands), SharedDetections()
    shared.opened()
    path = NetworkPath(scene, MODEL, (scene,), max_hands=2, shared=shared)  # type: ignore[arg-type]
    for sequence in range(3):
        now = frame(sequence)
        detected(shared, now, *hands)
        path.process(now)
    # two hands in the second and third frame; the first has no tracks yet
    assert scene.encoded_ahead == 2 * 2
