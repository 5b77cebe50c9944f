"""What finds hands in whole pictures for a path that follows them by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from hand.types import HandObservation


class Finder(Protocol):
    """Finds hands in a whole picture; ``ik_baseline.detector.HandDetector`` is one."""

    def detect(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> Sequence[HandObservation]:
        """Hands of one picture, the surest first."""

    def close(self) -> None:
        """Frees the engine."""


class FirstThatFinds:
    """Several finders in one: each is asked only where those before it saw nothing."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        """Takes the finders; they are closed with it."""
        self._finders = finders

    def detect(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> Sequence[HandObservation]:
        """What the first finder that sees anything sees."""
        for finder in self._finders:
            found = finder.detect(image_rgb)
            if found:
                return found
        return ()

    def close(self) -> None:
        """Frees all of them."""
        for finder in self._finders:
            finder.close()
