"""Words for people about the output: what a mode means, and why it follows the hand that it does."""

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
"""Whose hand it is."""

_DIFFERENCES: Final[Mapping[OutputCause, str]] = {
    OutputCause.SIDES_DIFFER: "the paths disagree whether it is a left or a right hand",
    OutputCause.PLACES_DIFFER: "the paths see hands at different places",
    OutputCause.FORMS_DIFFER: "the paths see different fingers bent",
    OutputCause.ORIENTATIONS_DIFFER: "the paths see the hand turned differently",
}

_SEES_NONE = "sees no hand"

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
    missing = _SEES_NONE if reason.missing is None else _MISSING[reason.missing]
    # of a path that is only late there is nothing to say beside the one that is followed
    alone = reason.ik_confidence is None and reason.missing is not MissingReason.LATE
    beside = f"; MediaPipe {missing}" if alone else ""
    if cause in _DIFFERENCES:
        return f"{_DIFFERENCES[cause]} (network {network}, IK {ik})"
    texts = {
        OutputCause.FUSED: f"both paths see the hand (network {network}, IK {ik})",
        OutputCause.ONLY_PATH: "it is the path that was chosen",
        OutputCause.NETWORK_SURE: f"the network is sure enough ({network}){beside}",
        OutputCause.NETWORK_UNSURE_ALONE: f"the network is unsure ({network}){beside}",
        OutputCause.NETWORK_UNSURE: f"the network is unsure ({network}, wanted {_percent(reason.wanted_confidence)})",
        OutputCause.BOTH_UNSURE: f"the network is unsure ({network}), but MediaPipe + IK is too ({ik})",
        OutputCause.NETWORK_RETURNING: f"the network is just getting sure again ({network})",
        OutputCause.NETWORK_MISSING: f"the network {missing}",
        OutputCause.IK_MISSING: f"MediaPipe {missing}",
    }
    return texts[cause]


def _percent(share: float | None) -> str:
    return "no hand" if share is None else f"{share:.0%}"
