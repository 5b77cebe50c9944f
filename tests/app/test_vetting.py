"""Untrusted networks are tried in a child process with limits, and hands that are not finite are left out."""

from __future__ import annotations

import json
import math
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.networks import vetting
from app.networks.live_network import load_candidate
from app.networks.onnx_check import refuse_unsafe_onnx
from app.networks.vetting import NetworkVetting
from app.pipeline.finite_hands import without_broken_hands
from assets import ASSETS_DIR
from hand.camera import Intrinsics
from hand.errors import CheckpointError
from hand.types import Frame, HandState, PathResult
from inference.runtime import read_metadata
from tests.trials.hostile_networks import hostile_network

SHIPPED = ASSETS_DIR / "network"
limited = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory limits need Linux")


def copy_of_shipped(folder: Path) -> Path:
    shutil.copytree(SHIPPED, folder)
    return folder


@pytest.mark.vetting
def test_network_with_the_same_content_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_of_shipped(tmp_path / "a")
    NetworkVetting().vet(folder)
    assert len(vetting.vetted_file().read_text().split()) == 1
    monkeypatch.setattr(NetworkVetting, "_try", lambda *_: pytest.fail("the network was tried again"))
    NetworkVetting().vet(copy_of_shipped(tmp_path / "b"))
    NetworkVetting().vet(SHIPPED)


@pytest.mark.vetting
def test_network_with_a_loop_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the training part is not installed")
    with pytest.raises(CheckpointError, match="repeats parts of itself"):
        load_candidate(hostile_network(tmp_path / "bad", "loop"))
    assert not vetting.vetted_file().exists()


@limited
@pytest.mark.vetting
def test_a_network_that_takes_all_memory_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the training part is not installed")
    with pytest.raises(CheckpointError, match=r"alloc|memory"):
        load_candidate(hostile_network(tmp_path / "bad", "memory"))


@limited
@pytest.mark.vetting
def test_trial_that_does_not_end_is_stopped_and_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: str) -> list[str]:
        return [sys.executable, "-c", "while True: pass"]

    monkeypatch.setattr(vetting, "python_command", endless)
    monkeypatch.setattr(vetting, "WAIT_S", 0.5)
    with pytest.raises(CheckpointError, match="takes longer"):
        NetworkVetting().vet(copy_of_shipped(tmp_path / "bad"))


@pytest.mark.vetting
def test_cancelled_trial_ends_at_once_and_cannot_be_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    def endless(*_: str) -> list[str]:
        started.set()
        return [sys.executable, "-c", "while True: pass"]

    monkeypatch.setattr(vetting, "python_command", endless)
    trial, folder, errors = NetworkVetting(), copy_of_shipped(tmp_path / "bad"), list[str]()

    def vet() -> None:
        try:
            trial.vet(folder)
        except CheckpointError as problem:
            errors.append(str(problem))

    thread = threading.Thread(target=vet)
    thread.start()
    assert started.wait(20.0)
    trial.break_off()
    thread.join(5.0)
    assert not thread.is_alive()
    assert "broken off" in errors[0]
    vet()
    assert len(errors) == 2, "a cancelled vetting was started again"


def test_shipped_network_passes_the_onnx_check() -> None:
    refuse_unsafe_onnx(SHIPPED / "network.onnx", "the product")


BAD_METADATA: dict[str, tuple[tuple[str, ...], Any]] = {
    "NaN confidence": (("confidence", "offset"), math.nan),
    "infinite slope": (("confidence", "slope"), math.inf),
    "no slope": (("confidence", "slope"), None),
    "huge slope": (("confidence", "slope"), 10**400),
    "a list": (("confidence",), []),
    "no pixels": (("network", "input_px"), 0),
    "a boolean": (("network", "input_px"), True),
    "too many pixels": (("network", "input_px"), 10**9),
    "a string": (("network", "input_px"), "128"),
    "upright": (("network", "upright"), "yes"),
    "network": (("network",), 3),
    "expansion": (("crop_expansion",), 1e30),
    "negative expansion": (("crop_expansion",), -1.0),
    "digest": (("hand_model_digest",), 5),
    "name": (("name",), "x" * 10_000),
    "inputs": (("inputs",), [1]),
    "size of an input": (("inputs",), {"image": 10**9}),
    "outputs": (("outputs",), [["rotations"]]),
}


@pytest.mark.parametrize("case", BAD_METADATA)
def test_invalid_metadata_is_refused_by_field_name(tmp_path: Path, case: str) -> None:
    keys, value = BAD_METADATA[case]
    content = json.loads((SHIPPED / "network.json").read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (tmp_path / "network.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=f"{keys[-1]}|confidence|describe the network|digest"):
        read_metadata(tmp_path)


def _state(side: str, joint_m: float) -> HandState:
    joints = np.full((21, 3), joint_m)
    return HandState(
        0,
        side,
        np.zeros(48),
        np.zeros(10),
        np.zeros(3),
        joints,
        np.zeros((9, 3)),
        0.9,
        "network",  # type: ignore[arg-type]
    )


def test_only_the_hand_that_is_not_finite_is_left_out() -> None:
    frame = Frame(0, 0, np.zeros((4, 4, 3), np.uint8), Intrinsics(4.0, 4.0, 2.0, 2.0, 4, 4), "a")
    good = PathResult(frame, "network", (_state("right", 0.1), _state("left", 0.2)))
    assert without_broken_hands(good) is good
    bad = replace(good, states=(_state("right", math.nan), good.states[1]))
    kept = without_broken_hands(bad)
    assert kept.states == (good.states[1],)
    assert "not finite" in kept.message


def test_hands_before_the_filter_are_left_out_with_those_behind_it() -> None:
    frame = Frame(0, 0, np.zeros((4, 4, 3), np.uint8), Intrinsics(4.0, 4.0, 2.0, 2.0, 4, 4), "a")
    raw = (_state("right", 0.11), _state("left", 0.21), _state("right", math.nan))
    smooth = (_state("right", math.nan), _state("left", 0.2), _state("right", 0.3))
    kept = without_broken_hands(PathResult(frame, "network", smooth, unfiltered=raw))
    assert (kept.states, kept.unfiltered) == (smooth[1:2], raw[1:2])
