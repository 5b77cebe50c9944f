"""The live pipeline as one object: give it paths and a source, and pull results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from app.pipeline.capture_thread import ABANDON_S, CaptureThread, SourceState
from app.pipeline.frame_dispatcher import FrameDispatcher
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.listeners import Listener, Listeners
from app.pipeline.mailbox import Mailbox
from app.pipeline.output_selector import OutputChooser
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.playback import Playback
from app.pipeline.result_synchronizer import Composition, JoinedResult, ResultSynchronizer
from app.pipeline.worker import MissingReason, PathPhase, PathState, PathUpdate, PathWorker
from app.sources.base import FrameSource
from hand.types import Frame, PathId, PathResult

T = TypeVar("T")
P = TypeVar("P")

_CAPTURE_JOIN_S = 2.0 * ABANDON_S
"""A driver that hangs must not keep the program from closing; its thread is left behind."""

_LISTENER_JOIN_S = 0.2
"""At least, for what is queued; a listener may be held by a disk or a network."""

_PATH_JOIN_S = 60.0
"""Engines may be loading, and must not be torn down meanwhile."""

_MISSING = {
    PathPhase.STARTING: MissingReason.STARTING,
    PathPhase.FAILED: MissingReason.FAILED,
    PathPhase.DISABLED: MissingReason.DISABLED,
}


class _Preview(Mailbox[Frame]):
    """Frames for a window without results; each is announced, but only while they are requested."""

    def __init__(self, announce: Callable[[], None]) -> None:
        super().__init__()
        self._announce = announce

    def put(self, content: Frame, merge: Callable[[Frame, Frame], Frame] | None = None) -> None:
        """Stores a frame and announces it."""
        super().put(content, merge)
        if not self.shut:
            self._announce()


Compose = Callable[[JoinedResult, Mapping[PathId, PathUpdate[T]]], Mapping[Any, P]]


class LivePipeline(Generic[T, P]):
    """Capture thread and path threads with the mailboxes between them.

    ``on_update`` carries no content and may be called from any thread; the owner then pulls what it needs. An update
    that was not pulled yet is not announced twice, so a slow owner is never flooded.

    Results can be pulled in two ways: one path at a time with :meth:`take_update`, or, where ``compose`` is given,
    joined on their frames with :meth:`take_composition`. Joined results also go to listeners.
    """

    def __init__(
        self,
        paths: Mapping[PathId, PathFactory],
        prepare: Callable[[PathResult], T],
        on_update: Callable[[], None],
        *,
        lens: IntrinsicsChoice | None = None,
        every_frame: bool = False,
        retry_s: float = 1.0,
        compose: Compose[T, P] | None = None,
        output: OutputChooser | None = None,
    ) -> None:
        """Builds everything and starts nothing.

        Args:
            paths: their factories.
            prepare: makes of a result what display needs, in the path's thread.
            on_update: there is something to pull.
            lens: the user's settings for intrinsics.
            every_frame: nothing is dropped, files are not paced, and joined results await the slowest path; for
                measuring, not for live use.
            retry_s: interval at which a source that failed is tried again.
            compose: makes drawings, by pane, of results that belong to one frame; called in the thread of the path that
                delivered the last result.
            output: chooses the output hand; without it there is none.
        """
        self._on_update = on_update
        self._announced = threading.Event()
        self._compose = compose
        self._joins = compose is not None or output is not None
        self._listeners: Listeners[JoinedResult] = Listeners()
        self._preview = _Preview(self._announce)
        self._frame_listeners: Listeners[Frame] = Listeners()
        self._inboxes: dict[PathId, Mailbox[Frame]] = (
            {path_id: Mailbox(lossless=True) for path_id in paths} if every_frame else FrameDispatcher(paths).inboxes
        )
        self._outboxes = {path_id: Mailbox[PathUpdate[T]](lossless=every_frame) for path_id in paths}
        self._composed: Mailbox[Composition[P]] = Mailbox()
        choose = output.choose if output is not None else lambda *_: ()
        self._synchronizer: ResultSynchronizer[T] = ResultSynchronizer(
            paths, choose, self._emit, wait_for_all=every_frame
        )
        self._workers = {
            path_id: PathWorker(
                path_id,
                factory,
                self._inboxes[path_id],
                prepare,
                partial(self._deliver, path_id),
                partial(self._path_changed, path_id),
                partial(self._begin, path_id),
            )
            for path_id, factory in paths.items()
        }
        self._capture = CaptureThread(
            [*self._inboxes.values(), self._preview, self._frame_listeners],
            lens or IntrinsicsChoice(),
            self._announce,
            paced=not every_frame,
            retry_s=retry_s,
            hold=self._all_paths_start,
        )

    def start(self) -> None:
        """Starts all threads; engines load in theirs."""
        for worker in self._workers.values():
            worker.start()
        self._capture.start()

    def close(self, patience_s: float = _PATH_JOIN_S) -> None:
        """Stops all threads and waits for them; devices and engines are given back.

        Args:
            patience_s: how long to wait for engines that are loading or at work; a program that ends need not wait.
        """
        self._on_update = lambda: None  # threads that are left behind may outlive the owner
        self._capture.stop()
        self._preview.close()
        self._composed.close()
        for outbox in self._outboxes.values():
            outbox.close()
        for worker in self._workers.values():
            worker.stop()
        if self._capture.ident is not None:
            self._capture.join(_CAPTURE_JOIN_S)
        end_s = time.monotonic() + patience_s
        for worker in self._workers.values():
            if worker.ident is not None:
                worker.join(max(end_s - time.monotonic(), 0.0))
        for listeners in (self._listeners, self._frame_listeners):
            listeners.close(max(end_s - time.monotonic(), _LISTENER_JOIN_S))

    def show(self, source: FrameSource) -> None:
        """Switches to a source; returns at once."""
        self._capture.switch_to(source)

    def add_listener(
        self,
        name: str,
        callback: Callable[[JoinedResult], None],
        *,
        enabled: Callable[[], bool] = lambda: True,
        collect_s: float = 0.0,
    ) -> Listener[JoinedResult]:
        """Gives every joined result, once and in order, to a callback in a thread of its own.

        Results marked ``late`` belong to frames before the last one; a consumer that needs one hand per frame leaves
        them out. The queue is bounded: what a slow callback misses is counted in ``dropped``. Needs ``compose`` or
        ``output``.

        Args:
            name: for logs and thread lists.
            callback: takes one result.
            enabled: whether results are to be delivered now; others are skipped.
            collect_s: how long after a first result the callback begins, with all that came meanwhile.

        Returns:
            The listener; close it to end it. The pipeline closes what is left when it is closed itself.
        """
        return self._listeners.add(name, callback, enabled=enabled, collect_s=collect_s)

    def add_frame_listener(
        self, name: str, callback: Callable[[Frame], None], *, enabled: Callable[[], bool] = lambda: True
    ) -> Listener[Frame]:
        """Passes every captured frame, also those that no path has time for, to a callback in its own thread.

        Returns:
            The listener; close it to end it.
        """
        return self._frame_listeners.add(name, callback, enabled=enabled)

    @property
    def mirror(self) -> bool:
        """Whether frames are mirrored."""
        return self._capture.mirror

    @mirror.setter
    def mirror(self, mirror: bool) -> None:
        self._capture.mirror = mirror

    @property
    def playback(self) -> Playback:
        """Pause, speed and place of a file."""
        return self._capture.playback

    @property
    def lens(self) -> IntrinsicsChoice:
        """The user's settings for intrinsics."""
        return self._capture.lens

    @lens.setter
    def lens(self, lens: IntrinsicsChoice) -> None:
        self._capture.lens = lens

    @property
    def quarter_turns(self) -> int:
        """Right angles by which pictures are turned clockwise, before they are mirrored."""
        return self._capture.quarter_turns

    @quarter_turns.setter
    def quarter_turns(self, quarter_turns: int) -> None:
        self._capture.quarter_turns = quarter_turns % 4

    @property
    def path_ids(self) -> tuple[PathId, ...]:
        return tuple(self._workers)

    @property
    def source_state(self) -> SourceState:
        return self._capture.state

    def path_state(self, path_id: PathId) -> PathState:
        return self._workers[path_id].state

    @property
    def loading(self) -> bool:
        """Whether the engine of a path is still being loaded."""
        return any(worker.state.phase is PathPhase.STARTING for worker in self._workers.values())

    def set_enabled(self, path_id: PathId, enabled: bool) -> None:
        """Switches a path on or off; one that is off costs nothing."""
        self._workers[path_id].enabled = enabled

    def drops(self, path_id: PathId) -> int:
        """Frames that were replaced before the path took them, and results before they were pulled."""
        unseen = self._outboxes[path_id].drops if self._compose is None else self._composed.drops
        return self._inboxes[path_id].drops + unseen

    def take_update(self, path_id: PathId) -> PathUpdate[T] | None:
        """The newest result of one path that was not yet taken; nothing where results are composed."""
        return self._outboxes[path_id].take_now()

    def take_composition(self) -> Composition[P] | None:
        """Everything to be shown since the last call, or None."""
        return self._composed.take_now()

    def take_frame(self) -> Frame | None:
        """The newest frame that was not yet taken, for showing pictures while no path runs."""
        return self._preview.take_now()

    @property
    def preview_enabled(self) -> bool:
        """Whether frames are kept for :meth:`take_frame` and announced; at first they are."""
        return not self._preview.shut

    @preview_enabled.setter
    def preview_enabled(self, enabled: bool) -> None:
        if self._preview.shut == enabled:
            self._preview.shut = not enabled

    def redraw(self) -> None:
        """Prepares the last results once more, for views that were turned while no frames come."""
        for worker in self._workers.values():
            worker.redraw()

    def begin_pull(self) -> None:
        """Call before pulling: later updates are announced again."""
        self._announced.clear()

    def _all_paths_start(self) -> bool:
        phases = [worker.state.phase for worker in self._workers.values()]
        return bool(phases) and all(phase is PathPhase.STARTING for phase in phases)

    def _deliver(self, path_id: PathId, update: PathUpdate[T]) -> None:
        if self._joins:
            self._synchronizer.add(path_id, update)
        if self._compose is None:
            self._outboxes[path_id].put(update)
            self._announce()

    def _begin(self, path_id: PathId, frame: Frame) -> None:
        if self._joins:
            self._synchronizer.begin(path_id, frame)

    def _emit(self, joined: JoinedResult, updates: Mapping[PathId, PathUpdate[T]], measured: bool) -> None:
        if measured:  # before it is shown: a recording that ends now includes what was on the screen
            self._listeners.put(joined)
        if self._compose is None:
            return
        panes = self._compose(joined, updates)
        results = {path_id: update.result for path_id, update in updates.items()} if measured else {}
        self._composed.put(Composition(joined, results, panes), Composition.merged_into)
        self._announce()

    def _path_changed(self, path_id: PathId, state: PathState) -> None:
        if self._joins:
            self._synchronizer.expect(path_id, _MISSING.get(state.phase))
        self._announce()

    def _announce(self) -> None:
        if not self._announced.is_set():
            self._announced.set()
            self._on_update()
