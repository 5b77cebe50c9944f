"""The sources that a recipe mixes its samples from: one dataclass for each kind, with the keys that this kind has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from trainer.recipe.dataset_facts import SplitName

EMPTY_SHARE: Final = 0.06
"""Crops without a hand, for the network's presence output."""

WRONG_SIDE_SHARE: Final = 0.06
"""Crops that show the hand as a left one, for the network's side output; photographs too, or it would learn a property
of renderings instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """One stream of samples in the mixture.

    Attributes:
        kind: key of :data:`SOURCE_KINDS`.
        share: how often it is drawn from, relative to the other sources.
        features: folder of what the frozen part of the network makes of this source's crops, to learn from instead of
            the crops themselves; `python -m trainer features` fills it.
    """

    kind: str
    share: float = 1.0
    features: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSource(SourceConfig):
    """Fresh pictures of rendered hands.

    Attributes:
        backgrounds: folder of hand-free photographs to put hands in front of, made-up ones when empty.
        wide_share: how many show what webcams seldom see, any bend of any finger from any side.
        finger_share: how many stretch some fingers and fold the others, so that fingers are distinguished.
        empty_share: how many show no hand.
        adorned_share: how many people wear rings, drawings or gloves, or have skin in patches.
        gloved_share: how many wear gloves and nothing else, besides those.
        jitter_share: how many get the colours and flaws that photographs get in training.
        loose_share: how many hands lie anywhere in a square that is too large, as where hands are searched.
        corrected_readings: how many hands come with a landmark reading with smaller errors, as on photographs
            (``trainer.samples.landmark_domain_gap``); needs crops with readings: a frozen landmark network, and stored
            pictures or fresh ones.
        repeat: draw from this many pictures again and again, in ever new colours; 0 for always fresh ones.
        views: how many crops are cut out of each rendering, with a tracker's errors.
        shape: 10 shape coefficients of the one person who is shown; everybody's hands when empty.
    """

    kind: Literal["rendered"] = "rendered"
    backgrounds: str = ""
    wide_share: float = 0.0
    finger_share: float = 0.0
    empty_share: float = EMPTY_SHARE
    adorned_share: float = 0.0
    gloved_share: float = 0.0
    jitter_share: float = 0.0
    loose_share: float = 0.0
    corrected_readings: float = 0.0
    repeat: int = 0
    views: int = 1
    shape: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotographSource(SourceConfig):
    """Photographs with pseudo-labels.

    Attributes:
        path: the prediction file that labels them; of a file that both methods made, the ``fused`` hands alone.
        pictures: the folder that the file's names are relative to.
        floor: least confidence of a label.
        depth_trust: weight of the labels in 3D over that of those in 2D; MediaPipe is more accurate in the
            picture than in depth.
        masks: the folder that `python -m trainer masks` wrote about them.
        match: regular expression that a file's name must begin with, to split by person or session.
        new_background: how often a hand that has a mask is put before another background.
        new_skin: how often a hand that has a mask gets other colours than its surroundings.
        backgrounds: folder of hand-free photographs for new backgrounds, made-up ones when empty.
    """

    kind: Literal["photographs"] = "photographs"
    path: str = ""
    pictures: str = ""
    floor: float = 0.5
    depth_trust: float = 1.0
    masks: str = ""
    match: str = ""
    new_background: float = 0.0
    new_skin: float = 0.0
    backgrounds: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSource(SourceConfig):
    """Recorded sessions of the user's own hand.

    Attributes:
        path: a session, or the folder of several.
        sessions: names of the folders to take; all of them when empty.
        floor: least weight of a label.
        span: the part of each session's time to take, from and to, as shares of the whole.
    """

    kind: Literal["recordings"] = "recordings"
    path: str = ""
    sessions: tuple[str, ...] = ()
    floor: float = 0.5
    span: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSetSource(SourceConfig):
    """A published data set (docs/datasets.md).

    Attributes:
        path: the set's folder.
        split: which part; validation is held out of training, evaluation is what results are reported on.
        rotation_deg: half of the crops are turned by up to this much either way, the others by a tracker's error, which
            is never more than this; 0 for no turns.
        new_background: how often a hand that has a mask is put before another background.
        backgrounds: folder of hand-free photographs for new backgrounds, made-up ones when empty.
    """

    path: str = ""
    split: SplitName = "training"
    rotation_deg: float = 90.0
    new_background: float = 0.0
    backgrounds: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreihandSource(DataSetSource):
    """FreiHAND v2.

    Attributes:
        versions: which backgrounds; all four when empty.
    """

    kind: Literal["freihand"] = "freihand"
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ho3dSource(DataSetSource):
    """HO-3D v2 or v3."""

    kind: Literal["ho3d"] = "ho3d"


@dataclass(frozen=True, slots=True, kw_only=True)
class InterHandSource(DataSetSource):
    """InterHand2.6M."""

    kind: Literal["interhand"] = "interhand"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSource(DataSetSource):
    """A data set of any kind, packed by `python -m trainer data pack`."""

    kind: Literal["shards"] = "shards"


SOURCE_KINDS: Final[Mapping[str, type[SourceConfig]]] = MappingProxyType(
    {
        "rendered": RenderedSource,
        "photographs": PhotographSource,
        "recordings": RecordingSource,
        "freihand": FreihandSource,
        "ho3d": Ho3dSource,
        "interhand": InterHandSource,
        "shards": ShardSource,
    }
)
"""The kinds of sources by their names in recipes."""

SET_KINDS: Final = tuple(name for name, kind in SOURCE_KINDS.items() if issubclass(kind, DataSetSource))
"""Kinds of sources that are data sets."""
