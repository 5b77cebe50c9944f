"""What is known of each data set: where it comes from, under which licence, and in which conventions it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

SplitName = Literal["training", "validation", "evaluation"]
"""Training and validation are disjoint parts of what may be learned from; evaluation is for results."""


@dataclass(frozen=True, slots=True)
class SetFacts:
    """One data set.

    Attributes:
        kind: its name in recipes and on command lines.
        title: its name in the literature.
        home: where it is to be had.
        licence: what its owners allow, in short.
        convention: how its finger poses are written, a key of ``hand.pose_space.CONVENTIONS``.
        tips: its finger tips on MANO's mesh, a key of ``hand.joints.TIP_VERTICES``; "" where tips are no vertices.
        limit_mm: distance between posed joints and labelled ones beyond which a pose is rejected: the largest if
            joints are posed, else the mean.
        joints_are_posed: the joints were made from the pose, so that a hand whose two labels disagree is left out
            at all; otherwise joints were annotated by themselves, and hold without a pose.
        one_hand: pictures show no other hand than the labelled one, so that what lies beside it is without a hand.
    """

    kind: str
    title: str
    home: str
    licence: str
    convention: str
    tips: str
    limit_mm: float
    joints_are_posed: bool
    one_hand: bool


SETS: Final[Mapping[str, SetFacts]] = MappingProxyType(
    {
        facts.kind: facts
        for facts in (
            SetFacts(
                "freihand",
                "FreiHAND v2",
                "https://lmb.informatik.uni-freiburg.de/projects/freihand/ "
                "(FreiHAND_pub_v2.zip, and FreiHAND_pub_v2_eval.zip for the evaluation split)",
                "research only, no commercial use",
                convention="freihand",
                tips="freihand",
                limit_mm=1.0,
                joints_are_posed=True,
                one_hand=True,
            ),
            SetFacts(
                "ho3d",
                "HO-3D",
                "https://github.com/shreyashampali/ho3d (HO-3D_v2 or HO-3D_v3)",
                "research only, no commercial use",
                convention="ho3d",
                tips="ho3d",
                limit_mm=1.0,
                joints_are_posed=True,
                one_hand=True,
            ),
            SetFacts(
                "interhand",
                "InterHand2.6M",
                "https://mks0601.github.io/InterHand2.6M/ (images and annotations of one release, 5 or 30 fps)",
                "CC BY-NC 4.0, no commercial use",
                convention="interhand",
                tips="",
                # MANO was fitted to annotated joints there, and misses them by some millimetres
                limit_mm=15.0,
                joints_are_posed=False,
                one_hand=False,
            ),
        )
    }
)
"""The sets that there are loaders for, by kind."""
