"""The comparison's numbers against values calculated by hand, and the saved files of a session."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_fakes import found, hand_state, plain_image

from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.metrics.comparison import Comparison
from app.pipeline.metrics.comparison_report import save_summary, summarize
from app.pipeline.output_reason import OutputCause, OutputReason
from app.pipeline.output_selector import OutputHand
from app.pipeline.result_synchronizer import JoinedResult
from hand.joints import JOINT_NAMES
from hand.types import Frame, PathId, PathResult

LENS = IntrinsicsChoice().intrinsics_for(320, 240)


def frame(index: int, rate: float = 20.0) -> Frame:
    return Frame(index, 1_000_000_000 + round(index * 1e9 / rate), plain_image(), LENS, "x")


def joined(
    index: int,
    path_ids: Sequence[PathId] = ("network", "ik"),
    *,
    output: PathId | None = "network",
    wobble_m: float = 0.0,
    late: bool = False,
) -> JoinedResult:
    """Both paths find the hand; the network's lies 30 mm behind IK's, its joint 8 also 21 mm to the side."""
    here = frame(index)
    ik = found(here)
    joints = ik.states[0].joints_m.copy() + np.array([0.0, 0.0, 0.03], np.float32)
    joints[8, 0] += 0.021
    joints[12, 0] += wobble_m * (-1) ** index
    state = replace(hand_state(here), origin="network", confidence=0.6, joints_m=joints)
    results: dict[PathId, PathResult] = {
        "network": PathResult(here, "network", (state,), (), {"network": 3.0, "total": 4.0}),
        "ik": ik,
    }
    outputs = () if output is None else (OutputHand(results[output].states[0], OutputReason(OutputCause.ONLY_PATH)),)
    return JoinedResult(here, {name: results[name] for name in path_ids}, outputs, late=late)


def test_numbers_match_hand_calculated_values() -> None:
    comparison = Comparison()
    for index in range(60):
        comparison.record(joined(index, output="network" if index < 45 else "ik", wobble_m=0.001))
    numbers = comparison.numbers()
    network, ik = numbers.paths["network"], numbers.paths["ik"]
    assert network.frames_per_second == pytest.approx(20.0)
    assert (network.work_ms, ik.work_ms) == (4.0, 1.5)
    assert (network.confidence, ik.confidence) == (pytest.approx(0.6), pytest.approx(0.9))
    assert network.hand_share == 1.0
    assert ik.reprojection_px == pytest.approx(math.hypot(2.0, 2.0), abs=1e-3)
    assert ik.jitter_mm == pytest.approx(0.0, abs=1e-3)
    assert network.jitter_mm == pytest.approx(4.0 / 21.0, rel=1e-2)  # one joint of 21 swings by 2 mm: 4 mm / frame^2
    assert numbers.joints_mm[8] == pytest.approx(21.0, abs=1e-2)
    assert numbers.joints_mm[0] == 0.0
    assert numbers.disagreement_mm == pytest.approx(22.0 / 21.0, abs=1e-2)
    assert numbers.placement_mm == pytest.approx(30.0, abs=1e-2)
    assert numbers.output_shares == {"network": 0.75, "fused": 0.0, "ik": 0.25}
    assert numbers.changes == 1


def test_numbers_cover_the_recent_window_and_rows_the_whole_session() -> None:
    comparison = Comparison()
    for index in range(400):  # 20 s, and for the last 10 s without MediaPipe
        comparison.record(joined(index, ("network", "ik") if index < 200 else ("network",)))
    numbers = comparison.numbers()
    assert math.isnan(numbers.paths["ik"].frames_per_second)
    assert numbers.compared == 0
    assert math.isnan(numbers.disagreement_mm)
    rows = comparison.rows()
    assert len(rows) == 20
    assert [row["ik_frames"] for row in rows] == [20] * 10 + [0] * 10
    assert comparison.session_joints_mm()[8] == pytest.approx(21.0, abs=1e-2)
    comparison.reset()
    assert comparison.rows() == []
    assert math.isnan(comparison.numbers().paths["network"].work_ms)


def test_late_frames_count_once_and_are_compared() -> None:
    comparison = Comparison()
    for index in range(10):
        comparison.record(joined(index, ("network",)))
        if index % 5 == 4:
            comparison.record(joined(index - 2, output=None, late=True))
    row = comparison.rows()[0]
    assert (row["network_frames"], row["ik_frames"], row["compared_frames"]) == (10, 2, 2)
    assert row["output_network_frames"] == 10


def test_frames_without_a_hand_give_no_numbers() -> None:
    comparison = Comparison()
    here = frame(0)
    comparison.record(JoinedResult(here, {"ik": PathResult(here, "ik", ())}))
    numbers = comparison.numbers()
    assert math.isnan(numbers.paths["ik"].confidence)
    assert numbers.paths["ik"].hand_share == 0.0
    assert numbers.output_shares == {"network": 0.0, "fused": 0.0, "ik": 0.0}


def test_session_is_saved_as_a_table_and_a_summary(tmp_path: Path) -> None:
    comparison = Comparison()
    for index in range(100):
        comparison.record(joined(index, output="network" if index % 50 else None))
    table, summary = save_summary(comparison, "clip.mp4", tmp_path / "deep" / "session")
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 5
    assert float(rows[2]["network_confidence"]) == pytest.approx(0.6)
    content = json.loads(summary.read_text(encoding="utf-8"))
    assert content == summarize(comparison, "clip.mp4")
    assert content["paths"]["ik"]["frames"] == 100
    assert content["paths"]["ik"]["frames_per_second"] == 20
    assert content["joints_mm"][JOINT_NAMES[8]] == pytest.approx(21.0, abs=0.01)
    counted = {"network_frames": 98, "ik_frames": 0, "fused_frames": 0, "frames_without_hand": 2, "changes": 0}
    assert counted.items() <= content["output"].items()
    assert content["output"]["confidence"]["mean"] == pytest.approx(0.6)
    empty, _ = save_summary(Comparison(), "", tmp_path / "empty")
    assert empty.read_text(encoding="utf-8") == "second\n"


def test_comparison_counts_on_when_a_camera_follows_a_file_that_ran_ahead_of_the_clock() -> None:
    comparison = Comparison()
    for index in range(400, 440):  # two seconds of a file, 20 s ahead of the camera
        comparison.record(joined(index))
    camera = [joined(index, ("ik",), output="ik") for index in range(200)]
    for one in camera[:10]:
        comparison.record(one)
    comparison.record(joined(439, output=None, late=True))  # of the file, counted already
    for one in camera[10:]:
        comparison.record(one)
    # the camera's first frame counts for the moment of the file's last
    assert [row["ik_frames"] for row in comparison.rows()] == [20, 21, *[20] * 9, 19]
    numbers = comparison.numbers()
    assert math.isnan(numbers.paths["network"].work_ms)  # the file is out of the window
    assert numbers.paths["ik"].frames_per_second == pytest.approx(20.0)
    assert numbers.paths["ik"].jitter_mm == pytest.approx(0.0, abs=1e-3)
    assert numbers.output_shares["ik"] == 1.0
