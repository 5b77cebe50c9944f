"""The hand model that a recipe's network poses: the embedded one, or the user's own MANO file."""

from __future__ import annotations

from pathlib import Path

from hand.embedded import load_embedded_model
from hand.errors import ModelFileError
from hand.mano_files import load_hand_model
from hand.model import HandModel


def training_hand_model(file: str) -> HandModel:
    """A right hand.

    Args:
        file: a MANO_RIGHT.pkl, or "" for the embedded model.

    Raises:
        ModelFileError: the file is missing, damaged, or a left hand.
    """
    if not file:
        return load_embedded_model()
    model = load_hand_model(Path(file))
    if model.side != "right":
        raise ModelFileError(f"{file} is a left hand, networks pose right ones; give MANO_RIGHT.pkl.")
    return model
