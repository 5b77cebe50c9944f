"""User texts about the output: the meaning of each mode, and why the output follows its hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.pipeline.output_reason import OutputCause, OutputMode, OutputReason
from app.pipeline.worker import PATH_NAMES, MissingReason
from hand.types import HandOrigin

MODE_NAMES: Final[Mapping[OutputMode, str]] = {
    OutputMode.FUSED: "Fused from both paths",
    OutputMode.NETWORK_FIRST: "Network first, else IK",
    OutputMode.NETWORK: "Network alone",
    OutputMode.IK: "MediaPipe + IK alone",
}

HAND_NAMES: Final[Mapping[HandOrigin, str]] = {
    "network": PATH_NAMES["network"],
    "ik": PATH_NAMES["ik"],
    "fused": "Fused",
}
"""Names of the hands that the output can follow."""

_DIFFERENCES: Final[Mapping[OutputCause, str]] = {
    OutputCause.SIDES_DIFFER: "the paths disagree on whether it is a left or a right hand",
    OutputCause.PLACES_DIFFER: "the paths find hands at different places",
    OutputCause.FORMS_DIFFER: "the paths differ in which fingers are bent",
    OutputCause.ORIENTATIONS_DIFFER: "the paths differ in the hand's orientation",
}

_NO_HAND = "finds no hand"

_MISSING: Final[Mapping[MissingReason, str]] = {
    MissingReason.STARTING: "is starting",
    MissingReason.FAILED: "does not work",
    MissingReason.DISABLED: "is switched off",
    MissingReason.LATE: "is late",
}
"""To follow the name of a path."""


def reason_text(reason: OutputReason) -> str:
    """Why the output follows its hand, to stand after "because"."""
    cause, network, ik = reason.cause, _percent(reason.network_confidence), _percent(reason.ik_confidence)
    needed = _percent(reason.wanted_confidence)
    missing = _NO_HAND if reason.missing is None else _MISSING[reason.missing]
    # a path that is only late is not mentioned beside the one that is followed
    alone = reason.ik_confidence is None and reason.missing is not MissingReason.LATE
    beside = f"; MediaPipe {missing}" if alone else ""
    if cause in _DIFFERENCES:
        return f"{_DIFFERENCES[cause]} (network {network}, IK {ik})"
    texts = {
        OutputCause.FUSED: f"both paths find the hand (network {network}, IK {ik})",
        OutputCause.ONLY_PATH: "it is the path that was chosen",
        OutputCause.NETWORK_SURE: f"the network's confidence is high enough ({network}){beside}",
        OutputCause.NETWORK_UNSURE_ALONE: f"the network's confidence is low ({network}){beside}",
        OutputCause.NETWORK_UNSURE: f"the network's confidence is low ({network}, {needed} needed)",
        OutputCause.BOTH_UNSURE: f"the confidence of both paths is low (network {network}, IK {ik})",
        OutputCause.NETWORK_RETURNING: f"the network's confidence has just risen again ({network})",
        OutputCause.NETWORK_MISSING: f"the network {missing}",
        OutputCause.IK_MISSING: f"MediaPipe {missing}",
    }
    return texts[cause]


def _percent(share: float | None) -> str:
    return "no hand" if share is None else f"{share:.0%}"
