"""The hand model that ships with the product, made by ``python -m hand.build``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from hand.mano_files import load_hand_model
from hand.mirror import Side
from hand.model import HandModel

EMBEDDED_MODEL_FILE = Path(__file__).resolve().parent.parent / "assets" / "hand_model" / "embedded_right.npz"
"""The right hand; the left is its mirror image."""


@lru_cache(maxsize=2)
def load_embedded_model(side: Side = "right") -> HandModel:
    """The embedded hand model; loaded once, then shared (its arrays are read-only).

    Raises:
        ModelFileError: the file is missing or damaged.
    """
    right = load_hand_model(EMBEDDED_MODEL_FILE)
    return right if side == "right" else right.mirrored()
