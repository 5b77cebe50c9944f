"""Detections shared between paths are awaited only while the detector works on the same frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from app.pipeline.paths import shared_detections
from app.pipeline.paths.shared_detections import SharedDetections
from hand.camera import Intrinsics
from hand.types import Frame, HandObservation

CAMERA = Intrinsics(50.0, 50.0, 8.0, 8.0, 16, 16)
SEEN: tuple[HandObservation, ...] = ()


def frame(sequence: int) -> Frame:
    return Frame(sequence, sequence, np.zeros((16, 16, 3), np.uint8), CAMERA, "test")


def result_of_waiting_path(shared: SharedDetections, of_frame: Frame, act: Callable[[], None]) -> list[object]:
    """The result of a path that is already waiting when ``act`` is called."""
    results: list[object] = []
    waiting = threading.Thread(target=lambda: results.append(shared.of(of_frame)))
    waiting.start()
    time.sleep(0.02)
    act()
    waiting.join(5.0)
    assert not waiting.is_alive()
    return results


def test_finished_detections_of_the_last_frames_are_returned_at_once() -> None:
    shared, frames = SharedDetections(), [frame(number) for number in range(5)]
    shared.opened()
    for one in frames:
        shared.started(one)
        shared.detected(one, SEEN)
    assert shared.of(frames[-1]) == SEEN
    assert shared.of(frames[2]) == SEEN
    assert shared.of(frames[0]) is None


def test_running_detection_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_detections, "LONGEST_WAIT_S", 5.0)
    shared, now = SharedDetections(), frame(0)
    shared.opened()
    shared.started(now)
    assert result_of_waiting_path(shared, now, lambda: shared.detected(now, SEEN)) == [SEEN]


def test_a_detector_that_is_busy_with_another_frame_is_not_awaited() -> None:
    shared = SharedDetections()
    shared.opened()
    shared.started(frame(0))
    assert shared.of(frame(1)) is None


def test_closing_the_detector_releases_a_waiting_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_detections, "LONGEST_WAIT_S", 5.0)
    shared, now = SharedDetections(), frame(0)
    shared.opened()
    shared.started(now)
    assert result_of_waiting_path(shared, now, shared.closed) == [None]


def test_detector_for_every_frame_is_awaited_through_loading_and_earlier_frames() -> None:
    shared, before, now = SharedDetections(every_frame=True), frame(0), frame(1)

    def load_and_detect() -> None:
        shared.opened()
        for one in (before, now):
            shared.started(one)
            shared.detected(one, SEEN)

    assert result_of_waiting_path(shared, now, load_and_detect) == [SEEN]
    shared.closed()
    assert shared.of(frame(2)) is None
