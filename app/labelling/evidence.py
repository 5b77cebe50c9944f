"""The evidence of each frame of a session about each hand: landmarks, the live solution, the network's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

import numpy as np
from jaxtyping import UInt8

from hand.crop import crop_around
from hand.errors import RecordingError
from hand.mirror import Side, other_side
from hand.recording import RecordedFrame, RecordedHand
from hand.recording_reader import Recording
from hand.types import HandObservation

_Sided = TypeVar("_Sided", RecordedHand, HandObservation)

_EXPANSION: Final = 1.5

FLICKER_SHARE: Final = 0.15
"""A side that is seen in fewer than this share of a session's hands, and never beside the other, is a mistaken one."""


class Detector(Protocol):
    """Finds hands in pictures; ``ik_baseline.detector.HandDetector`` is one."""

    def detect(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> Sequence[HandObservation]:
        """Hands of one picture, the most certain first."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameEvidence:
    """One hand of one frame, with every estimate of it.

    Attributes:
        frame: the frame.
        observation: the detector's landmarks.
        live: MediaPipe + IK's estimate while recording; None where the frame was processed again afterwards.
        network: the network's estimate of the same hand; None where it has none.
        side_changed: the detected side was taken for a mistake and exchanged.
    """

    frame: RecordedFrame
    observation: HandObservation
    live: RecordedHand | None
    network: RecordedHand | None
    side_changed: bool = False


def collect(
    recording: Recording, detector: Detector | None = None, progress: Callable[[int], None] | None = None
) -> list[FrameEvidence]:
    """Collects the evidence of all frames, in time order.

    Args:
        recording: the session.
        detector: processes frames that the live path was too slow for; they stay without label when left out.
        progress: called with the number of frames done.
    """
    evidence: list[FrameEvidence] = []
    for number, frame in enumerate(recording.frames, 1):
        evidence.extend(_of_frame(recording, frame, detector))
        if progress is not None:
            progress(number)
    return _without_flicker(evidence, recording.info.intrinsics.width_px)


def _of_frame(recording: Recording, frame: RecordedFrame, detector: Detector | None) -> Iterator[FrameEvidence]:
    networks = [hand for hand in frame.hands if hand.origin == "network"]
    live = [hand for hand in frame.hands if hand.origin == "ik" and hand.landmarks_px is not None]
    live.sort(key=lambda hand: hand.confidence, reverse=True)
    for hand in _one_of_each_side(live):
        observation = _observation(hand)
        if observation is not None:
            yield FrameEvidence(frame, observation, hand, _nearest(networks, hand.joints_m))
    if live or detector is None:
        return
    try:
        picture = recording.picture(frame)
    except RecordingError:
        return  # a damaged picture is no evidence, and is not learned from either
    for observation in _one_of_each_side(detector.detect(picture)):
        same = [hand for hand in networks if hand.side == observation.side]
        yield FrameEvidence(frame, observation, None, same[0] if same else None)


def _one_of_each_side(hands: Sequence[_Sided]) -> list[_Sided]:
    """Two hands of one side are one hand and a mistake; the more certain one comes first and is kept."""
    kept: dict[Side, _Sided] = {}
    for hand in hands:
        kept.setdefault(hand.side, hand)
    return list(kept.values())


def _observation(hand: RecordedHand) -> HandObservation | None:
    if hand.landmarks_px is None or hand.world_landmarks_m is None:
        return None
    pixels = np.asarray(hand.landmarks_px, np.float64)
    crop = crop_around(pixels, _EXPANSION, flipped=hand.side == "left")
    return HandObservation(hand.side, hand.confidence, pixels, np.asarray(hand.world_landmarks_m, np.float64), crop)


def _nearest(hands: Sequence[RecordedHand], joints_m: np.ndarray) -> RecordedHand | None:
    """The hand that is in the same place; of two hands, the other one is further off than a palm."""
    directions = [_direction(hand.joints_m) @ _direction(joints_m) for hand in hands]
    return hands[int(np.argmax(directions))] if hands else None


def _direction(joints_m: np.ndarray) -> np.ndarray:
    middle = np.asarray(joints_m, np.float64).mean(0)
    return np.asarray(middle / max(float(np.linalg.norm(middle)), 1e-9))


def _without_flicker(evidence: list[FrameEvidence], width_px: int) -> list[FrameEvidence]:
    """Hands of a side that is nearly never seen are given the other side, marked as changed."""
    counts: dict[Side, int] = {"left": 0, "right": 0}
    together: dict[int, int] = {}
    for seen in evidence:
        counts[seen.observation.side] += 1
        together[seen.frame.index] = together.get(seen.frame.index, 0) + 1
    if any(count > 1 for count in together.values()):
        return evidence
    rare: Side = "left" if counts["left"] < counts["right"] else "right"
    if counts[rare] > FLICKER_SHARE * len(evidence):
        return evidence
    return [_turned(seen) if seen.observation.side == rare else seen for seen in evidence]


def _turned(seen: FrameEvidence) -> FrameEvidence:
    observation = seen.observation
    side = other_side(observation.side)
    crop = crop_around(observation.landmarks_px, _EXPANSION, flipped=side == "left")
    return replace(seen, observation=replace(observation, side=side, crop=crop), side_changed=True)
