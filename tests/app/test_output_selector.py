"""The output changes between the network and MediaPipe + IK by confidence, without jumps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from app_fakes import hand_state, plain_image

from app.output_texts import reason_text
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputCause, OutputMode
from app.pipeline.output_selector import OutputChooser, OutputHand, OutputSettings, output_chooser
from app.pipeline.worker import MissingReason
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.layer import HandLayer
from hand.rotations import geodesic_rad, matrix_from_axis_angle
from hand.types import Frame, HandState, PathId, PathResult
from inference.hand_matching import pair_hands, picture_gap

FRAME_NS = 33_333_333
LENS = IntrinsicsChoice().intrinsics_for(320, 240)
BENT_RAD = 0.6
"""How much further MediaPipe + IK bends every finger joint than the network, in these tests."""

_LAYER = HandLayer(load_embedded_model())


def frame(index: int) -> Frame:
    return Frame(index, 1_000_000_000 + index * FRAME_NS, plain_image(), LENS, "x")


def hand(index: int, path_id: PathId, confidence: float) -> HandState:
    """A slowly drifting hand; the paths differ in fingers, position and shape."""
    state = hand_state(frame(index), "right", 0.001 * index)
    if path_id == "network":
        return replace(state, origin="network", confidence=confidence)
    pose = state.pose_rad.copy()
    pose[3:].reshape(15, 3)[:, 2] += BENT_RAD
    translation = state.camera_translation_m + np.array([0.01, -0.02, 0.06], np.float32)
    shape = np.full(10, 0.4, np.float32)
    geometry = _LAYER(pose, shape, translation)
    return replace(
        state,
        origin="ik",
        confidence=confidence,
        pose_rad=pose,
        shape=shape,
        camera_translation_m=translation,
        joints_m=geometry.joints_m,
        vertices_m=geometry.vertices_m,
    )


def play(
    network: list[float | None], ik: list[float | None], settings: OutputSettings | None = None
) -> Iterator[OutputHand | None]:
    """The output for confidences of both paths; None is no hand."""
    chooser = OutputChooser(load_embedded_model(), settings)
    for index, confidences in enumerate(zip(network, ik, strict=True)):
        results: dict[PathId, PathResult] = {}
        path_ids: tuple[PathId, PathId] = ("network", "ik")
        for path_id, confidence in zip(path_ids, confidences, strict=True):
            states = () if confidence is None else (hand(index, path_id, confidence),)
            results[path_id] = PathResult(frame(index), path_id, states)
        outputs = chooser.choose(frame(index), results)
        assert len(outputs) <= 1
        yield outputs[0] if outputs else None


def path_ids(outputs: list[OutputHand | None]) -> list[str]:
    return ["-" if output is None else output.origin for output in outputs]


def largest_step_m(outputs: list[OutputHand | None]) -> float:
    vertices = [np.asarray(output.state.vertices_m) for output in outputs if output is not None]
    return max(float(np.linalg.norm(b - a, axis=1).max()) for a, b in pairwise(vertices))


def test_network_is_the_output_while_its_confidence_is_high() -> None:
    outputs = list(play([0.9] * 5, [0.9] * 5))
    assert path_ids(outputs) == ["network"] * 5
    assert outputs[-1] is not None
    assert outputs[-1].reason.cause is OutputCause.NETWORK_SURE
    assert reason_text(outputs[-1].reason) == "the network's confidence is high enough (90%)"
    assert outputs[-1].offset_share == 0.0


def test_output_changes_to_ik_at_low_confidence_and_back_after_a_delay() -> None:
    network: list[float | None] = [0.9] * 5 + [0.1] * 10 + [0.45] * 10 + [0.9] * 30
    outputs = list(play(network, [0.8] * 55))
    # between the thresholds the output stays where it is; above them it returns 250 ms (8 frames) later
    assert path_ids(outputs) == ["network"] * 5 + ["ik"] * 28 + ["network"] * 22
    reasons = [reason_text(output.reason) for output in outputs if output is not None]
    assert reasons[5] == "the network's confidence is low (10%, 35% needed)"
    assert reasons[20] == "the network's confidence is low (45%, 55% needed)"
    assert reasons[26] == "the network's confidence has just risen again (90%)"


@pytest.mark.parametrize("gone", [0.05, None])
def test_change_of_path_is_smooth_even_when_the_old_path_loses_its_hand(gone: float | None) -> None:
    network: list[float | None] = [0.9] * 10 + [gone] * 20 + [0.9] * 30
    smooth = list(play(network, [0.8] * 60))
    abrupt = list(play(network, [0.8] * 60, OutputSettings(fade_ms=0.0)))
    assert path_ids(smooth) == path_ids(abrupt)
    assert {"network", "ik"} == set(path_ids(smooth))
    assert largest_step_m(abrupt) > 0.06
    assert largest_step_m(smooth) < 0.25 * largest_step_m(abrupt)
    offset_shares = [output.offset_share for output in smooth if output is not None]
    assert offset_shares[9] == 0.0 < offset_shares[10] < 1.0
    assert offset_shares[17] == 0.0  # over after 200 ms


def test_fade_turns_along_the_shortest_arc_and_ends_on_the_path() -> None:
    outputs = list(play([0.9] * 3 + [0.0] * 12, [0.8] * 15))
    finger = [
        matrix_from_axis_angle(output.state.pose_rad[9:12].astype(np.float64))
        for output in outputs
        if output is not None
    ]
    angles = [float(geodesic_rad(finger[2], rotation)) for rotation in finger[2:]]
    assert angles == sorted(angles)
    assert angles[-1] == pytest.approx(BENT_RAD, abs=1e-4)
    wanted = hand(14, "ik", 0.8)
    assert outputs[-1] is not None
    np.testing.assert_allclose(outputs[-1].state.vertices_m, wanted.vertices_m, atol=1e-6)
    # during the fade the mesh still matches the pose parameters
    middle = outputs[5]
    assert middle is not None
    assert 0.0 < middle.offset_share < 1.0
    again = _LAYER(middle.state.pose_rad, middle.state.shape, middle.state.camera_translation_m)
    np.testing.assert_allclose(middle.state.vertices_m, again.vertices_m, atol=1e-6)


def test_network_stays_when_the_other_path_is_no_better() -> None:
    outputs = list(play([0.1, 0.1], [None, 0.05]))
    assert path_ids(outputs) == ["network", "network"]
    assert outputs[0] is not None
    assert outputs[1] is not None
    assert reason_text(outputs[0].reason) == "the network's confidence is low (10%); MediaPipe finds no hand"
    assert reason_text(outputs[1].reason) == "the confidence of both paths is low (network 10%, IK 5%)"


def test_output_is_held_at_low_confidence_for_a_limited_time() -> None:
    covered = list(play([0.9, 0.9, 0.05, None], [0.8, 0.8, None, None]))
    assert covered[1] is not None
    assert covered[2] is not None
    assert covered[2].held
    np.testing.assert_array_equal(covered[2].state.joints_m, covered[1].state.joints_m)
    assert covered[3] is None
    # a network that stays unsure is followed again, since no other path has a hand
    for_long = list(play([0.9] + [0.05] * 20, [None] * 21))
    assert for_long[1] is not None
    assert for_long[-1] is not None
    assert (for_long[1].held, for_long[-1].held) == (True, False)


def test_lost_detector_leaves_the_output_with_the_network() -> None:
    outputs = list(play([0.9] * 30, [0.8] * 10 + [None] * 10 + [0.8] * 10))
    assert path_ids(outputs) == ["network"] * 30
    assert largest_step_m(outputs) < 0.002


def test_no_hand_gives_no_output_and_a_returning_hand_starts_without_a_fade() -> None:
    outputs = list(play([0.9, None] + [None] * 15 + [0.9], [None] * 18))
    assert path_ids(outputs) == ["network"] + ["-"] * 16 + ["network"]
    assert outputs[-1] is not None
    assert outputs[-1].offset_share == 0.0


def test_reason_names_the_disabled_path() -> None:
    chooser = OutputChooser(load_embedded_model())
    result = PathResult(frame(0), "ik", (hand(0, "ik", 0.8),))
    (output,) = chooser.choose(frame(0), {"ik": result}, {"network": MissingReason.DISABLED})
    assert reason_text(output.reason) == "the network is switched off"


def test_path_is_chosen_for_each_hand_separately() -> None:
    chooser = OutputChooser(load_embedded_model())
    for index, sure in enumerate((0.9, 0.9, 0.1, 0.1)):
        right = replace(hand_state(frame(index), "right", 0.12), origin="network", confidence=sure)
        left = replace(hand_state(frame(index), "left", -0.12), origin="network", confidence=0.9)
        network = PathResult(frame(index), "network", (right, left))
        # the other path lists them the other way round
        both = (replace(left, origin="ik"), replace(right, origin="ik", confidence=0.9))
        outputs = chooser.choose(frame(index), {"network": network, "ik": PathResult(frame(index), "ik", both)})
    assert {output.state.side: output.origin for output in outputs} == {"right": "ik", "left": "network"}


def test_change_of_side_is_shown_without_a_fade() -> None:
    chooser = OutputChooser(load_embedded_model())
    network = PathResult(frame(0), "network", (hand(0, "network", 0.9),))
    chooser.choose(frame(0), {"network": network})
    left = replace(hand_state(frame(1), "left"), origin="ik")
    (output,) = chooser.choose(frame(1), {"ik": PathResult(frame(1), "ik", (left,))})
    np.testing.assert_array_equal(output.state.vertices_m, left.vertices_m)


def test_hands_are_paired_by_position_and_distant_ones_stay_unpaired() -> None:
    here, there = hand_state(frame(0), "right", 0.1), hand_state(frame(0), "right", -0.1)
    assert picture_gap(here, here) == 0.0
    assert pair_hands((here, there), (there, here)) == [(here, here), (there, there)]
    assert pair_hands((here,), (there,)) == [(here, None), (None, there)]
    behind = replace(here, joints_m=here.joints_m - np.array([0, 0, 2], np.float32))
    assert pair_hands((here,), (behind,)) == [(here, None), (None, behind)]


def test_settings_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ConfigError, match="not below the one to leave"):
        OutputSettings(leave_below=0.6, return_above=0.4)
    with pytest.raises(ConfigError, match="not negative"):
        OutputSettings(fade_ms=-1.0)


@pytest.mark.parametrize("mode", OutputMode)
@pytest.mark.parametrize("path_id", ["network", "ik"])
def test_only_path_of_a_run_is_the_output_in_every_mode(mode: OutputMode, path_id: PathId) -> None:
    chooser = output_chooser(load_embedded_model(), (path_id,), mode)
    state = hand(0, path_id, 0.3)
    (output,) = chooser.choose(frame(0), {path_id: PathResult(frame(0), path_id, (state,))})
    assert output.state is state
    assert reason_text(output.reason) == "it is the path that was chosen"
    assert chooser.settings.mode is mode
