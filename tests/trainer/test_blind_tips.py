"""The blind comparison of finger tips: which tips are selected, and the colors on the sheet against the key."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np

from benchmarks.blind_tips import print_score, tip_pairs, write_sheets
from benchmarks.fusion_cases import FusionCase, PathHand
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.joints import FINGERS
from hand.layer import HandLayer
from hand.types import HandOrigin, HandState

CAMERA = Intrinsics.from_fov(320, 240)
BENT_RAD = 0.5


def state(origin: HandOrigin, index_rad: float) -> HandState:
    """An upright hand with a bent index finger."""
    pose, place = np.zeros(48), np.array([0.0, 0.0, 0.5])
    pose[3:6] = (0.0, 0.0, index_rad)
    hand = HandLayer(load_embedded_model())(pose, np.zeros(10), place)
    return HandState(
        sequence=0,
        side="right",
        pose_rad=pose,
        shape=np.zeros(10),
        camera_translation_m=place,
        joints_m=hand.joints_m,
        vertices_m=hand.vertices_m,
        confidence=0.9,
        origin=origin,
        reprojection_px=1.0,
        seen_px=project(hand.joints_m.astype(np.float64), CAMERA),
        seen_sigma_px=np.full(21, 2.0),
    )


@pytest.fixture(scope="module")
def case() -> FusionCase:
    network, ik = state("network", 0.0), replace(state("ik", BENT_RAD), seen_sigma_px=None)
    joints_px = project(network.joints_m.astype(np.float64), CAMERA)
    hands = PathHand(network, "right"), PathHand(ik, "right")
    return FusionCase("a.png", CAMERA, *hands, "right", joints_px, None, None, np.ones(21, bool))


def test_tips_that_differ_are_selected(case: FusionCase) -> None:
    (pair,) = tip_pairs([case], ("network", "ik"))
    assert FINGERS[pair.finger] == "index"
    np.testing.assert_allclose(pair.places_px[0], case.joints_px[8], atol=1e-3)


def test_colors_on_the_sheet_are_those_of_the_key(
    case: FusionCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((240, 320, 3), 90, np.uint8))
    pairs = tip_pairs([case], ("network", "ik")) * 8
    options = argparse.Namespace(photographs=tmp_path, out=tmp_path / "blind", seed=0, tips=8)
    write_sheets(pairs, ("network", "ik"), options)
    key = json.loads((tmp_path / "blind" / "key.json").read_text())
    assert {tile["G"] for tile in key} == {"network", "ik"}
    sheet = cv2.imread(str(tmp_path / "blind" / "sheet_0.png"))
    assert sheet is not None
    (network_px, ik_px), side = pairs[0].places_px, 300
    moved_px = (ik_px - network_px) * side / pairs[0].tile_px
    for number, tile in enumerate(key):
        part = sheet[number // 6 * side :, number % 6 * side :][:side, :side].astype(int)
        green = np.argwhere((part[..., 1] > 220) & (part[..., 0] < 60) & (part[..., 2] < 60)).mean(0)[::-1]
        magenta = np.argwhere((part[..., 1] < 60) & (part[..., 0] > 220) & (part[..., 2] > 220)).mean(0)[::-1]
        from_network = magenta - green if tile["G"] == "network" else green - magenta
        np.testing.assert_allclose(from_network, moved_px, atol=2.0)
    print_score(tmp_path / "blind", [f"{number}{'G' if tile['G'] == 'ik' else 'M'}" for number, tile in enumerate(key)])
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "ik: nearer in 8 of 8 (68% to 100%)",
        "network: nearer in 0 of 8 (0% to 32%)",
    ]
