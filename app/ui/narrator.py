"""Says in the picture area what source and path are doing, whenever a picture alone does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt6.QtCore import QTimer

from app.pipeline.capture import SourcePhase, SourceState
from app.pipeline.worker import PATH_NAMES, PathPhase, PathState
from app.sources.demo import DEMO_TITLE
from app.ui.message import Action
from app.ui.picture_view import PictureView
from hand.types import Provider

NO_HAND_HINT = "No hand in view"
NO_HAND_CAMERA_HINT = "No hand in view – hold one up to the camera"  # noqa: RUF001 - a dash between two thoughts

_NOTICE_MS = 12_000


@dataclass(frozen=True, slots=True)
class Remedies:
    """What the user can do about a source that shows nothing.

    Attributes:
        choose: opens the list of sources.
        replay: plays the source again.
        demo: plays the demo clip.
    """

    choose: Callable[[], None]
    replay: Callable[[], None]
    demo: Callable[[], None]


class Narrator:
    """Keeps messages, hints and notices of one picture view in step with the pipeline."""

    def __init__(self, view: PictureView, provider: Provider, remedies: Remedies) -> None:
        """Silent at first.

        Args:
            view: where to say it.
            provider: the path that the view shows.
            remedies: what buttons do.
        """
        self._view = view
        self._path_name = PATH_NAMES[provider]
        self._choose: Action = ("Choose a source", remedies.choose)
        self._replay: Action = ("Play again", remedies.replay)
        self._demo: Action = ("Play the demo clip", remedies.demo)
        self._notified = ""
        self._notice_end = QTimer(view)
        self._notice_end.setSingleShot(True)
        self._notice_end.timeout.connect(lambda: view.notice(""))

    def stop(self) -> None:
        """Takes its timer back."""
        self._notice_end.stop()

    def notify(self, sentence: str) -> None:
        """Shows a sentence for a while; the same one only once."""
        if sentence and sentence != self._notified:
            self._view.notice(sentence)
            self._notice_end.start(_NOTICE_MS)
            self._notified = sentence

    def tell(
        self, source: SourceState, path: PathState, *, path_delivers: bool, no_hand: bool, path_word: str = ""
    ) -> None:
        """Brings the picture area up to date.

        Args:
            source: what the source is doing.
            path: what the path is doing.
            path_delivers: the path has given results since it started.
            no_hand: for a while there was none.
            path_word: what the path itself has to say with its results.
        """
        self._tell_source(source)
        running = source.phase is SourcePhase.RUNNING
        if not running:
            self._view.hint("")
        elif path.phase is PathPhase.FAILED:
            self._view.hint(path.sentence, warning=True)
        elif not path_delivers:
            self._view.hint(f"Starting {self._path_name}…")
        elif no_hand:
            live = source.facts is not None and source.facts.live
            self._view.hint(NO_HAND_CAMERA_HINT if live else NO_HAND_HINT)
        else:
            self._view.hint(path_word)
        if running:
            self.notify(source.sentence)

    def _tell_source(self, state: SourceState) -> None:
        say = self._view.say
        # the demo clip is no way out of the demo clip's own trouble
        ways_out = (self._choose,) if state.name == DEMO_TITLE else (self._choose, self._demo)
        if state.phase is SourcePhase.RUNNING:
            self._view.say_nothing()
        elif state.phase is SourcePhase.OPENING:
            say("One moment", f"Opening {state.name}…")
        elif state.phase is SourcePhase.LOST:
            text = f"{state.sentence} It goes on by itself as soon as the camera is back."
            say("The camera is gone", text, ways_out)
        elif state.phase is SourcePhase.FAILED:
            say("This source cannot be shown", state.sentence, ways_out)
        elif state.phase is SourcePhase.ENDED:
            say("The end", f"{state.name} was played to its end.", (self._replay, self._choose))
