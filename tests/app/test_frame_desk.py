"""Which frame a path gets: a young one, and as far as possible one that the other path gets too."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from app_fakes import plain_image

from app.pipeline.frame_desk import FrameDesk
from app.pipeline.lens import Lens
from hand.types import Frame, Provider

LENS = Lens().intrinsics_for(320, 240)


def frame(index: int, period_ms: float = 50.0) -> Frame:
    return Frame(index, round(index * period_ms * 1e6), plain_image(), LENS, "x")


def test_slower_path_gets_frames_that_the_faster_one_had() -> None:
    """As long as it is not known how long either takes."""
    desk = FrameDesk(("network", "ik"))
    fast, slow = desk.inboxes["network"], desk.inboxes["ik"]
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


def test_frames_of_another_source_are_never_mixed() -> None:
    desk = FrameDesk(("network", "ik"))
    for inbox in desk.inboxes.values():
        inbox.put(frame(0))
    assert desk.inboxes["network"].take_now() is not None
    other = replace(frame(3), source_id="y")
    for inbox in desk.inboxes.values():
        inbox.put(other)
    assert desk.inboxes["ik"].take_now() is other


class SimulatedPaths:
    """Two paths at a desk, on a clock that is moved by hand."""

    def __init__(self, period_ms: float) -> None:
        self.now_ms = 0.0
        self.period_ms = period_ms
        self.desk = FrameDesk(("network", "ik"), clock_ns=lambda: round(self.now_ms * 1e6))

    def newest(self) -> Frame:
        index = int(self.now_ms // self.period_ms)
        return frame(index, self.period_ms)

    def run(self, work_ms: dict[Provider, float], seconds: float) -> dict[Provider, list[tuple[int, float]]]:
        """The number of each frame that a path took and how old it was when the path was done with it."""
        done: dict[Provider, list[tuple[int, float]]] = {"network": [], "ik": []}
        free_ms: dict[Provider, float] = {"network": 0.0, "ik": 0.1}
        begun: dict[Provider, Frame] = {}
        waited: dict[Provider, bool] = {"network": False, "ik": False}
        frames: dict[int, Frame] = {}
        while self.now_ms < seconds * 1e3:
            who = min(free_ms, key=lambda provider: free_ms[provider])
            self.now_ms = free_ms[who]
            if who in begun and not waited[who]:
                taken = begun.pop(who)
                done[who].append((taken.sequence, self.now_ms - taken.capture_time_ns / 1e6))
                self.desk.finish(who)
            newest = frames.setdefault(self.newest().sequence, self.newest())
            if done[who] and newest.sequence <= done[who][-1][0]:
                free_ms[who] = (newest.sequence + 1) * self.period_ms + 0.001
                continue
            wait_ms = 0.0 if waited[who] else self.desk.wait_ns(who, newest) / 1e6
            waited[who] = wait_ms > 0.0
            if waited[who]:
                free_ms[who] = self.now_ms + wait_ms + 0.001
                continue
            begun[who] = self.desk.take(who, newest)
            free_ms[who] = self.now_ms + work_ms[who]
        return done


@pytest.mark.parametrize(
    ("network_ms", "ik_ms"), [(75.0, 84.0), (84.0, 75.0), (75.0, 75.0), (50.0, 75.0), (30.0, 90.0)]
)
def test_paths_that_cannot_keep_up_show_young_hands_and_many_of_the_same_frames(
    network_ms: float, ik_ms: float
) -> None:
    work_ms: dict[Provider, float] = {"network": network_ms, "ik": ik_ms}
    done = SimulatedPaths(33.0).run(work_ms, 20.0)
    taken = {provider: [index for index, _ in frames] for provider, frames in done.items()}
    for provider, frames in done.items():
        ages = np.array([age for _, age in frames[5:]])
        # a frame waits for its path for one and a half periods of the source at most, and not for the other path's work
        assert np.median(ages) < work_ms[provider] + 33.0
        assert ages.max() < 1.85 * work_ms[provider] + 1.0
        assert len(frames) > 0.8 * 20e3 / max(work_ms[provider], 33.0)
        assert taken[provider] == sorted(set(taken[provider]))
    both = set(taken["network"]) & set(taken["ik"])
    assert len(both) > 0.5 * min(len(frames) for frames in taken.values())


def test_paths_that_keep_up_take_every_frame() -> None:
    work_ms: dict[Provider, float] = {"network": 14.0, "ik": 16.0}
    done = SimulatedPaths(16.6).run(work_ms, 5.0)
    for provider, frames in done.items():
        assert len(frames) > 295
        assert max(age for _, age in frames) < work_ms[provider] + 1.0


def test_a_path_waits_for_one_that_is_about_to_be_free_and_gets_its_frame() -> None:
    now_ms = 0.0
    desk = FrameDesk(("network", "ik"), clock_ns=lambda: round(now_ms * 1e6))
    providers: tuple[Provider, Provider] = ("network", "ik")
    for provider in providers:
        desk.take(provider, frame(0))
    now_ms = 200.0
    for provider in providers:
        desk.finish(provider)
    desk.take("ik", frame(4))
    now_ms = 370.0
    newest = frame(7)
    for inbox in desk.inboxes.values():
        inbox.put(newest)
    got: list[Frame | None] = []
    waiting = threading.Thread(target=lambda: got.append(desk.inboxes["network"].take()))
    waiting.start()  # the clock stands still, so it waits until the other one comes
    assert desk.inboxes["ik"].take() is newest
    waiting.join()
    assert got == [newest]
