"""What finds hands in whole pictures for a path that follows them by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8

from hand.types import HandObservation


class Finder(Protocol):
    """Finds hands in a whole picture; ``ik_baseline.detector.HandDetector`` is one."""

    def detect(
        self,
        image_rgb: UInt8[np.ndarray, "height width 3"],
        last_seen_px: Sequence[Float[np.ndarray, "21 2"]] = (),
    ) -> Sequence[HandObservation]:
        """Hands of one picture, the surest first; joints of hands that were just seen say where to look first."""

    def close(self) -> None:
        """Frees the engine."""
