"""Less jitter in what is shown: a One-Euro filter behind each path, and a measurement of its effect.

Both paths get the same filter, so that a comparison compares the paths and not their filters.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from app.pipeline.paths.hand_path import HandPath, PathFactory
from hand.layer import HandLayer
from hand.metrics import MILLIMETRES_PER_METRE, mean_bend
from hand.mirror import Side
from hand.model import HandModel
from hand.one_euro import HandFilterSettings, HandStateFilter
from hand.types import Frame, HandState, PathId, PathResult

DEFAULT_STRENGTH = 0.5

CUTOFFS_HZ = (6.0, 0.4)
"""Cutoff at rest for the smallest and the largest strength; the default is near the 1.5 Hz of ``hand.one_euro``."""

JITTER_FRAMES = 60
"""Jitter is a mean over so many frames."""


@dataclass(frozen=True, slots=True)
class Jitter:
    """Restlessness of a path's joints, mean over the last frames, before and after the filter.

    Attributes:
        raw_mm: of the path itself.
        smooth_mm: of what is shown.
    """

    raw_mm: float
    smooth_mm: float

    @property
    def removed(self) -> float:
        """Share of the jitter that the filter takes away."""
        return 1.0 - self.smooth_mm / self.raw_mm if self.raw_mm > 0.0 else 0.0


class Smoothing:
    """Strength of the filter, and its effect on each path. One thread per path writes, the window reads and sets."""

    def __init__(self, strength: float = DEFAULT_STRENGTH) -> None:
        """Sets the strength.

        Args:
            strength: 0 (off) to 1.
        """
        self.strength = strength
        self._jitter: dict[PathId, Jitter] = {}

    def settings(self) -> HandFilterSettings:
        """The filter's settings for the present strength."""
        gentle, firm = CUTOFFS_HZ
        cutoff = gentle * (firm / gentle) ** self.strength
        default = HandFilterSettings()
        return replace(
            default,
            pose=replace(default.pose, min_cutoff_hz=cutoff),
            translation=replace(default.translation, min_cutoff_hz=cutoff),
        )

    def report(self, path_id: PathId, jitter: Jitter | None) -> None:
        """Records a path's jitter; None when it is unknown."""
        if jitter is None:
            self._jitter.pop(path_id, None)
        else:
            self._jitter[path_id] = jitter

    def jitter(self, path_id: PathId) -> Jitter | None:
        """The filter's effect on a path at present; None before there were enough frames."""
        return self._jitter.get(path_id)


class SmoothedPath:
    """A path with the filter behind it; itself a :class:`app.pipeline.paths.hand_path.HandPath`."""

    def __init__(self, path: HandPath, model: HandModel, smoothing: Smoothing) -> None:
        """Wraps a path.

        Args:
            path: closed with this one.
            model: right-hand model that the path poses.
            smoothing: strength of the filter.
        """
        self._path, self._smoothing = path, smoothing
        self._layers: dict[Side, HandLayer] = {"right": HandLayer(model), "left": HandLayer(model.mirrored())}
        # two hands of one side may be in a picture, so a hand is its side and its place among those of that side
        self._hands: dict[tuple[Side, int], _SmoothedHand] = {}

    def process(self, frame: Frame) -> PathResult:
        """The path's result with filtered hands."""
        result = self._path.process(frame)
        seen: Counter[Side] = Counter()
        states = []
        for state in result.states:
            states.append(self._filtered(state, seen[state.side], frame))
            seen[state.side] += 1
        self._smoothing.report(result.path_id, self._jitter())
        if self._smoothing.strength <= 0.0:
            return result
        return replace(result, states=tuple(states), unfiltered=result.states)

    def reset(self) -> None:
        self._path.reset()
        self._hands.clear()

    def close(self) -> None:
        self._path.close()

    def _filtered(self, state: HandState, place: int, frame: Frame) -> HandState:
        hand = self._hands.get((state.side, place))
        if hand is None:
            hand = _SmoothedHand(HandStateFilter(self._layers[state.side]))
            self._hands[state.side, place] = hand
        strength = self._smoothing.strength
        if hand.strength != strength:
            hand.strength = strength
            hand.filter.tune(self._smoothing.settings())
        smooth = hand.filter(state, frame.capture_time_ns) if self._smoothing.strength > 0.0 else state
        hand.raw.add(np.asarray(state.joints_m), frame.sequence)
        hand.smooth.add(np.asarray(smooth.joints_m), frame.sequence)
        return smooth

    def _jitter(self) -> Jitter | None:
        pairs = [(hand.raw.mean_mm(), hand.smooth.mean_mm()) for hand in self._hands.values()]
        known = [(raw, smooth) for raw, smooth in pairs if raw is not None and smooth is not None]
        if not known:
            return None
        return Jitter(*(sum(values) / len(known) for values in zip(*known, strict=True)))


class _JitterMeter:
    """Second differences of the joints: a movement without its constant speed."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, Float[np.ndarray, "21 3"]]] = deque(maxlen=3)
        self._values_mm: deque[float] = deque(maxlen=JITTER_FRAMES)

    def add(self, joints_m: Float[np.ndarray, "21 3"], sequence: int) -> None:
        if self._recent and not 0 < sequence - self._recent[-1][0] <= 2:
            self._recent.clear()
        self._recent.append((sequence, joints_m))
        if len(self._recent) == 3:
            (_, first), (_, second), (_, third) = self._recent
            self._values_mm.append(MILLIMETRES_PER_METRE * mean_bend(first, second, third))

    def mean_mm(self) -> float | None:
        return sum(self._values_mm) / len(self._values_mm) if len(self._values_mm) >= JITTER_FRAMES // 4 else None


@dataclass(slots=True)
class _SmoothedHand:
    """The filter of one hand, the strength it is set to, and the jitter of that hand before and after it."""

    filter: HandStateFilter
    strength: float | None = None
    raw: _JitterMeter = field(default_factory=_JitterMeter)
    smooth: _JitterMeter = field(default_factory=_JitterMeter)


def smoothed(factory: PathFactory, model: HandModel, smoothing: Smoothing) -> PathFactory:
    """A factory of the same path with the filter behind it."""
    return lambda: SmoothedPath(factory(), model, smoothing)
