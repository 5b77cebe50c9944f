"""Results of two paths are joined by frame, in order, without waiting for results that will not come."""

from __future__ import annotations

import threading

import numpy as np
from app_fakes import hand_state, plain_image, wait_until

from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.listeners import QUEUE_LENGTH, Listeners
from app.pipeline.result_synchronizer import MOST_PENDING_HANDLESS, JoinedResult, ResultSynchronizer
from app.pipeline.worker import MissingReason, PathUpdate
from hand.types import Frame, PathId, PathResult

LENS = IntrinsicsChoice().intrinsics_for(320, 240)


class Bench:
    """A synchronizer with a fake clock and a list of what it emits."""

    def __init__(self, *, wait_for_all: bool = False) -> None:
        self.now_ns = 0
        self.emitted: list[tuple[JoinedResult, set[PathId], bool]] = []
        self.chosen: list[int] = []
        path_ids: tuple[PathId, PathId] = ("network", "ik")
        self.synchronizer: ResultSynchronizer[int] = ResultSynchronizer(
            path_ids,
            self._choose,
            lambda joined, updates, measured: self.emitted.append((joined, set(updates), measured)),
            lambda: self.now_ns,
            wait_for_all=wait_for_all,
        )
        for path_id in path_ids:
            self.synchronizer.expect(path_id)
        self.frames = [Frame(index, index + 1, plain_image(), LENS, "x") for index in range(40)]
        self.hand = hand_state(self.frames[0])

    def _choose(self, frame: Frame, *_: object) -> tuple[()]:
        self.chosen.append(frame.sequence)
        return ()

    def deliver(self, path_id: PathId, index: int, after_ms: float = 0.0, *, hand: bool = True) -> PathUpdate[int]:
        self.now_ns += int(after_ms * 1e6)
        states = (self.hand,) if hand else ()
        update = PathUpdate(PathResult(self.frames[index], path_id, states), 0, 0, 0)
        self.synchronizer.add(path_id, update)
        return update

    @property
    def log(self) -> list[tuple[int, str]]:
        return [
            (joined.frame.sequence, "+".join(sorted(joined.results)) + (" late" if joined.late else ""))
            for joined, _, _ in self.emitted
        ]


def test_frame_is_emitted_when_both_paths_have_a_result() -> None:
    bench = Bench()
    bench.deliver("network", 0)
    assert bench.log == []
    bench.deliver("ik", 0, 5.0)
    bench.deliver("ik", 1)
    bench.deliver("network", 1)
    assert bench.log == [(0, "ik+network"), (1, "ik+network")]
    assert bench.chosen == [0, 1]


def test_path_that_skipped_a_frame_is_not_awaited_for_it() -> None:
    bench = Bench()
    bench.deliver("network", 0)
    bench.deliver("ik", 1)  # so there will be no result for frame 0
    assert bench.log == [(0, "network")]
    assert bench.emitted[0][0].missing == {"ik": MissingReason.LATE}
    bench.deliver("network", 1)
    assert bench.log[1:] == [(1, "ik+network")]


def test_path_that_begins_a_later_frame_is_not_awaited_for_those_it_skipped() -> None:
    bench = Bench()
    bench.synchronizer.begin("ik", bench.frames[0])
    bench.deliver("network", 0)
    bench.deliver("network", 1)
    assert bench.log == [], "ik still works on frame 0"
    bench.deliver("ik", 0)
    assert bench.log == [(0, "ik+network")]
    bench.synchronizer.begin("ik", bench.frames[2])
    assert bench.log[1:] == [(1, "network")], "before the result of ik for frame 2"
    bench.deliver("ik", 2)
    bench.deliver("network", 2)
    assert bench.log[2:] == [(2, "ik+network")]


def test_disabled_path_is_not_awaited_and_disabling_it_releases_waiting_frames() -> None:
    bench = Bench()
    bench.deliver("network", 0)
    bench.synchronizer.expect("ik", MissingReason.DISABLED)
    assert bench.log == [(0, "network")]
    bench.deliver("network", 1)
    assert bench.log[1:] == [(1, "network")]
    assert bench.emitted[1][0].missing == {"ik": MissingReason.DISABLED}
    bench.synchronizer.expect("ik")
    bench.deliver("network", 2)
    assert len(bench.log) == 2
    bench.deliver("ik", 2)
    assert bench.log[2:] == [(2, "ik+network")]


def test_stalled_path_delays_the_other_by_two_frames_at_most() -> None:
    bench = Bench()
    for index in range(5):
        bench.deliver("network", index, 33.0)
    assert bench.log == [(0, "network"), (1, "network"), (2, "network")]


def test_slow_path_is_soon_not_awaited_and_its_results_are_late() -> None:
    bench = Bench()
    for index in range(0, 30, 5):  # ik has a result for every fifth frame
        for step in range(5):
            bench.deliver("network", index + step, 33.0)
        bench.deliver("ik", index, 1.0)
    assert bench.log[-6:] == [
        (25, "network"),
        (26, "network"),
        (27, "network"),
        (28, "network"),
        (29, "network"),
        (25, "ik+network late"),
    ]
    assert bench.emitted[-1][1] == {"ik"}  # the pane of the other one stays on its newer frame
    assert bench.chosen == list(range(30))


