"""The hand model of a run: the user's MANO file, or the embedded one."""

from __future__ import annotations

from pathlib import Path

from hand.embedded import load_embedded_model
from hand.mano_files import load_hand_model
from hand.model import HandModel


def load_model(path: Path | None) -> HandModel:
    """The right-hand model that the paths pose: the user's file, or the embedded one.

    Raises:
        ModelFileError: not a usable model.
    """
    if path is None:
        return load_embedded_model()
    model = load_hand_model(path)
    return model if model.side == "right" else model.mirrored()
