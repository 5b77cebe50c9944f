"""Which kinds of sources a recipe may name, and which keys each of them listens to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from trainer.recipe.dataset_facts import SETS

SET_KINDS: Final = (*SETS, "shards")
"""Kinds of sources that are data sets; shards are a packed one, of any kind."""

_OF_ALL: Final = frozenset({"kind", "share", "features"})
_OF_SETS: Final = frozenset({"path", "split", "rotation_deg", "new_background", "backgrounds"})

_KEYS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "rendered": frozenset(
            {
                "backgrounds",
                "wide_share",
                "finger_share",
                "empty_share",
                "adorned_share",
                "gloved_share",
                "jitter_share",
                "loose_share",
                "repeat",
                "views",
            }
        ),
        "photographs": frozenset(
            {"path", "pictures", "floor", "depth_trust", "masks", "match", "new_background", "new_skin", "backgrounds"}
        ),
        "recordings": frozenset({"path", "sessions", "floor", "span"}),
        **dict.fromkeys(SET_KINDS, _OF_SETS),
        "freihand": _OF_SETS | {"versions"},
    }
)

SOURCE_KINDS: Final = tuple(_KEYS)
"""All kinds of sources."""


def complaint_about(kind: str, given: Collection[str], *, held_out: bool = False) -> str:
    """What is wrong with a source, as a sentence; "" where nothing is.

    Args:
        kind: of the source.
        given: the keys whose values are not the usual ones.
        held_out: it is to measure with, not to learn from.
    """
    if held_out and kind == "rendered":
        return "unseen renderings are measured in every evaluation, so kind: rendered is not held out; take it out."
    if kind not in _KEYS:
        choice = [name for name in SOURCE_KINDS if not (held_out and name == "rendered")]
        return f"there is no kind of source {kind!r}; choose one of {', '.join(choice)}."
    known = _KEYS[kind] | _OF_ALL
    deaf = sorted(set(given) - known)
    if deaf:
        return f"a source of kind {kind} does not listen to {deaf[0]}, only to {', '.join(sorted(known))}; take it out."
    return ""
