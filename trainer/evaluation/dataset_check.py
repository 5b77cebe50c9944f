"""Checks a data set before training: counts, broken pictures, and whether labels agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from hand.errors import DataError
from hand.metrics import distances
from trainer.datasets.freihand import FreihandSet
from trainer.datasets.hand_set import HandSet, SetHand, picture_of
from trainer.datasets.pose_fit import FittedPose, PoseFitter, poses_against_joints
from trainer.recipe.dataset_facts import SplitName

_NAMED = 3
"""Offenders that are named; the report's file has them all."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckedHand:
    """One hand that was looked at.

    Attributes:
        number: in the set.
        hand: its labels.
        fitted: its pose on its joints, None where it has none or the hand model is another.
        broken: what is wrong with its picture, "" for nothing.
        inside: share of its known joints that lie in the picture.
        vertices_mm: mean distance of the posed vertices from labelled ones, NaN where there are none.
        labelled_vertices_m: those, camera axes.
    """

    number: int
    hand: SetHand
    fitted: FittedPose | None
    broken: str
    inside: float
    vertices_mm: float
    labelled_vertices_m: Float[np.ndarray, "V 3"] | None


@dataclass(frozen=True, slots=True, eq=False)
class SetReport:
    """Findings about one split.

    Attributes:
        title: of set and split.
        count: hands of the split.
        unannotated: how many of the checked ones carry no annotation.
        limit_mm: beyond which a pose is rejected.
        hands: those that were checked and have a readable annotation.
        broken_annotations: what is wrong with those of the others.
        refusal: why training would refuse the split, a sentence or several; empty where it would not.
    """

    title: str
    count: int
    unannotated: int
    limit_mm: float
    hands: tuple[CheckedHand, ...]
    broken_annotations: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def broken(self) -> list[CheckedHand]:
        """Hands with a picture that cannot be used."""
        return [checked for checked in self.hands if checked.broken]

    @property
    def beyond_limit(self) -> list[CheckedHand]:
        """Hands with a pose that misses their joints by more than the limit."""
        return [each for each in self.hands if each.fitted is not None and each.fitted.residual_mm > self.limit_mm]

    @property
    def looked_at(self) -> int:
        """How many hands were looked at."""
        return len(self.hands) + self.unannotated + len(self.broken_annotations)

    def verdict(self) -> str:
        """The last word on the split, for people."""
        if self.refusal:
            return f"Verdict on {self.title}: training would refuse it. {self.refusal}"
        return f"Verdict on {self.title}: it can be used."

    def lines(self) -> list[str]:
        """The report for people, without the verdict."""
        broken = len(self.broken_annotations)
        words = [
            f"{self.title}: {self.count} hands, {self.looked_at} looked at",
            f"  annotations   {len(self.hands)} with, {self.unannotated} without"
            + (f", {broken} broken" if broken else ""),
            f"  pictures      {len(self.hands) - len(self.broken)} can be read, {len(self.broken)} cannot"
            + _named(self.broken),
        ]
        words += [f"                {checked.broken}" for checked in self.broken[:_NAMED]]
        if self.hands:
            inside = np.mean([checked.inside for checked in self.hands])
            words.append(f"  joints        {inside:.1%} lie inside their pictures")
        fitted = [checked.fitted for checked in self.hands if checked.fitted is not None]
        if not fitted:
            words.append("  poses         none that this hand model can be held against")
            return words
        residuals = np.array([each.residual_mm for each in fitted])
        words.append(
            f"  pose - joints median {np.median(residuals):.3f} mm, worst {residuals.max():.3f} mm; "
            f"{len(self.beyond_limit)} of {len(fitted)} beyond {self.limit_mm:g} mm" + _named(self.beyond_limit)
        )
        turns = np.degrees([each.turn_rad for each in fitted])
        words.append(f"  axes          turned by {np.median(turns):.3f} degrees (median), {turns.max():.3f} at most")
        unmoved = np.array([each.unmoved_mm for each in fitted])
        if np.isfinite(unmoved).any():
            words.append(f"  translation   misses the joints by {np.nanmedian(unmoved):.3f} mm (median)")
        vertices = np.array([checked.vertices_mm for checked in self.hands])
        if np.isfinite(vertices).any():
            words.append(
                f"  vertices      median {np.nanmedian(vertices):.3f} mm, worst {np.nanmax(vertices):.3f} mm from posed"
            )
        return words

    def as_json(self) -> dict[str, Any]:
        fitted = [(checked.hand.name, checked.fitted) for checked in self.hands if checked.fitted is not None]
        return {
            "count": self.count,
            "looked_at": self.looked_at,
            "unannotated": self.unannotated,
            "broken_annotations": list(self.broken_annotations),
            "broken_pictures": {checked.hand.name: checked.broken for checked in self.broken},
            "residual_mm": {name: round(each.residual_mm, 4) for name, each in fitted},
            "beyond_limit": [checked.hand.name for checked in self.beyond_limit],
            "limit_mm": self.limit_mm,
            "refusal": self.refusal,
        }


