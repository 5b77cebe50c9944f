"""The hand model that ships with the product, made by ``python -m hand.build``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

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
