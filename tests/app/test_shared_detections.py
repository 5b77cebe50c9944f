"""Detections shared between paths: awaited where they are on the way, and never where they are not."""

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


def while_asked(shared: SharedDetections, about: Frame, act: Callable[[], None]) -> list[object]:
    """The answer of a path that is already waiting when something happens."""
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(shared.of(about)))
    asking.start()
    time.sleep(0.02)
    act()
    asking.join(5.0)
    assert not asking.is_alive()
    return answers


def test_what_is_done_is_there_at_once_for_the_last_frames() -> None:
    shared, frames = SharedDetections(), [frame(number) for number in range(5)]
    shared.opened()
    for one in frames:
        shared.started(one)
        shared.detected(one, SEEN)
    assert shared.of(frames[-1]) == SEEN
    assert shared.of(frames[2]) == SEEN
    assert shared.of(frames[0]) is None


def test_a_detection_on_its_way_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_detections, "LONGEST_WAIT_S", 5.0)
    shared, now = SharedDetections(), frame(0)
    shared.opened()
    shared.started(now)
    assert while_asked(shared, now, lambda: shared.detected(now, SEEN)) == [SEEN]


def test_a_detector_that_is_busy_with_another_frame_is_not_awaited() -> None:
    shared = SharedDetections()
    shared.opened()
    shared.started(frame(0))
    assert shared.of(frame(1)) is None


def test_a_detector_that_is_closed_while_it_is_awaited_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_detections, "LONGEST_WAIT_S", 5.0)
    shared, now = SharedDetections(), frame(0)
    shared.opened()
    shared.started(now)
    assert while_asked(shared, now, shared.closed) == [None]


def test_on_every_frame_a_detector_is_awaited_through_loading_and_the_frames_before() -> None:
    shared, before, now = SharedDetections(every_frame=True), frame(0), frame(1)

    def load_and_detect() -> None:
        shared.opened()
        for one in (before, now):
            shared.started(one)
            shared.detected(one, SEEN)

    assert while_asked(shared, now, load_and_detect) == [SEEN]
    shared.closed()
    assert shared.of(frame(2)) is None
