"""The hand shape measured from two views, and how it is saved for the user."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.pipeline.paths.calibrated_ik_path import measured_own_shape
from app.two_views.bundle_adjustment import edge_lengths
from app.two_views.camera_pair import CameraPair
from app.two_views.hand_shape import SEEN_DEVIATION, keep_shape, measured_shape
from app.two_views.truth import Truth
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from ik_baseline.person import HandCalibration

MODEL = load_embedded_model()
CAMERA = Intrinsics(600.0, 610.0, 330.0, 230.0, 640, 480)
SHAPE = np.array([2.2, -1.8, 1.6, -1.0, 1.6, 0.0, 0.0, 0.0, 0.0, 0.5])


def test_shape_is_recovered_from_proportions_biased_towards_the_average() -> None:
    layer = HandLayer(MODEL, np.float64)
    own, average = (np.asarray(layer(np.zeros(48), shape).joints_m) for shape in (SHAPE, np.zeros(10)))
    size = edge_lengths(own[None])[0, :20].sum() / edge_lengths(average[None])[0, :20].sum()
    # both hands are at rest with nearly parallel bones, so interpolating the joints interpolates the bone lengths
    seen = size * average + SEEN_DEVIATION * (own - size * average)
    joints = np.repeat(seen[None], 30, 0) + np.array([0.0, 0.0, 0.6])
    pair = CameraPair(CAMERA, CAMERA, np.eye(3), np.array([-0.5, 0.0, 0.0]))
    truth = Truth(np.arange(30) / 15.0, joints, np.full((30, 21), 0.004), pair, "right")
    found = np.asarray(layer(np.zeros(48), measured_shape(truth, MODEL)).joints_m)
    off_m = np.abs(edge_lengths(found[None]) - edge_lengths(own[None]))
    assert off_m.max() < 0.0012
    assert off_m.mean() < 0.75 * np.abs(edge_lengths(joints[:1]) - edge_lengths(own[None])).mean()


def test_measured_shape_is_saved_once_and_single_view_shapes_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "hand.json"
    assert str(file) in keep_shape(SHAPE, 500, MODEL, file)
    kept = HandCalibration.load(MODEL, file)
    assert kept.views == 2
    np.testing.assert_allclose(kept.shape, SHAPE)
    # it is not measured again: in later takes the paths already use it
    assert "measured before" in keep_shape(np.zeros(10), 9, MODEL, file)
    taken = measured_own_shape(MODEL, file)
    assert taken is not None
    np.testing.assert_allclose(taken, SHAPE)
    # a single view determines the shape too roughly
    HandCalibration(SHAPE, np.zeros((21, 3)), MODEL.digest, 60).save(file)
    assert measured_own_shape(MODEL, file) is None
