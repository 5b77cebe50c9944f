"""Every frame as it is taken, for whoever must not miss one: the paths get only those they have time for."""

from __future__ import annotations

from collections.abc import Callable

from app.pipeline.listeners import Listener, Listeners
from app.pipeline.mailbox import Mailbox
from hand.types import Frame


class FrameTap(Mailbox[Frame]):
    """A mailbox of the capture thread that keeps nothing and passes everything on."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        super().__init__()
        self._listeners: Listeners[Frame] = Listeners()

    def add(self, name: str, callback: Callable[[Frame], None]) -> Listener[Frame]:
        """Gives every frame to a callback in a thread of its own; see :class:`app.pipeline.listeners.Listener`."""
        return self._listeners.add(name, callback)

    def put(self, content: Frame, merge: Callable[[Frame, Frame], Frame] | None = None) -> None:
        """Passes a frame on; never waits."""
        self._listeners.publish(content)

    def close(self) -> None:
        """Ends all listeners."""
        super().close()
        self._listeners.close()
