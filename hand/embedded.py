"""The hand model that ships with the product (``python -m hand.build`` makes it), or the user's MANO file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hand.errors import ModelFileError
from hand.mano_files import load_hand_model
from hand.mirror import Side
from hand.model import HandModel

EMBEDDED_MODEL_FILE = Path(__file__).resolve().parent.parent / "assets" / "hand_model" / "embedded_right.npz"
"""The right hand; the left is its mirror image."""


def load_embedded_model(side: Side = "right") -> HandModel:
    """The embedded hand model; loaded once, then shared (its arrays are read-only).

    Raises:
        ModelFileError: the file is missing or damaged.
    """
    return _shared(side)


@cache
def _shared(side: Side) -> HandModel:
    return load_hand_model(EMBEDDED_MODEL_FILE) if side == "right" else _shared("right").mirrored()


def load_model(path: Path | None) -> HandModel:
    """The right-hand model that the paths pose: the user's file, or the embedded one.

    Raises:
        ModelFileError: not a usable model.
    """
    if path is None:
        return load_embedded_model()
    model = load_hand_model(path)
    return model if model.side == "right" else model.mirrored()


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
