"""What a path is to the pipeline: frame in, hands out. The network and MediaPipe + IK are both only this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.pipeline.paths.calibrated_ik_path import OwnHandPath, OwnHandWish
from app.pipeline.paths.shared_detections import SharedDetections
from hand.model import HandModel
from hand.types import Frame, PathResult
from ik_baseline.finder_choice import FinderKind


class HandPath(Protocol):
    """Finds hands in frames. Made, called and closed in one worker thread."""

    def process(self, frame: Frame) -> PathResult:
        """Everything the path says about one frame."""

    def reset(self) -> None:
        """Forgets what it followed, because the next frame is from another source or from its beginning."""

    def close(self) -> None:
        """Frees engines and threads."""


PathFactory = Callable[[], HandPath]
"""Makes a path; called in its worker thread, because loading an engine takes a moment."""


def ik_path_factory(
    model: HandModel,
    max_hands: int,
    *,
    still: bool = False,
    looks: int = 1,
    finder: FinderKind = "built-in",
    own_hand: OwnHandWish | None = None,
    shared: SharedDetections | None = None,
) -> PathFactory:
    """MediaPipe + inverse kinematics.

    Args:
        model: right-hand model that the solver poses.
        max_hands: 1 or 2; searching a second hand costs time on every frame.
        still: every frame is a picture of its own, without a past.
        looks: how often a still picture is looked at; where the looks disagree, confidence falls.
        finder: whose hand detector.
        own_hand: what to do about the user's own hand shape; nothing when left out.
        shared: gets the detections, for a network path that runs beside it.
    """

    def make() -> HandPath:
        # here and not above: the solver is compiled when it is imported, and only the worker thread may wait for it
        from ik_baseline.tracker import IkTracker

        tracker = IkTracker(model, max_hands=max_hands, still=still, looks=looks, finder=finder, listener=shared)
        return tracker if own_hand is None else OwnHandPath(tracker, model, own_hand)

    return make if shared is None else _announced(make, shared)


def _announced(make: PathFactory, shared: SharedDetections) -> PathFactory:
    """The same paths, whose detections are awaited from when one is made until it is closed."""

    def make_and_open() -> HandPath:
        try:
            path = make()
        except BaseException:
            shared.closed()
            raise
        shared.opened()
        return _ClosesShared(path, shared)

    return make_and_open


class _ClosesShared:
    """A path that ends the wait for its detections when it is closed."""

    def __init__(self, path: HandPath, shared: SharedDetections) -> None:
        self._path = path
        self._shared = shared
        self.process = path.process
        self.reset = path.reset

    def close(self) -> None:
        """Closes the path."""
        self._shared.closed()
        self._path.close()
