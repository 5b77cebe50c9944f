"""Turns the recipe for a user's own hand into one for these sessions and this network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from hand.errors import ConfigError
from inference.runtime import WEIGHTS_FILE
from trainer.recipe.config import FitConfig, exported_layout
from trainer.recipe.sources import RecordingSource, SourceConfig
from trainer.samples.recordings import find_sessions

WEIGHTS_SUFFIX: Final = ".safetensors"


def with_base(config: FitConfig, base: Path) -> FitConfig:
    """A recipe that starts from an exported network, in that network's own layout.

    Args:
        config: the recipe.
        base: folder of an exported network; bare weights are taken to fit the recipe's own layout.

    Raises:
        CheckpointError: there is no exported network in the folder.
    """
    if base.suffix == WEIGHTS_SUFFIX:
        return replace(config, start_from=str(base), network=replace(config.network, pretrained=False))
    layout = exported_layout(base)
    # its weights are what it is good for: a few hundred pictures of one hand would only spoil them
    freeze = (*config.freeze, "landmarks") if layout.landmarks else config.freeze
    return replace(
        config, start_from=str(base / WEIGHTS_FILE), network=replace(layout, pretrained=False), freeze=freeze
    )


def session_split(
    recordings: Path, train_on: Sequence[str] = (), held_out: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the sessions to learn from and of those to hold out; given names stay as they are.

    Args:
        recordings: a session, or the folder of several.
        train_on: see :func:`with_recordings`.
        held_out: see :func:`with_recordings`.

    Raises:
        ConfigError: a session is on both sides, or nothing is left to learn from.
    """
    names = [folder.name for folder in find_sessions(recordings)]
    out = tuple(held_out) or (() if train_on else tuple(names[1:][-1:]))
    learn = tuple(train_on) or tuple(name for name in names if name not in out)
    both = sorted(set(learn) & set(out))
    if both:
        raise ConfigError(f"The session {both[0]!r} is to be learned from and held out; it can only be one of them.")
    if not learn:
        raise ConfigError(f"All sessions of {recordings} are held out; leave at least one to learn from.")
    return learn, out


def with_recordings(
    config: FitConfig, recordings: Path, train_on: Sequence[str] = (), held_out: Sequence[str] = ()
) -> tuple[FitConfig, list[RecordingSource]]:
    """A recipe whose sources of kind recordings are sessions of a folder, split whole into training and held-out.

    By default the newest session is held out. A single session is split in time instead, which proves less; so are
    those that are named to learn from while none is held out.

    Args:
        config: the recipe.
        recordings: a session, or the folder of several.
        train_on: names of sessions to learn from; all others than the held-out ones when empty.
        held_out: names of sessions to hold out; those in neither list are left out altogether.

    Returns:
        The recipe, and what is held out.

    Raises:
        ConfigError: a session is on both sides, or nothing is left to learn from.
    """
    learn, out = session_split(recordings, train_on, held_out)
    end = 1.0 if out else 0.8

    def pointed(source: SourceConfig) -> SourceConfig:
        if not isinstance(source, RecordingSource):
            return source
        span = (source.span[0] * end, source.span[1] * end)
        return replace(source, path=str(recordings), sessions=learn, span=span)

    report = RecordingSource(path=str(recordings), sessions=out or learn, floor=0.05)
    if not out:
        report = replace(report, span=(end, 1.0))
    pointed_config = replace(
        config, sources=tuple(map(pointed, config.sources)), held_out=tuple(map(pointed, config.held_out))
    )
    return pointed_config, [report]
