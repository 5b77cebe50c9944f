"""Paths get recent frames, and as far as possible the same ones; time is simulated."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest
from app_fakes import plain_image

from app.pipeline.frame_dispatcher import FrameDispatcher
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.mailbox import Mailbox
from hand.types import Frame, PathId

LENS = IntrinsicsChoice().intrinsics_for(320, 240)
PERIOD_MS = 33
MS = 1_000_000


def frame(index: int) -> Frame:
    return Frame(index, 1_000_000_000 + index * PERIOD_MS * MS, plain_image(), LENS, "x")


@dataclass
class Path:
    """A simulated path with a constant processing time.

    Attributes:
        work_ms: processing time of a frame.
        free_ms: time at which the current frame is done.
        newest: frame in its inbox.
        before: frame that was taken last.
        taken: sequence number of each frame, and its age in milliseconds when it was taken.
    """

    work_ms: int
    free_ms: int = 0
    newest: Frame | None = None
    before: Frame | None = None
    taken: list[tuple[int, int]] = field(default_factory=list)

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.taken]


def simulate(network_ms: int, ik_ms: int, frames: int = 200, after_ms: int = 0) -> dict[PathId, Path]:
    """Simulates both paths on one source in steps of a millisecond."""
    now_ms = 0
    dispatcher = FrameDispatcher(("network", "ik"), lambda: now_ms * MS)
    paths: dict[PathId, Path] = {"network": Path(network_ms), "ik": Path(ik_ms)}
    for now_ms in range(frames * PERIOD_MS + after_ms):
        if now_ms % PERIOD_MS == 0 and now_ms < frames * PERIOD_MS:
            arrived = frame(now_ms // PERIOD_MS)
            for path_id, path in paths.items():
                path.newest = arrived
                dispatcher.inboxes[path_id].put(arrived)
        for path_id, path in paths.items():
            if path.newest is None or now_ms < path.free_ms:
                continue
            if dispatcher.pause_s(path.newest, path.before, path.work_ms * MS) > 0.0:
                continue
            taken = dispatcher.inboxes[path_id].take_now()
            assert taken is not None
            path.newest = None if taken is path.newest else path.newest
            path.before, path.free_ms = taken, now_ms + path.work_ms
            path.taken.append((taken.sequence, now_ms - taken.sequence * PERIOD_MS))
    return paths


def test_paths_that_keep_up_have_every_frame_at_once() -> None:
    for path in simulate(20, 31).values():
        assert path.taken == [(index, 0) for index in range(200)]


@pytest.mark.parametrize(("network_ms", "ik_ms"), [(48, 45), (45, 48), (62, 40), (55, 55), (100, 41)])
def test_slow_paths_get_recent_frames_and_share_them(network_ms: int, ik_ms: int) -> None:
    paths = simulate(network_ms, ik_ms)
    steady = {path_id: path.taken[10:] for path_id, path in paths.items()}
    faster, slower = sorted(paths.values(), key=lambda path: path.work_ms)
    ages = [age for _, age in steady["ik" if faster is paths["ik"] else "network"]]
    assert max(ages) <= PERIOD_MS // 3 + 1
    shared = set(slower.numbers[10:]) & set(faster.numbers)
    assert len(shared) >= 0.9 * len(slower.numbers[10:])
    # no path starves: a frame and a wait for the next one at most
    for path in paths.values():
        assert len(path.taken) >= 200 * PERIOD_MS / (path.work_ms + PERIOD_MS) - 2


def test_last_frame_of_a_stopped_source_is_processed() -> None:
    paths = simulate(50, 47, frames=60, after_ms=200)
    for path in paths.values():
        assert path.numbers[-1] == 59
        assert path.taken[-1][1] <= 50 + 1.25 * PERIOD_MS


@dataclass
class Clock:
    """A clock that the test sets."""

    ms: int = 0

    def ns(self) -> int:
        return self.ms * MS


def inbox_with_an_old_frame(clock: Clock) -> Mailbox[Frame]:
    """A path's inbox at 190 ms: frames come every 100 ms, frame 0 was taken, frame 1 has waited for 90 ms."""
    inbox = FrameDispatcher(("network",), clock.ns).inboxes["network"]
    inbox.put(frame(0))
    assert inbox.take() is not None
    clock.ms = 100
    inbox.put(frame(1))
    clock.ms = 190
    return inbox


def test_idle_path_waits_for_the_imminent_frame_instead_of_an_old_one() -> None:
    clock = Clock()
    inbox = inbox_with_an_old_frame(clock)
    taken: list[Frame | None] = []
    reader = threading.Thread(target=lambda: taken.append(inbox.take()))
    reader.start()
    reader.join(0.05)
    assert not taken
    clock.ms = 200
    due = frame(2)
    inbox.put(due)
    reader.join(5)
    assert taken == [due]


def test_closing_the_inbox_wakes_a_reader_that_waits_for_a_newer_frame() -> None:
    clock = Clock()
    inbox = inbox_with_an_old_frame(clock)
    reader = threading.Thread(target=inbox.take)
    reader.start()
    inbox.close()
    reader.join(5)
    assert not reader.is_alive()


def test_slower_path_gets_frames_that_the_faster_one_had() -> None:
    dispatcher = FrameDispatcher(("network", "ik"))
    fast, slow = dispatcher.inboxes["network"], dispatcher.inboxes["ik"]
    had: dict[str, list[int]] = {"fast": [], "slow": []}
    for index in range(30):
        for inbox in (fast, slow):
            inbox.put(frame(index))
        for name, inbox, every, offset in (("fast", fast, 2, 1), ("slow", slow, 5, 0)):
            if index % every == offset:
                taken = inbox.take_now()
                assert taken is not None
                had[name].append(taken.sequence)
    assert had["fast"] == [0, *range(3, 30, 2)]  # frame 0, because the other one had taken it
    assert set(had["slow"]) <= set(had["fast"])
    assert had["slow"] == sorted(set(had["slow"]))
    assert len(had["slow"]) == 6


def test_path_gets_the_frame_of_the_new_source_after_a_source_change() -> None:
    dispatcher = FrameDispatcher(("network", "ik"))
    for inbox in dispatcher.inboxes.values():
        inbox.put(frame(0))
    assert dispatcher.inboxes["network"].take_now() is not None
    other = replace(frame(3), source_id="y")
    for inbox in dispatcher.inboxes.values():
        inbox.put(other)
    assert dispatcher.inboxes["ik"].take_now() is other


def test_paths_share_the_first_frame_of_a_camera_after_a_file_that_ran_ahead_of_the_clock() -> None:
    dispatcher = FrameDispatcher(("network", "ik"), lambda: 0)
    network, ik = dispatcher.inboxes["network"], dispatcher.inboxes["ik"]
    of_file = replace(frame(0), capture_time_ns=10**12, arrival_time_ns=1)
    first, second = (replace(frame(index), source_id="camera", arrival_time_ns=index) for index in (2, 3))
    for arrived in (of_file, first):
        network.put(arrived)
        ik.put(arrived)
        if arrived is of_file:
            assert ik.take_now() is of_file
        assert network.take_now() is arrived
    ik.put(second)
    assert ik.take_now() is first