def test_slow_path_is_awaited_while_the_other_finds_no_hand() -> None:
    """Otherwise the only hand would always be late and never become the output."""
    bench = Bench()
    for index in range(0, 30, 5):  # network has a result for every fifth frame, so it is usually late
        for step in range(5):
            bench.deliver("ik", index + step, 33.0, hand=False)
        bench.deliver("network", index, 1.0)
    assert bench.log[-5:] == [(21, "ik"), (22, "ik"), (23, "ik"), (24, "ik"), (25, "ik+network")]
    assert bench.chosen == list(range(26))
    for index in range(30, 40):  # but only up to a limit
        bench.deliver("ik", index, 33.0, hand=False)
    assert bench.log[-1] == (39 - MOST_PENDING_HANDLESS, "ik")


def test_wait_for_all_awaits_a_slow_path_for_every_frame() -> None:
    bench = Bench(wait_for_all=True)
    for index in range(0, 20, 4):
        for step in range(4):
            bench.deliver("network", index + step, 33.0)
        for step in range(4):
            bench.deliver("ik", index + step, 500.0)
    assert bench.log == [(index, "ik+network") for index in range(20)]


def test_wait_for_all_does_not_await_a_failed_path() -> None:
    bench = Bench(wait_for_all=True)
    for index in range(4):
        bench.deliver("network", index, 33.0)
    assert bench.log == []
    bench.synchronizer.expect("ik", "does not work")
    assert bench.log == [(index, "network") for index in range(4)]


def test_path_that_becomes_fast_is_awaited_again() -> None:
    bench = Bench()
    for index in range(10):
        bench.deliver("network", index, 33.0)
        bench.deliver("ik", max(0, index - 3), 60.0)
    for index in range(10, 39):
        bench.deliver("ik", index, 3.0)
        bench.deliver("network", index, 3.0)
    assert bench.log[-1] == (38, "ik+network")


def test_redrawn_result_is_not_a_new_measurement() -> None:
    bench = Bench()
    network, _ = bench.deliver("network", 0), bench.deliver("ik", 0)
    bench.synchronizer.add("network", network)
    assert [measured for _, _, measured in bench.emitted] == [True, False]
    assert bench.chosen == [0]


def test_listener_gets_everything_in_order_in_its_own_thread() -> None:
    got: list[int] = []
    names: set[str] = set()

    def listen(item: int) -> None:
        names.add(threading.current_thread().name)
        if item == 3:
            raise ValueError("an error in the listener")
        got.append(item)

    listeners: Listeners[int] = Listeners()
    listener = listeners.add("test", listen)
    for item in range(10):
        listeners.put(item)
    listener.close()
    assert got == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert names == {"listener-test"}
    listeners.put(11)
    assert not listener.is_alive()
    assert 11 not in got


def test_disabled_listener_gets_nothing() -> None:
    got: list[int] = []
    wanted = threading.Event()
    listeners: Listeners[int] = Listeners()
    listener = listeners.add("optional", got.append, enabled=wanted.is_set)
    listeners.put(0)
    assert not listener._queue
    wanted.set()
    listeners.put(1)
    wanted.clear()
    listeners.put(2)
    listeners.close()
    assert got == [1]


def test_collecting_listener_gets_everything_in_order_and_the_rest_on_close() -> None:
    got: list[int] = []
    listeners: Listeners[int] = Listeners()
    listener = listeners.add("slow start", got.append, collect_s=0.02)
    for item in range(5):
        listeners.put(item)
    wait_until(lambda: got == [0, 1, 2, 3, 4])
    listener._collect_s = 60.0
    listeners.put(5)
    wait_until(lambda: listener._queue)
    assert got[-1] == 4, "it collects for a minute"
    listeners.close()
    assert got == [0, 1, 2, 3, 4, 5]


def test_slow_listener_drops_the_oldest_items_and_counts_them() -> None:
    gate = threading.Event()
    got: list[int] = []
    listeners: Listeners[int] = Listeners()
    listener = listeners.add("slow", lambda item: (gate.wait(20), got.append(item))[1])
    listeners.put(0)
    wait_until(lambda: not listener._queue)  # taken, and held up in the callback
    for item in range(1, QUEUE_LENGTH + 11):
        listeners.put(item)
    assert listener.dropped == 10
    gate.set()
    listeners.close()
    assert got == [0, *range(11, QUEUE_LENGTH + 11)]
    assert np.diff(got).min() > 0


def test_camera_chosen_after_a_file_that_ran_ahead_of_the_clock_is_not_late() -> None:
    bench = Bench()
    of_file = [
        Frame(index, 1_000_000 * (index + 1), plain_image(), LENS, "file", False, False, 10 + index)
        for index in range(2)
    ]
    of_camera = [Frame(index, 20 + index, plain_image(), LENS, "camera", live=True) for index in range(2)]
    bench.frames = [*of_file, *of_camera]
    for index in range(4):
        bench.deliver("network", index)
        bench.deliver("ik", index)
    assert bench.log == [(0, "ik+network"), (1, "ik+network")] * 2
