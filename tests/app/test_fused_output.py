"""The fused output: fusion, fallback to a single path, and transitions without jumps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from app_fakes import hand_state, plain_image
from scipy.spatial.transform import Rotation

from app.output_texts import reason_text
from app.pipeline.fused_track import FusionSettings, fusion_settings
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.metrics.comparison import Comparison
from app.pipeline.output_reason import OutputCause, OutputMode
from app.pipeline.output_selector import OutputChooser, OutputHand, OutputSettings
from app.pipeline.paths.smoothing import Smoothing
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.worker import MissingReason
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.metrics import jitter_mm
from hand.types import Frame, HandState, PathId, PathResult

FRAME_NS = 33_333_333
LENS = IntrinsicsChoice().intrinsics_for(320, 240)
MODEL = load_embedded_model()
LAYER = HandLayer(MODEL)


@pytest.fixture(scope="module")
def fusion() -> FusionSettings:
    return fusion_settings(MODEL)


def frame(index: int) -> Frame:
    return Frame(index, 1_000_000_000 + index * FRAME_NS, plain_image(), LENS, "x")


def posed(state: HandState, bend_rad: float = 0.0, turn_rad: float = 0.0, noise: np.ndarray | None = None) -> HandState:
    """The same hand with every finger joint bent a little more, the hand turned, and noise on the pose."""
    pose = np.array(state.pose_rad, np.float64)
    pose[3:].reshape(15, 3)[:, 2] += bend_rad
    pose[:3] = (Rotation.from_euler("y", turn_rad) * Rotation.from_rotvec(pose[:3])).as_rotvec()
    if noise is not None:
        pose += noise
    geometry = LAYER(pose, state.shape, state.camera_translation_m)
    return replace(state, pose_rad=pose.astype(np.float32), joints_m=geometry.joints_m, vertices_m=geometry.vertices_m)


def both(index: int, bend_rad: float = 0.2, turn_rad: float = 0.0) -> tuple[HandState, HandState]:
    state = hand_state(frame(index), "right", 0.001 * index)
    network = replace(state, origin="network", confidence=0.9)
    return network, replace(posed(state, bend_rad, turn_rad), origin="ik", confidence=0.6)


def choose(
    chooser: OutputChooser,
    index: int,
    network: HandState | None,
    ik: HandState | None,
    missing: Mapping[PathId, MissingReason] | None = None,
) -> tuple[OutputHand, ...]:
    results: dict[PathId, PathResult] = {}
    for path_id, state in (("network", network), ("ik", ik)):
        if missing is None or path_id not in missing:
            results[path_id] = PathResult(frame(index), path_id, () if state is None else (state,))
    return chooser.choose(frame(index), results, missing or {})


def fused_chooser(fusion: FusionSettings, mode: OutputMode = OutputMode.FUSED) -> OutputChooser:
    return OutputChooser(MODEL, OutputSettings(mode=mode), fusion)


def test_two_paths_that_agree_are_fused(fusion: FusionSettings) -> None:
    (output,) = choose(fused_chooser(fusion), 0, *both(0))
    assert (output.origin, output.reason.cause) == ("fused", OutputCause.FUSED)
    assert reason_text(output.reason) == "both paths find the hand (network 90%, IK 60%)"
    assert output.state.timings_ms["fusion"] > 0.0
    again = LAYER(output.state.pose_rad, output.state.shape, output.state.camera_translation_m)
    np.testing.assert_allclose(output.state.vertices_m, again.vertices_m, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "origin"),
    [(OutputMode.NETWORK_FIRST, "network"), (OutputMode.NETWORK, "network"), (OutputMode.IK, "ik")],
)
def test_other_modes_follow_a_path(fusion: FusionSettings, mode: OutputMode, origin: str) -> None:
    (output,) = choose(fused_chooser(fusion, mode), 0, *both(0))
    assert output.origin == origin


def test_single_path_mode_has_no_output_when_its_path_finds_no_hand(fusion: FusionSettings) -> None:
    _, ik = both(0)
    assert choose(fused_chooser(fusion, OutputMode.NETWORK), 0, None, ik) == ()


def test_one_path_goes_and_comes_back_without_a_jump(fusion: FusionSettings) -> None:
    chooser = fused_chooser(fusion)
    outputs = []
    for index in range(60):
        network, ik = both(index, bend_rad=0.3)
        gone = 20 <= index < 40
        outputs += choose(chooser, index, network, None if gone else ik)
    assert [output.origin for output in outputs] == ["fused"] * 20 + ["network"] * 20 + ["fused"] * 20
    assert outputs[25].reason.cause is OutputCause.IK_MISSING
    assert reason_text(outputs[25].reason) == "MediaPipe finds no hand"
    abrupt = np.linalg.norm(both(0, 0.3)[0].joints_m - outputs[19].state.joints_m, axis=1).max()
    steps = [float(np.linalg.norm(b.state.joints_m - a.state.joints_m, axis=1).max()) for a, b in pairwise(outputs)]
    assert abrupt > 0.002
    assert max(steps) < 0.4 * abrupt + 0.001  # the hand itself moves by a millimetre a frame


def test_a_late_path_is_not_awaited(fusion: FusionSettings) -> None:
    chooser = fused_chooser(fusion)
    network, ik = both(0)
    choose(chooser, 0, network, ik)
    (output,) = choose(chooser, 1, both(1)[0], None, {"ik": MissingReason.LATE})
    assert not output.held
    assert (output.origin, output.reason.cause, output.reason.missing) == (
        "network",
        OutputCause.IK_MISSING,
        MissingReason.LATE,
    )
    assert output.offset_share > 0.9  # the fused hand continues with the network's movement


@pytest.mark.parametrize("sure", ["network", "ik"])
def test_a_contradiction_is_not_averaged(fusion: FusionSettings, sure: PathId) -> None:
    network, ik = both(0, bend_rad=1.4)
    network = replace(network, confidence=0.98 if sure == "network" else 0.02)
    ik = replace(ik, confidence=0.02 if sure == "network" else 0.98)
    (output,) = choose(fused_chooser(fusion), 0, network, ik)
    assert output.reason.cause is OutputCause.FORMS_DIFFER
    assert output.origin == sure
    np.testing.assert_array_equal(output.state.joints_m, (network if sure == "network" else ik).joints_m)


def test_hands_that_are_turned_differently_or_of_different_sides_contradict_each_other(fusion: FusionSettings) -> None:
    (turned,) = choose(fused_chooser(fusion), 0, *both(0, 0.1, turn_rad=1.6))
    assert turned.reason.cause is OutputCause.ORIENTATIONS_DIFFER
    network, ik = both(0)
    (sided,) = choose(fused_chooser(fusion), 0, network, replace(ik, side="left"))
    assert sided.reason.cause is OutputCause.SIDES_DIFFER
    assert reason_text(sided.reason).startswith("the paths disagree on whether it is a left or a right hand")


def test_hands_at_different_places_give_one_fused_output_but_two_in_network_first_mode(fusion: FusionSettings) -> None:
    network = replace(hand_state(frame(0), "right", 0.1), origin="network", confidence=0.9)
    ik = replace(hand_state(frame(0), "right", -0.1), origin="ik", confidence=0.5)
    (output,) = choose(fused_chooser(fusion), 0, network, ik)
    assert (output.origin, output.reason.cause) == ("network", OutputCause.PLACES_DIFFER)
    assert len(choose(fused_chooser(fusion, OutputMode.NETWORK_FIRST), 0, network, ik)) == 2


def test_a_contradiction_that_ends_does_not_flicker(fusion: FusionSettings) -> None:
    chooser, limit = fused_chooser(fusion), fusion.fusion.weights.contradiction_mm

    def form_mm(bend: float) -> float:
        return fusion.fusion.describe(*both(0, bend), LENS).form_mm

    bends = np.linspace(0.0, 1.6, 161)
    forms = np.array([form_mm(bend) for bend in bends])
    beyond, within = bends[np.argmax(forms > 1.02 * limit)], bends[np.argmax(forms > 0.95 * limit)]
    causes = [
        choose(chooser, index, *both(index, bend))[0].reason.cause
        for index, bend in enumerate((0.1, beyond, within, 0.1))
    ]
    assert causes == [OutputCause.FUSED, OutputCause.FORMS_DIFFER, OutputCause.FORMS_DIFFER, OutputCause.FUSED]


def test_two_hands_are_fused_each(fusion: FusionSettings) -> None:
    right, left = hand_state(frame(0), "right", 0.12), hand_state(frame(0), "left", -0.12)
    network = tuple(replace(state, origin="network", confidence=0.9) for state in (right, left))
    ik = tuple(replace(state, origin="ik") for state in (left, right))
    outputs = fused_chooser(fusion).choose(
        frame(0), {"network": PathResult(frame(0), "network", network), "ik": PathResult(frame(0), "ik", ik)}
    )
    assert [(output.state.side, output.origin) for output in outputs] == [("right", "fused"), ("left", "fused")]


def test_fused_shape_converges_and_smoothing_reduces_jitter(fusion: FusionSettings) -> None:
    rng = np.random.default_rng(5)
    smoothed, plain = (
        OutputChooser(MODEL, OutputSettings(mode=OutputMode.FUSED), fusion_settings(MODEL, Smoothing())),
        (fused_chooser(fusion)),
    )
    found: dict[str, list[HandState]] = {"smoothed": [], "plain": []}
    for index in range(90):
        state = hand_state(frame(index), "right", 0.0)
        network, ik = (
            replace(
                posed(state, noise=rng.normal(0.0, 0.03, 48)),
                origin=path_id,
                shape=rng.normal(0.0, 0.5, 10).astype(np.float32),
                confidence=0.9,
            )
            for path_id in ("network", "ik")
        )
        for name, chooser in (("smoothed", smoothed), ("plain", plain)):
            found[name] += [output.state for output in choose(chooser, index, network, ik)]
    assert {state.origin for state in found["plain"]} == {"fused"}
    shapes = np.array([state.shape for state in found["plain"]])
    assert np.abs(np.diff(shapes[-10:], axis=0)).max() < 0.2 * np.abs(np.diff(shapes[:10], axis=0)).max()
    jitter = {name: jitter_mm(np.array([state.joints_m for state in states])) for name, states in found.items()}
    assert jitter["smoothed"] < 0.5 * jitter["plain"]


def test_comparison_measures_the_distance_of_each_path_from_the_fused_hand(fusion: FusionSettings) -> None:
    comparison, chooser = Comparison(), fused_chooser(fusion)
    for index in range(3):
        network, ik = both(index, 0.3)
        results: dict[PathId, PathResult] = {
            "network": PathResult(frame(index), "network", (network,)),
            "ik": PathResult(frame(index), "ik", (ik,)),
        }
        outputs = chooser.choose(frame(index), results)
        comparison.record(JoinedResult(frame(index), results, outputs))
    numbers = comparison.numbers()
    assert numbers.output_shares == {"network": 0.0, "fused": 1.0, "ik": 0.0}
    expected = np.linalg.norm(
        (network.joints_m - network.joints_m[0]) - (outputs[0].state.joints_m - outputs[0].state.joints_m[0]), axis=1
    )
    np.testing.assert_allclose(numbers.from_output_mm["network"], 1e3 * expected, atol=0.05)
    assert numbers.from_output_mm["ik"].mean() > 1.0
