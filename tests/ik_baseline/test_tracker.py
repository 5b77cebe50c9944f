"""Following hands over frames, with a scripted detector, and once with the real one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from demo_clip import DEMO, demo_pictures
from ik_cases import CAMERA, Case, make_case, mirrored

from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import DetectorError
from hand.metrics import pa_error_mm
from hand.types import Frame, HandObservation
from ik_baseline import tracker as tracker_module
from ik_baseline.landmark_correction import photograph_correction
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolver
from ik_baseline.tracker import FORGET_AFTER_FRAMES, IkTracker


class ScriptedDetector:
    """Returns the detections that the test queued."""

    def __init__(self, kind: str, max_hands: int = 1, *, still: bool = False, tiles_per_picture: int = 0) -> None:
        self.answers: list[Sequence[HandObservation]] = []
        self.closed = False
        self.resets = 0

    def detect(self, image_rgb: np.ndarray) -> tuple[HandObservation, ...]:
        return tuple(self.answers.pop(0))

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Iterator[IkTracker]:
    """Follows two hands of a scripted detector."""
    monkeypatch.setattr(tracker_module, "open_detector", ScriptedDetector)
    model = load_embedded_model()
    calibration = HandCalibration.without_offsets(model)
    # the scripted landmarks are exact, so nothing is corrected
    with IkTracker(model, max_hands=2, calibration=calibration, correct=lambda seen, _: seen) as made:
        yield made


def run(tracker: IkTracker, *answers: Sequence[HandObservation]) -> list[tuple]:
    """Processes one frame per answer and returns the results."""
    detector = tracker._detector
    assert isinstance(detector, ScriptedDetector)
    results = []
    for number, answer in enumerate(answers):
        detector.answers.append(answer)
        frame = Frame(number, number * 33_000_000, np.zeros((480, 640, 3), np.uint8), CAMERA, "test")
        results.append(tracker.process(frame))
    return results


@pytest.fixture
def case(solver: IkSolver) -> Case:
    """A right hand."""
    return make_case(solver, np.random.default_rng(0))


def shifted(observation: HandObservation, x_px: float) -> HandObservation:
    """The hand elsewhere in the picture."""
    return replace(observation, landmarks_px=observation.landmarks_px + np.array([x_px, 0.0]))


def test_a_state_describes_the_hand_of_the_picture(tracker: IkTracker, case: Case) -> None:
    (result,) = run(tracker, [case.observation])
    (state,) = result.states
    assert result.observations == (case.observation,)
    assert (state.side, state.origin, state.sequence) == ("right", "ik", 0)
    np.testing.assert_allclose(state.joints_m, case.joints_m, atol=2e-3)
    assert state.vertices_m.shape == (load_embedded_model().vertex_count, 3)
    tips = state.vertices_m[list(load_embedded_model().tip_vertices)]
    np.testing.assert_allclose(tips, state.joints_m[[4, 8, 12, 16, 20]], atol=1e-5)
    assert state.confidence > 0.8
    assert state.reprojection_px < 1.0
    assert set(result.timings_ms) == {"detector", "solver", "mesh", "total"}


def test_solver_gets_corrected_landmarks_and_the_result_keeps_the_raw_ones(
    monkeypatch: pytest.MonkeyPatch, solver: IkSolver, case: Case
) -> None:
    monkeypatch.setattr(tracker_module, "open_detector", ScriptedDetector)
    model = load_embedded_model()
    with IkTracker(model) as made:
        (result,) = run(made, [case.observation])
    expected = made.solver.solve(photograph_correction(case.observation, CAMERA), CAMERA)
    assert result.observations == (case.observation,)
    np.testing.assert_allclose(result.states[0].joints_m, expected.joints_m, atol=1e-6)
    assert np.abs(made.solver.solve(case.observation, CAMERA).joints_m - expected.joints_m).max() > 1e-3


def test_two_hands_keep_their_tracks_when_the_detector_swaps_them(tracker: IkTracker, case: Case) -> None:
    right = shifted(case.observation, -90.0)
    left = shifted(mirrored(case.observation), 90.0)
    results = run(tracker, [right, left], [left, right], [right, left])
    for result in results:
        assert [state.side for state in result.states] == ["right", "left"]
        assert [observation.side for observation in result.observations] == ["right", "left"]
    meshes = results[0].states
    assert np.abs(meshes[0].vertices_m - meshes[1].vertices_m).max() > 0.05


def test_one_frame_of_a_wrong_side_does_not_flip_the_hand(tracker: IkTracker, case: Case) -> None:
    wrong = replace(case.observation, side="left")
    results = run(tracker, *[[case.observation]] * 6, [wrong], *[[wrong]] * 12)
    sides = [result.states[0].side for result in results]
    assert sides[6] == "right"
    assert results[6].observations[0].side == "right"
    assert sides[-1] == "left"


def test_lost_hand_is_dropped_and_found_again(tracker: IkTracker, case: Case) -> None:
    gap = [[]] * (FORGET_AFTER_FRAMES + 1)
    results = run(tracker, [case.observation], *gap, [case.observation])
    assert [len(result.states) for result in results] == [1, *[0] * len(gap), 1]
    np.testing.assert_allclose(results[-1].states[0].joints_m, results[0].states[0].joints_m, atol=1e-6)


def test_jump_across_the_picture_starts_a_new_track(tracker: IkTracker, case: Case) -> None:
    far = shifted(case.observation, 250.0)
    results = run(tracker, [case.observation], [far])
    assert len(results[1].states) == 1
    assert results[1].states[0].reprojection_px < 2.0


def test_closed_tracker_refuses_frames() -> None:
    made = IkTracker(load_embedded_model())
    made.close()
    made.close()
    with pytest.raises(DetectorError, match="closed"):
        made.process(Frame(0, 0, np.zeros((48, 64, 3), np.uint8), Intrinsics.from_fov(64, 48), "test"))


@pytest.mark.parametrize("still", [False, True])
def test_demo_clip_hand_is_tracked_close_to_the_truth(still: bool) -> None:
    truth = np.load(DEMO / "demo_truth.npz")
    camera = Intrinsics(*(float(value) for value in truth["intrinsics"]), 640, 480)
    numbers = range(0, 180, 12)
    ours, detectors, reprojections, depths = [], [], [], []
    with IkTracker(load_embedded_model(), still=still) as made:
        for number, picture in zip(numbers, demo_pictures(numbers), strict=True):
            joints_m = truth["joints_m"][number].astype(np.float64)
            result = made.process(Frame(number, 0, picture, camera, "demo"))
            (state,), (seen,) = result.states, result.observations
            ours.append(pa_error_mm(state.joints_m[None].astype(np.float64), joints_m[None]))
            detectors.append(pa_error_mm(seen.world_landmarks_m[None], joints_m[None]))
            reprojections.append(state.reprojection_px / np.ptp(truth["joints_px"][number], axis=0).max())
            depths.append(state.joints_m[0, 2] / joints_m[0, 2])
    assert np.median(reprojections) < 0.03
    assert np.median(ours) < min(10.0, np.median(detectors))
    assert np.median(depths) == pytest.approx(1.0, abs=0.1)
