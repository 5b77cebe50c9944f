"""Interfaces of a path (frame in, hands out) and of the hand detector that it uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

from hand.types import Frame, HandObservation, PathResult


class HandPath(Protocol):
    """Finds hands in frames. Made, called and closed in one worker thread."""

    def process(self, frame: Frame) -> PathResult:
        """The path's result for one frame."""

    def reset(self) -> None:
        """Stops following hands, because the next frame is from another source or from its beginning."""

    def close(self) -> None:
        """Frees engines and threads."""


PathFactory = Callable[[], HandPath]
"""Makes a path; called in its worker thread, because loading an engine takes a moment."""


class HandDetectorProtocol(Protocol):
    """Finds hands in a whole picture; ``ik_baseline.detector.HandDetector`` is one."""

    def detect(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        last_seen_px: Sequence[Float[np.ndarray, "21 2"]] = (),
    ) -> Sequence[HandObservation]:
        """Hands of one picture, the most certain first; joints of hands in the last frame are searched first."""

    def reset(self) -> None:
        """Forgets what was followed."""

    def close(self) -> None:
        """Frees the engine."""