def check_set(
    hands: HandSet,
    fitter: PoseFitter | None,
    split: SplitName,
    most: int,
    tick: Callable[[], object] = lambda: None,
) -> SetReport:
    """Checks the hands of a split as training does, and whether it would be refused.

    Args:
        hands: the split.
        fitter: poses its hands; None when its poses are of another hand model.
        split: which it is. Training needs a hand with labels that agree, validation one with all its joints;
            owners keep the joints of an evaluation back.
        most: evenly spread out over the split; 0 for all.
        tick: called after each hand.
    """
    wanted = len(hands) if most <= 0 else min(most, len(hands))
    numbers = [place * len(hands) // wanted for place in range(wanted)]
    vertices = hands.labelled_vertices(numbers) if isinstance(hands, FreihandSet) else {}
    checked: list[CheckedHand] = []
    broken: list[str] = []
    unannotated = 0
    usable = False
    for number in numbers:
        try:
            hand = hands.hand(number)
        except DataError as problem:
            broken.append(str(problem))
        else:
            if hand is None:
                unannotated += 1
            else:
                checked.append(_check_hand(hands, fitter, number, hand, vertices.get(number)))
                consistent = fitter is None or fitter.check(hand)[0]
                usable |= split == "evaluation" or (
                    consistent and (split == "training" or bool(hand.joints_known.all()))
                )
        tick()
    title = f"{hands.facts.title}, {split}"
    report = SetReport(title, len(hands), unannotated, hands.facts.limit_mm, tuple(checked), tuple(broken))
    refusal = _refusal(report, "" if broken or fitter is None else poses_against_joints(hands, fitter), usable=usable)
    return replace(report, refusal=refusal)


def _refusal(report: SetReport, disagreement: str, *, usable: bool) -> str:
    """Why training would refuse a split: everything that a user has to mend."""
    reasons = []
    if report.broken_annotations:
        reasons.append(f"{len(report.broken_annotations)} hands are not annotated as they should be; the first: ")
        reasons[-1] += report.broken_annotations[0]
    if report.broken:
        first = report.broken[0].hand.name
        reasons.append(f"{len(report.broken)} pictures cannot be used, the first is that of {first}; copy them again.")
    if disagreement:
        reasons.append(disagreement)
    elif not usable and not reasons:
        reasons.append(f"None of the {report.looked_at} hands that were looked at can be used.")
    return " ".join(reasons)


def _check_hand(
    hands: HandSet,
    fitter: PoseFitter | None,
    number: int,
    hand: SetHand,
    labelled_m: Float[np.ndarray, "V 3"] | None,
) -> CheckedHand:
    broken = ""
    try:
        picture_of(hands, number, hand)
    except DataError as problem:
        broken = str(problem)
    fitted = None
    if fitter is not None and hand.pose is not None and hand.joints_known.sum() >= 3:
        fitted = fitter.fit(hand, hand.pose)
    vertices_mm = float("nan")
    if fitted is not None and labelled_m is not None and len(labelled_m) == len(fitted.vertices_m):
        vertices_mm = float(distances(fitted.vertices_m, labelled_m).mean() * 1000.0)
    x, y = hand.outline_px.T
    inside = (x > -0.5) & (x < hand.intrinsics.width_px - 0.5) & (y > -0.5) & (y < hand.intrinsics.height_px - 0.5)
    return CheckedHand(number, hand, fitted, broken, float(inside.mean()), vertices_mm, labelled_m)


def _named(hands: list[CheckedHand]) -> str:
    """The first few by name."""
    if not hands:
        return ""
    others = f" and {len(hands) - _NAMED} others" if len(hands) > _NAMED else ""
    return f": {', '.join(checked.hand.name for checked in hands[:_NAMED])}{others}"
