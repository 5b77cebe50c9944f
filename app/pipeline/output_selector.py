"""Selects the output hand: fused from both paths, or one path's, by the mode and the paths' results.

The choice has hysteresis, and a change of path never makes the hand jump: the new path's hand is at first moved to
where the output was, and that offset fades out. This is inertialization (D. Bollo, "Inertialization: High-Performance
Animation Transitions in Gears of War", GDC 2018) with a smoothstep in place of its polynomial: unlike a blend of two
hands it needs the new path alone, so it also works when the old one gives no results any more.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from app.pipeline.fused_track import FusedTrack, FusionSettings, fusion_settings
from app.pipeline.output_reason import OutputCause, OutputMode, OutputReason
from app.pipeline.paths.smoothing import Smoothing
from app.pipeline.worker import MissingReason
from hand.errors import ConfigError
from hand.layer import HandLayer
from hand.mirror import Side
from hand.model import HandModel
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from hand.types import Frame, HandOrigin, HandState, PathId, PathResult
from inference.hand_matching import SAME_PLACE, HandPair, pair_hands, picture_gap
from inference.runtime import DOUBTED

MEMORY_NS = 400_000_000
"""A hand that was gone for longer appears anew, without a fade from where it was."""

HOLD_NS = 300_000_000
"""A path that is only late keeps the output for so long, with the hand held where it was."""

COLLAPSED = 0.5
"""If only the network finds a hand, and its confidence drops suddenly below this share of the leaving threshold, the
hand was probably covered: the last hand is held, for as long as for a late path."""

_NS_PER_MS = 1e6

_NONE_MISSING: Mapping[PathId, MissingReason] = {}


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """When the output changes from one path to the other.

    Attributes:
        leave_below: network confidence under which MediaPipe + IK takes over.
        return_above: network confidence from which the network may take over again.
        return_after_ms: how long it has to stay there first.
        trust_ik_above: confidence that MediaPipe + IK needs to take over from a network of low confidence.
        fade_ms: how long a change takes.
        mode: which hand the output follows.
    """

    leave_below: float = DOUBTED
    return_above: float = 0.55
    return_after_ms: float = 250.0
    trust_ik_above: float = 0.2
    fade_ms: float = 200.0
    mode: OutputMode = OutputMode.NETWORK_FIRST

    def __post_init__(self) -> None:
        shares = (self.leave_below, self.return_above, self.trust_ik_above)
        if not all(0.0 <= share <= 1.0 for share in shares) or self.return_above < self.leave_below:
            raise ConfigError(
                f"The output's thresholds lie between 0 and 1 and the one to return ({self.return_above:g}) is not "
                f"below the one to leave ({self.leave_below:g}); raise the first or lower the second."
            )
        if not (self.return_after_ms >= 0.0 and self.fade_ms >= 0.0):
            raise ConfigError("The output's times are not negative; give 0 to switch at once.")


@dataclass(frozen=True, slots=True, eq=False)
class OutputHand:
    """One hand of the output.

    Attributes:
        state: the hand; its ``origin`` is the path it follows, or "fused".
        reason: why it was selected.
        offset_share: what is left of the inertialization offset of the last change, 1 to 0.
        held: it is the last frame's hand once more, because its path is late, or because something just covered it.
    """

    state: HandState
    reason: OutputReason
    offset_share: float = 0.0
    held: bool = False

    @property
    def origin(self) -> HandOrigin:
        """The path it follows, or that it is fused."""
        return self.state.origin


def output_chooser(
    model: HandModel, paths: Collection[PathId], mode: OutputMode, smoothing: Smoothing | None = None
) -> OutputChooser:
    """What makes the output of a run.

    Args:
        model: the hand model the paths pose.
        paths: those that run; a single one is the output.
        mode: which hand the output follows.
        smoothing: the filter behind the paths, which the fused hand gets as well.

    Raises:
        ConfigError: the fusion's weights are missing or damaged.
    """
    only = only_path(paths)
    fusion = fusion_settings(model, smoothing) if only is None else None
    return OutputChooser(model, OutputSettings(mode=mode), fusion, only=only)


def only_path(paths: Collection[PathId]) -> PathId | None:
    """The path of a run with a single one; else None."""
    return next(iter(paths)) if len(paths) == 1 else None


class OutputChooser:
    """Computes the output of each frame; call it in the order of the frames, from one thread."""

    def __init__(
        self,
        model: HandModel,
        settings: OutputSettings | None = None,
        fusion: FusionSettings | None = None,
        *,
        only: PathId | None = None,
    ) -> None:
        """Starts without a hand.

        Args:
            model: the hand model both paths pose (either side).
            settings: see there; may be replaced from any thread.
            fusion: how hands are fused; without it the mode ``FUSED`` is ``NETWORK_FIRST``.
            only: the path that is the output in every mode, because no other one runs.
        """
        self.settings = settings or OutputSettings()
        self._fusion = fusion
        self._only_mode = None if only is None else OutputMode(only)
        layer, mirrored = HandLayer(model), HandLayer(model.mirrored())
        self._layers: dict[Side, HandLayer] = {model.side: layer, mirrored.model.side: mirrored}
        self._slots: list[_Slot] = []
        self._source = ("", False)

    def reset(self) -> None:
        """Drops all hands."""
        self._slots = []

    def choose(
        self,
        frame: Frame,
        results: Mapping[PathId, PathResult],
        missing: Mapping[PathId, MissingReason] = _NONE_MISSING,
    ) -> tuple[OutputHand, ...]:
        """The output hands of one frame.

        Args:
            frame: the picture.
            results: of the paths; one may be missing.
            missing: why a path has no result for the frame.
        """
        if (frame.source_id, frame.mirrored) != self._source:
            self._source = (frame.source_id, frame.mirrored)
            self.reset()
        settings = self.settings
        if self._only_mode is not None:
            settings = replace(settings, mode=self._only_mode)
        elif settings.mode is OutputMode.FUSED and self._fusion is None:
            settings = replace(settings, mode=OutputMode.NETWORK_FIRST)
        time_ns = frame.capture_time_ns
        self._slots = [slot for slot in self._slots if 0 <= time_ns - slot.time_ns <= MEMORY_NS]
        unfiltered = _Unfiltered(results)
        taken: list[_Slot] = []
        outputs = []
        for pair, differ in _pairs_of(results, settings.mode):
            slot = self._slot_for(pair, taken)
            taken.append(slot)
            fused = slot.fuse(pair, unfiltered, frame, self._fusion) if settings.mode is OutputMode.FUSED else None
            outputs.append(slot.follow(pair, time_ns, settings, missing, fused, differ=differ))
        self._slots += [slot for slot in taken if slot not in self._slots]
        return tuple(outputs)

    def _slot_for(self, pair: HandPair, taken: list[_Slot]) -> _Slot:
        """The slot with the nearest hand, else a new one."""
        free = [(slot.distance_to(pair), index) for index, slot in enumerate(self._slots) if slot not in taken]
        near = min(free, default=(math.inf, -1))
        return self._slots[near[1]] if near[0] < 2.0 * SAME_PLACE else _Slot(self._layers)


class _Slot:
    """One hand over time: the path it follows, and the remaining inertialization offset of the last change."""

    def __init__(self, layers: Mapping[Side, HandLayer]) -> None:
        self._layers = layers
        self._last: HandState | None = None
        self._reason = OutputReason(OutputCause.NETWORK_MISSING)
        self._fused: FusedTrack | None = None
        self.time_ns = 0
        self._sure_since_ns: int | None = None
        self._offset: _InertializationOffset | None = None

    def distance_to(self, pair: HandPair) -> float:
        """Distance from the last output to the nearer hand of a pair."""
        assert self._last is not None
        return min(picture_gap(self._last, state) for state in pair if state is not None)

    def fuse(
        self, pair: HandPair, unfiltered: _Unfiltered, frame: Frame, fusion: FusionSettings | None
    ) -> HandState | OutputCause | None:
        """The fused hand, or why both paths' hands cannot be fused; None where one of them is missing."""
        network, ik = pair
        if fusion is None or network is None or ik is None:
            return None
        if self._fused is None:
            self._fused = FusedTrack(fusion)
        return self._fused.step(unfiltered(network), unfiltered(ik), frame)

    def follow(
        self,
        pair: HandPair,
        time_ns: int,
        settings: OutputSettings,
        missing: Mapping[PathId, MissingReason],
        fused: HandState | OutputCause | None = None,
        *,
        differ: bool = False,
    ) -> OutputHand:
        """The output for this frame.

        Args:
            pair: the hands of both paths.
            time_ns: capture time of the frame.
            settings: of the output.
            missing: why a path has no result.
            fused: result of :meth:`fuse`.
            differ: the other path finds its hand elsewhere.
        """
        recent = self._last if time_ns - self.time_ns <= HOLD_NS else None
        if recent is not None and (_is_only_late(recent, pair, missing) or _is_just_covered(recent, pair, settings)):
            return OutputHand(recent, self._reason, held=True)
        wanted, reason = self._decide(pair, time_ns, settings, missing, fused, differ)
        if self._last is not None and self._last.side != wanted.side:
            self._offset = None  # a left and a right hand have no rotations between them
        elif self._last is not None and self._last.origin != wanted.origin:
            self._offset = _InertializationOffset.between(self._last, wanted, self.time_ns)
        share = 0.0 if self._offset is None else self._offset.share(time_ns, settings.fade_ms)
        if share <= 0.0:
            self._offset = None
        state = wanted if self._offset is None else self._offset.apply(wanted, share, self._layers[wanted.side])
        self._last, self._reason, self.time_ns = state, reason, time_ns
        return OutputHand(state, reason, share)

    def _decide(
        self,
        pair: HandPair,
        time_ns: int,
        settings: OutputSettings,
        missing: Mapping[PathId, MissingReason],
        fused: HandState | OutputCause | None,
        differ: bool,
    ) -> tuple[HandState, OutputReason]:
        network, ik = pair
        about = OutputReason(
            OutputCause.ONLY_PATH,
            None if network is None else network.confidence,
            None if ik is None else ik.confidence,
        )
        if network is None or network.confidence < settings.return_above:
            self._sure_since_ns = None
        elif self._sure_since_ns is None:
            self._sure_since_ns = time_ns
        if differ:
            only = network if network is not None else ik
            assert only is not None
            return only, replace(about, cause=OutputCause.PLACES_DIFFER)
        if settings.mode in (OutputMode.NETWORK, OutputMode.IK):
            only = network if network is not None else ik
            assert only is not None
            return only, about
        if isinstance(fused, HandState):
            return fused, replace(about, cause=OutputCause.FUSED)
        if isinstance(fused, OutputCause):
            assert network is not None
            assert ik is not None
            assert self._fused is not None
            credible = network if self._fused.followed == "network" else ik
            return credible, replace(about, cause=fused)
        if network is None:
            assert ik is not None
            return ik, replace(about, cause=OutputCause.NETWORK_MISSING, missing=missing.get("network"))
        if ik is None:
            why = missing.get("ik")
            if settings.mode is OutputMode.FUSED:
                return network, replace(about, cause=OutputCause.IK_MISSING, missing=why)
            sure = network.confidence >= settings.leave_below
            cause = OutputCause.NETWORK_SURE if sure else OutputCause.NETWORK_UNSURE_ALONE
            return network, replace(about, cause=cause, missing=why)
        follows_ik = self._last is not None and self._last.origin == "ik"
        limit = settings.return_above if follows_ik else settings.leave_below
        if network.confidence < limit:
            if ik.confidence >= settings.trust_ik_above:
                return ik, replace(about, cause=OutputCause.NETWORK_UNSURE, wanted_confidence=limit)
            return network, replace(about, cause=OutputCause.BOTH_UNSURE)
        if follows_ik and time_ns - (self._sure_since_ns or time_ns) < settings.return_after_ms * _NS_PER_MS:
            return ik, replace(about, cause=OutputCause.NETWORK_RETURNING)
        return network, replace(about, cause=OutputCause.NETWORK_SURE)


