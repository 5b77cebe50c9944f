"""Output modes, and the reason why the output follows a hand (texts: ``app.output_texts``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from app.pipeline.worker import MissingReason


class OutputMode(Enum):
    """Which hand the output follows."""

    FUSED = "fused"
    """The hand that is fused from both paths."""
    NETWORK_FIRST = "network-first"
    """The network's, and MediaPipe + IK's while the network's confidence is low or it finds no hand."""
    NETWORK = "network"
    """The network's alone."""
    IK = "ik"
    """MediaPipe + IK's alone."""


class OutputCause(Enum):
    """Why the output follows the hand that it follows."""

    FUSED = "fused"
    """Both paths see the hand and agree."""
    ONLY_PATH = "only path"
    """The mode names this path, or no other one runs."""
    NETWORK_SURE = "network sure"
    NETWORK_UNSURE_ALONE = "network unsure alone"
    """Followed, because MediaPipe finds no hand."""
    NETWORK_UNSURE = "network unsure"
    """Left, because MediaPipe + IK is surer."""
    BOTH_UNSURE = "both unsure"
    """The network is followed."""
    NETWORK_RETURNING = "network returning"
    """Sure again, but not for long enough."""
    NETWORK_MISSING = "network missing"
    """It finds no hand, or did not process the frame."""
    IK_MISSING = "ik missing"
    """The same of MediaPipe + IK."""
    SIDES_DIFFER = "sides differ"
    """One path finds a left hand, the other a right one; the more credible one is followed."""
    PLACES_DIFFER = "places differ"
    """The paths find hands at different places, more in total than either path alone."""
    FORMS_DIFFER = "forms differ"
    """The paths see different fingers bent."""
    ORIENTATIONS_DIFFER = "orientations differ"
    """The paths see the hand turned differently."""


@dataclass(frozen=True, slots=True)
class OutputReason:
    """Why the output follows the hand that it follows.

    Attributes:
        cause: which case it is.
        network_confidence: the network's in this frame, None where it has no hand.
        ik_confidence: the same of MediaPipe + IK.
        wanted_confidence: threshold that the network did not reach, where that decided.
        missing: why the other path has no result; None where it has one, without a hand.
    """

    cause: OutputCause
    network_confidence: float | None = None
    ik_confidence: float | None = None
    wanted_confidence: float | None = None
    missing: MissingReason | None = None
