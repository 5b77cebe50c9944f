"""Shows the state of source and paths over the panes, whenever a picture alone does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PyQt6.QtCore import QTimer

from app.pipeline.capture_thread import SourcePhase, SourceState
from app.pipeline.worker import PATH_NAMES, PathPhase, PathState
from app.sources.address import is_address
from app.sources.demo import DEMO_TITLE
from app.ui.widgets.message_card import Action
from app.ui.window.pane import Pane
from app.ui.window.pane_area import PaneArea
from hand.types import PathId

NO_HAND_HINT = "No hand in view"
NO_HAND_CAMERA_HINT = "No hand in view – hold one up to the camera"  # noqa: RUF001 - a dash between two thoughts

_NOTICE_MS = 12_000


@dataclass(frozen=True, slots=True)
class RecoveryActions:
    """What the user can do about a source that shows nothing.

    Attributes:
        choose: opens the list of sources.
        replay: plays the source again.
        demo: plays the demo clip.
    """

    choose: Callable[[], None]
    replay: Callable[[], None]
    demo: Callable[[], None]


@dataclass(frozen=True, slots=True)
class PathSituation:
    """State of a path for the status messages.

    Attributes:
        state: what it is doing.
        delivers: it has given results since it started.
        no_hand: for a while there was none.
        message: the path's own message with its results.
    """

    state: PathState
    delivers: bool
    no_hand: bool
    message: str = ""


class StatusMessages:
    """Updates messages, hints and notices from the pipeline's state."""

    def __init__(self, pane_area: PaneArea, recovery: RecoveryActions) -> None:
        """Starts without messages.

        Args:
            pane_area: shows the messages.
            recovery: the actions of the buttons.
        """
        self._pane_area = pane_area
        self._choose: Action = ("Choose a source", recovery.choose)
        self._replay: Action = ("Play again", recovery.replay)
        self._demo: Action = ("Play the demo clip", recovery.demo)
        self._noted = ("", "")
        self._shown: object = None
        self._notice_end = QTimer(pane_area)
        self._notice_end.setSingleShot(True)
        self._notice_end.timeout.connect(lambda: pane_area.notice(""))

    def stop(self) -> None:
        """Stops the timer that hides the notice."""
        self._notice_end.stop()

    def notify(self, sentence: str) -> None:
        """Shows a sentence for a while."""
        if sentence:
            self._pane_area.notice(sentence)
            self._notice_end.start(_NOTICE_MS)

    def update(self, source: SourceState, paths: Mapping[PathId, PathSituation]) -> None:
        """Updates all messages.

        Args:
            source: its state.
            paths: state of each path.
        """
        shown = source.phase, source.name, source.sentence, self._pane_area.view, dict(paths)
        if shown == self._shown:
            return  # called at every frame, and mostly nothing changed
        self._shown = shown
        self._show_source_message(source)
        running = source.phase is SourcePhase.RUNNING
        live = source.facts is not None and source.facts.live
        for pane in self._pane_area.shown_panes:
            text, warning = _hint(pane, paths, live) if running else ("", False)
            pane.picture.hint(text, warning=warning)
        noted = source.name, source.sentence
        if running and noted != self._noted:  # a source's note comes with every frame
            self._noted = noted
            self.notify(source.sentence)

    def _show_source_message(self, state: SourceState) -> None:
        show = self._pane_area.show_message
        # the demo clip is no way out of the demo clip's own trouble
        ways_out = (self._choose,) if state.name == DEMO_TITLE else (self._choose, self._demo)
        if state.phase is SourcePhase.RUNNING:
            self._pane_area.hide_message()
        elif state.phase is SourcePhase.OPENING:
            show("One moment", f"Opening {state.name}…")
        elif state.phase is SourcePhase.LOST:
            text = f"{state.sentence} It goes on by itself as soon as the camera is back."
            show("The camera is gone", text, ways_out)
        elif state.phase is SourcePhase.FAILED:
            again = " It is tried again every second." if is_address(state.name) else ""
            show("This source cannot be shown", state.sentence + again, ways_out)
        elif state.phase is SourcePhase.ENDED:
            whole = f"{state.name} was played to its end."
            text = whole if state.shortfall is None else state.shortfall.sentence(state.name)
            show("The end", text, (self._replay, self._choose))


def _hint(pane: Pane, paths: Mapping[PathId, PathSituation], live: bool) -> tuple[str, bool]:
    """The message at a pane's foot, and whether it is a warning.

    A pane of both paths has a message when none of them has a hand: the most serious one.
    """
    own = [(path_id, path) for path_id, path in paths.items() if path_id == pane.name] or list(paths.items())
    hints = [_path_hint(path_id, path, live) for path_id, path in own]
    if any(not rank for rank, _ in hints):
        return next(((text, False) for rank, text in hints if not rank and text), ("", False))
    rank, text = max(hints)
    return text, rank == _BROKEN


_FINE, _NO_HAND, _RESTING, _STARTING, _BROKEN = range(5)


def _path_hint(path_id: PathId, path: PathSituation, live: bool) -> tuple[int, str]:
    name = PATH_NAMES[path_id]
    if path.state.phase is PathPhase.FAILED:
        return _BROKEN, path.state.sentence
    if path.state.phase is PathPhase.DISABLED:
        return _RESTING, f"{name} is switched off"
    if not path.delivers:
        return _STARTING, f"{name} is starting… The very first start takes half a minute."
    if path.no_hand:
        return _NO_HAND, NO_HAND_CAMERA_HINT if live else NO_HAND_HINT
    return _FINE, path.message