class _Unfiltered:
    """A path's hand as it was before the path's filter; the fused hand has a filter of its own."""

    def __init__(self, results: Mapping[PathId, PathResult]) -> None:
        self._known = {
            id(state): raw
            for result in results.values()
            for state, raw in zip(result.states, result.unfiltered, strict=False)
        }

    def __call__(self, state: HandState) -> HandState:
        return self._known.get(id(state), state)


def _pairs_of(results: Mapping[PathId, PathResult], mode: OutputMode) -> list[tuple[HandPair, bool]]:
    """The pairs of hands that the mode considers, and of each whether it comes from hands at different places.

    Where the paths find one hand each at different places, only the more credible one is kept in the mode ``FUSED``:
    there are no more hands than one path finds.
    """
    network, ik = (results[path].states if path in results else () for path in ("network", "ik"))
    if mode is OutputMode.NETWORK:
        return [((state, None), False) for state in network]
    if mode is OutputMode.IK:
        return [((None, state), False) for state in ik]
    pairs = pair_hands(network, ik)
    surplus = len(pairs) - max(len(network), len(ik))
    if mode is not OutputMode.FUSED or surplus <= 0:
        return [(pair, False) for pair in pairs]
    alone = sorted((k for k, pair in enumerate(pairs) if None in pair), key=lambda k: _confidence(pairs[k]))
    dropped = set(alone[:surplus])
    return [(pair, k in alone) for k, pair in enumerate(pairs) if k not in dropped]


