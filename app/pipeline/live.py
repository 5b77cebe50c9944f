"""The live pipeline as one object: give it paths and a source, and pull results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from app.pipeline.capture import CaptureThread, SourceState
from app.pipeline.hand_path import PathFactory
from app.pipeline.lens import Lens
from app.pipeline.mailbox import Mailbox
from app.pipeline.worker import PathState, PathUpdate, PathWorker
from app.sources.base import FrameSource
from hand.types import Frame, PathResult, Provider

T = TypeVar("T")

_CAPTURE_JOIN_S = 5.0
"""A driver that hangs must not keep the program from closing; the thread is a daemon."""

_PATH_JOIN_S = 60.0
"""Engines may be loading, and are no good to be torn down meanwhile; loading always ends."""


class LivePipeline(Generic[T]):
    """Capture thread and path threads with the mailboxes between them.

    ``on_news`` carries no content and may come from any thread; the owner then pulls what it wants. News that nobody
    pulled yet is not announced twice, so a slow owner is never flooded.
    """

    def __init__(
        self,
        paths: Mapping[Provider, PathFactory],
        prepare: Callable[[PathResult], T],
        on_news: Callable[[], None],
        *,
        lens: Lens | None = None,
        every_frame: bool = False,
        retry_s: float = 1.0,
    ) -> None:
        """Builds everything; nothing runs yet.

        Args:
            paths: what finds hands, by provider.
            prepare: makes of a result what display needs, in the path's thread.
            on_news: there is something to pull.
            lens: the user's word on intrinsics.
            every_frame: nothing is dropped and files are not paced; for measuring, not for live use.
            retry_s: how often a source that failed is asked whether it is back.
        """
        self._on_news = on_news
        self._announced = threading.Event()
        self._preview: Mailbox[Frame] = Mailbox()
        self._inboxes = {provider: Mailbox[Frame](lossless=every_frame) for provider in paths}
        self._outboxes = {provider: Mailbox[PathUpdate[T]](lossless=every_frame) for provider in paths}
        self._workers = {
            provider: PathWorker(
                provider, factory, self._inboxes[provider], self._outboxes[provider], prepare, self._announce
            )
            for provider, factory in paths.items()
        }
        self._capture = CaptureThread(
            [*self._inboxes.values(), self._preview],
            lens or Lens(),
            self._announce,
            paced=not every_frame,
            retry_s=retry_s,
        )

    def start(self) -> None:
        """Starts all threads; engines load in theirs."""
        for worker in self._workers.values():
            worker.start()
        self._capture.start()

    def close(self) -> None:
        """Stops all threads and waits for them; devices and engines are given back."""
        self._capture.stop()
        self._preview.close()
        for worker in self._workers.values():
            worker.stop()
        if self._capture.ident is not None:
            self._capture.join(_CAPTURE_JOIN_S)
        for worker in self._workers.values():
            if worker.ident is not None:
                worker.join(_PATH_JOIN_S)

    def show(self, source: FrameSource) -> None:
        """Switches to a source; returns at once."""
        self._capture.switch_to(source)

    @property
    def mirror(self) -> bool:
        """Whether frames are mirrored."""
        return self._capture.mirror

    @mirror.setter
    def mirror(self, mirror: bool) -> None:
        self._capture.mirror = mirror

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The paths that run."""
        return tuple(self._workers)

    @property
    def source_state(self) -> SourceState:
        """What the source is doing."""
        return self._capture.state

    def path_state(self, provider: Provider) -> PathState:
        """What a path is doing."""
        return self._workers[provider].state

    def drops(self, provider: Provider) -> int:
        """Frames that were replaced before the path took them, and results before anybody pulled them."""
        return self._inboxes[provider].drops + self._outboxes[provider].drops

    def take_update(self, provider: Provider) -> PathUpdate[T] | None:
        """The newest result that was not yet taken."""
        return self._outboxes[provider].take_now()

    def take_frame(self) -> Frame | None:
        """The newest frame that was not yet taken, for showing pictures while no path runs."""
        return self._preview.take_now()

    def redraw(self) -> None:
        """Prepares the last results once more, for views that were turned while no frames come."""
        for worker in self._workers.values():
            worker.redraw()

    def begin_pull(self) -> None:
        """Call before pulling: news from here on is announced again."""
        self._announced.clear()

    def _announce(self) -> None:
        if not self._announced.is_set():
            self._announced.set()
            self._on_news()
