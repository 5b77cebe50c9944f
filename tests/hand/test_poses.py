"""Named poses: each has the geometry of its name, and no part of the hand intersects another."""

import numpy as np
import pytest

from hand.build.crossings import CrossingDetector
from hand.embedded import load_embedded_model
from hand.layer import HandGeometry, HandLayer
from hand.poses import NAMED_POSES, HandAngles, ThumbAngles, named_pose, pose_from_angles

SOFT_CONTACT_MM = 1.0
"""Depth that counts as touch: finger pulp gives way by more than that under a light press, and rigid skin cannot."""


@pytest.fixture(scope="module")
def layer() -> HandLayer:
    return HandLayer(load_embedded_model(), np.float64)


@pytest.fixture(scope="module")
def detector() -> CrossingDetector:
    return CrossingDetector(load_embedded_model())


def posed(layer: HandLayer, name: str) -> HandGeometry:
    assert layer.model.joint_axes is not None
    return layer(named_pose(name, layer.model.joint_axes), np.zeros(10))


def gap_mm(geometry: HandGeometry, first: int, second: int) -> float:
    return float(np.linalg.norm(geometry.joints_m[first] - geometry.joints_m[second]) * 1000.0)


def test_at_least_fourteen_poses_include_the_four_common_ones() -> None:
    assert len(NAMED_POSES) >= 14
    assert {"open_hand", "fist", "pinch", "pointing"} <= set(NAMED_POSES)


@pytest.mark.parametrize("name", NAMED_POSES)
def test_no_crossing_beyond_soft_contact(layer: HandLayer, detector: CrossingDetector, name: str) -> None:
    crossings = detector.crossings(posed(layer, name).vertices_m)
    assert not [crossing for crossing in crossings if crossing.depth_mm > SOFT_CONTACT_MM], crossings[:4]


def test_detector_finds_a_thumb_through_a_fist(layer: HandLayer, detector: CrossingDetector) -> None:
    fist = NAMED_POSES["fist"]
    pierced = HandAngles(fist.index, fist.middle, fist.ring, fist.pinky, ThumbAngles(25.0, -3.0, -15.0, 37.0, 38.0))
    assert layer.model.joint_axes is not None
    vertices = layer(pose_from_angles(pierced, layer.model.joint_axes), np.zeros(10)).vertices_m
    deepest = detector.crossings(vertices)[0]
    assert deepest.depth_mm > 3.0
    assert "thumb" in deepest.of + deepest.into


def test_detector_finds_nothing_at_rest_and_is_translation_invariant(
    layer: HandLayer, detector: CrossingDetector
) -> None:
    assert detector.deepest_mm(layer(np.zeros(48), np.zeros(10)).vertices_m) == 0.0
    vertices = posed(layer, "pinch").vertices_m
    moved = vertices + np.array([0.3, -0.2, 0.5])
    assert detector.deepest_mm(moved) == pytest.approx(detector.deepest_mm(vertices), abs=1e-6)


def test_open_hand_is_the_rest_pose(layer: HandLayer) -> None:
    assert layer.model.joint_axes is not None
    np.testing.assert_allclose(named_pose("open_hand", layer.model.joint_axes), np.zeros(48), atol=1e-12)


def test_fist_brings_all_finger_tips_to_the_palm(layer: HandLayer) -> None:
    rest, fist = layer(np.zeros(48), np.zeros(10)).joints_m, posed(layer, "fist").joints_m
    for tip in (8, 12, 16, 20):
        assert np.linalg.norm(fist[tip] - fist[0]) < 0.6 * np.linalg.norm(rest[tip] - rest[0])


def test_pinches_bring_two_tips_together(layer: HandLayer) -> None:
    for name, tip in (("pinch", 8), ("ok_sign", 8), ("middle_pinch", 12)):
        geometry = posed(layer, name)
        assert gap_mm(geometry, 4, tip) < 22.0, name
        others = [other for other in (8, 12, 16, 20) if other != tip]
        assert gap_mm(geometry, 4, tip) < min(gap_mm(geometry, 4, other) for other in others), name


def test_pointing_stretches_the_index_alone(layer: HandLayer) -> None:
    geometry = posed(layer, "pointing")
    reach = {tip: gap_mm(geometry, 0, tip) for tip in (8, 12, 16, 20)}
    assert reach[8] > 160.0
    assert max(reach[12], reach[16], reach[20]) < 110.0


def test_an_unknown_pose_is_refused(layer: HandLayer) -> None:
    assert layer.model.joint_axes is not None
    with pytest.raises(KeyError):
        named_pose("crossed_fingers", layer.model.joint_axes)