def _confidence(pair: HandPair) -> float:
    return max(state.confidence for state in pair if state is not None)


def _is_only_late(last: HandState, pair: HandPair, missing: Mapping[PathId, MissingReason]) -> bool:
    """Whether the followed path has no result yet, although it will have one."""
    if last.origin == "fused":
        return False  # the other path's result continues from there, see _InertializationOffset
    handless = pair[0 if last.origin == "network" else 1] is None
    return handless and missing.get(last.origin) is MissingReason.LATE


def _is_just_covered(last: HandState, pair: HandPair, settings: OutputSettings) -> bool:
    """Whether the network alone finds a hand, with a confidence that was high a moment ago and is hardly any more."""
    network, ik = pair
    if network is None or ik is not None or (last.origin, last.side) != ("network", network.side):
        return False
    return last.confidence >= settings.leave_below and network.confidence < COLLAPSED * settings.leave_below


@dataclass(frozen=True, slots=True, eq=False)
class _InertializationOffset:
    """Offset that is added to a path's hand so that it continues where the output was.

    Attributes:
        rotations_rad: of the 16 joints, to be turned after the path's own rotation.
        root_m: shift of the root joint.
        shape: added to the coefficients.
        start_ns: when the output was last there.
    """

    rotations_rad: Float[np.ndarray, "16 3"]
    root_m: Float[np.ndarray, "3"]
    shape: Float[np.ndarray, "10"]
    start_ns: int

    @classmethod
    def between(cls, before: HandState, after: HandState, start_ns: int) -> _InertializationOffset:
        """The offset that takes `after` to `before`."""
        from_rotations, to_rotations = _matrices(before), _matrices(after)
        difference = from_rotations @ np.swapaxes(to_rotations, -1, -2)
        # the first joint is the one the hand turns about, so its path is the hand's path
        return cls(
            axis_angle_from_matrix(difference),
            np.asarray(before.joints_m[0] - after.joints_m[0], np.float64),
            np.asarray(before.shape - after.shape, np.float64),
            start_ns,
        )

    def share(self, time_ns: int, fade_ms: float) -> float:
        """The remaining share of the offset: smoothstep from 1 to 0."""
        if fade_ms <= 0.0:
            return 0.0
        progress = min(max((time_ns - self.start_ns) / (fade_ms * _NS_PER_MS), 0.0), 1.0)
        return 1.0 - progress * progress * (3.0 - 2.0 * progress)

    def apply(self, state: HandState, share: float, layer: HandLayer) -> HandState:
        """A path's hand moved by this share: turns along the shortest arcs (slerp), the root along a line."""
        rotations = matrix_from_axis_angle(share * self.rotations_rad) @ _matrices(state)
        shape = (state.shape + share * self.shape).astype(np.float32)
        root = np.asarray(state.joints_m[0], np.float64) + share * self.root_m
        translation = (root - layer.shaped(shape).joints_m[0]).astype(np.float32)
        pose = axis_angle_from_matrix(rotations).reshape(48).astype(np.float32)
        return layer.reposed(state, pose, shape, translation)


def _matrices(state: HandState) -> Float[np.ndarray, "16 3 3"]:
    return matrix_from_axis_angle(np.asarray(state.pose_rad, np.float64).reshape(16, 3))
