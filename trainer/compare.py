"""``python -m trainer compare``: two networks side by side, on a user's recorded sessions and on unseen renderings."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from jaxtyping import Float, Int

from hand.atomic_file import write_json_atomically, write_text_atomically
from hand.embedded import load_embedded_model
from hand.errors import CheckpointError
from hand.joints import FINGERS
from hand.metrics import distances
from hand.picture_file import write_picture
from hand.torch_layer import TorchHandLayer
from inference.runtime import NetworkRuntime, load_network
from trainer.arguments import whole_number
from trainer.evaluate import OnnxNetwork
from trainer.evaluation.compare_page import comparison_page, picture_pair
from trainer.evaluation.compare_statistics import (
    Change,
    Verdict,
    blocks_of_time,
    calibration_gap,
    error_jitter_mm,
    paired_change,
)
from trainer.evaluation.confidence_calibration import GOOD_ERROR
from trainer.evaluation.held_out import REPORT_SEED, rendered_crops
from trainer.evaluation.predictions import (
    Predictions,
    confidences,
    errors_2d,
    errors_pa_mm,
    predict_crops,
    prediction_metrics,
)
from trainer.recipe.sources import RecordingSource
from trainer.samples.augmentation import CropJitter, live_jitter
from trainer.samples.labelled_crop import LabelledCrop
from trainer.samples.recordings import SessionHand, crop_session_hand, measured_hand_shape, read_session_hands

REPORT_SCHEMA: Final = 1
BLOCK_S: Final = 2.0
"""Frames of one block share their crop error, so that trembling is the network's own, and count as one measurement."""

MANY_SESSIONS: Final = 8
"""From here on whole sessions are drawn in the bootstrap, and not blocks of time."""

FORGETTING_LIMIT: Final = 0.05
"""General pictures may become this much worse before the sentence warns."""

Against = Literal["truth", "two_views", "labels"]
"""Reference of recorded sessions: a rendered session's ground truth, the triangulation of two cameras, or labels
of a single view."""

USUAL_LABEL_ERROR_MM: Final = (7.0, 15.0)
"""Aligned distance of single-view labels from the truth: rendered hands before a webcam (``benchmarks.own_hand``), and
a real hand over a desk in the view of two calibrated cameras."""

_MEASURED_AGAINST: Final = {
    "truth": "Measured against the ground truth of rendered hands.",
    "two_views": "Measured against the truth of the second camera.",
}

_FINGER_JOINTS: Final = {name: slice(1 + 4 * number, 5 + 4 * number) for number, name in enumerate(FINGERS)}
_PAIRS: Final = 6
_NEIGHBOURS_S: Final = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class SetComparison:
    """Two networks on one set of pictures.

    Attributes:
        name: of the set.
        count: pictures.
        change: of the aligned 3D error.
        change_from_wrist: of the 3D error from the wrist.
        change_2d: of the 2D error.
        before: figures of the first network.
        after: figures of the second.
        fingers: aligned error by finger, before and after, mm.
        pairs: the pictures that changed most, best change first: change in mm, before and after in one picture.
        errors_mm: aligned 3D error of each picture, before and after.
    """

    name: str
    count: int
    change: Change
    change_from_wrist: Change
    change_2d: Change
    before: Mapping[str, float]
    after: Mapping[str, float]
    fingers: Mapping[str, tuple[float, float]]
    pairs: tuple[tuple[float, np.ndarray], ...]
    errors_mm: tuple[Float[np.ndarray, " N"], ...] = ()


@dataclass(frozen=True, slots=True)
class ShapeGain:
    """What holding a person's measured shape does to the aligned 3D error on the recorded sessions.

    Attributes:
        alone: of the first network, without the shape and with it.
        with_training: from the first network without the shape to the second one with it.
    """

    alone: Change
    with_training: Change


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The whole report.

    Attributes:
        before_name: of the first network.
        after_name: of the second.
        own: on the recorded sessions.
        general: on unseen renderings.
        against: what the recorded sessions were measured against.
        shape_gain: what the measured shape of the person brings, which both networks have in ``own``; None where no
            shape was measured.
        sessions: names of the recorded sessions.
    """

    before_name: str
    after_name: str
    own: SetComparison
    general: SetComparison
    against: Against = "truth"
    shape_gain: ShapeGain | None = None
    sessions: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether it improved on the user's own hand; labels of a single view cannot prove that."""
        verdict = self.own.change.verdict
        return "no clear difference" if self.against == "labels" and verdict == "better" else verdict

    @property
    def sentence(self) -> str:
        """The report in one or two plain sentences."""
        own = self.own
        first = (
            _label_sentence(own.change, own.change_2d)
            if self.against == "labels"
            else f"{_own_sentence(own.change)} {_MEASURED_AGAINST[self.against]}"
        )
        sentences = (first, _shape_sentence(self.shape_gain), _general_sentence(self.general.change))
        return " ".join(filter(None, sentences))

    @property
    def headline(self) -> dict[str, float]:
        """The figures a list of runs shows."""
        return {
            "own_before_mm": round(self.own.change.before, 3),
            "own_after_mm": round(self.own.change.after, 3),
            "general_before_mm": round(self.general.change.before, 3),
            "general_after_mm": round(self.general.change.after, 3),
        }


def main(arguments: Sequence[str]) -> None:
    """Reads the command line, compares, writes the report.

    Raises:
        HandliveError: a network or a session cannot be used.
    """
    parser = argparse.ArgumentParser(
        prog="python -m trainer compare",
        description="Measure two exported networks on the same recorded sessions and unseen renderings, and write "
        "report.json and report.html. The page shows pictures of the sessions: keep it to yourself.",
    )
    parser.add_argument("--before", type=Path, required=True, metavar="NET", help="folder of an exported network")
    parser.add_argument("--after", type=Path, required=True, metavar="NET", help="folder of another one")
    parser.add_argument("--recordings", type=Path, required=True, metavar="DIR", help="a session, or a folder of them")
    parser.add_argument("--sessions", nargs="*", default=[], metavar="NAME", help="only these (default: all)")
    parser.add_argument(
        "--truth", action="store_true", help="measure against a rendered session's ground truth, not labels"
    )
    parser.add_argument(
        "--learned",
        nargs="*",
        default=[],
        metavar="NAME",
        help="sessions with the shape of the hand, as two cameras measured it; both networks are measured with it",
    )
    parser.add_argument("--crops", type=whole_number(1), default=500, help="unseen renderings (default: 500)")
    parser.add_argument("--out", type=Path, default=Path("reports/comparison"), help="default: reports/comparison")
    options = parser.parse_args(arguments)
    source = RecordingSource(path=str(options.recordings), sessions=tuple(options.sessions), floor=0.05)
    learned = RecordingSource(path=str(options.recordings), sessions=tuple(options.learned), floor=0.05)
    comparison = compare_networks(
        options.before,
        options.after,
        [source],
        options.crops,
        truth=options.truth,
        hand_shape=measured_hand_shape([learned]) if options.learned else None,
    )
    write_report(comparison, options.out)
    print(comparison.sentence)
    for part in (comparison.own, comparison.general):
        for key, value in part.before.items():
            print(f"{part.name:<10} {key:<20} {value:10.4f} -> {part.after[key]:10.4f}")
    print(f"The report is {options.out / 'report.html'}.")


def compare_networks(
    before: Path,
    after: Path,
    sources: Sequence[RecordingSource],
    general_crops: int,
    *,
    truth: bool = False,
    hand_shape: Float[np.ndarray, "10"] | None = None,
) -> Comparison:
    """Runs two networks over the same crops; hands are measured as the program shows them, refined on their 2D joints.

    Args:
        before: folder of an exported network.
        after: folder of another one.
        sources: recorded sessions.
        general_crops: unseen renderings.
        truth: measure against the ground truth of rendered sessions instead of their labels.
        hand_shape: of the person, as two cameras measured it in sessions that were learned from: the program shows this
            person with it, whatever the network. It is taken for the recorded sessions, and not for other hands.

    Raises:
        HandliveError: a network or a session cannot be used.
    """
    networks = [load_network(folder) for folder in (before, after)]
    size, upright = networks[0].input_px, networks[0].upright
    if networks[1].input_px != size or networks[1].upright != upright:
        raise CheckpointError(
            f"The networks see crops of {size} and {networks[1].input_px} px, turned upright or not; compare networks "
            "that see the same crops."
        )
    hands = [hand for source in sources for hand in read_session_hands(source, truth=truth)]
    names = sorted({hand.session for hand in hands})
    session = np.array([names.index(hand.session) for hand in hands])
    time_s = np.array([hand.time_s for hand in hands])
    blocks = blocks_of_time(session, time_s, BLOCK_S)
    crops = [
        _steady_crop(hand, int(block), size, live_jitter(upright)) for hand, block in zip(hands, blocks, strict=True)
    ]
    unit = session if len(names) >= MANY_SESSIONS else blocks
    own = compare_on("your hand", networks, crops, unit, blocks, time_s, hand_shape)
    shape_gain = None
    if hand_shape is not None:
        without_mm = errors_pa_mm(predict_hands(networks[0], crops, None)).mean(1)
        shape_gain = ShapeGain(*(paired_change(without_mm, errors_mm, unit) for errors_mm in own.errors_mm))
    general = rendered_crops(size, general_crops, upright=upright)
    alone = np.arange(len(general))
    return Comparison(
        str(networks[0].metadata.get("name", before.name)),
        str(networks[1].metadata.get("name", after.name)),
        own,
        compare_on("general", networks, general, alone, alone, np.zeros(len(general))),
        _against(hands),
        shape_gain,
        tuple(names),
    )


def _against(hands: Sequence[SessionHand]) -> Against:
    if not all(hand.measured for hand in hands):
        return "labels"
    return "truth" if all(hand.origin == "truth" for hand in hands) else "two_views"


def compare_on(
    name: str,
    networks: Sequence[NetworkRuntime],
    crops: list[LabelledCrop],
    unit: Int[np.ndarray, " N"],
    blocks: Int[np.ndarray, " N"],
    time_s: Float[np.ndarray, " N"],
    hand_shape: Float[np.ndarray, "10"] | None = None,
) -> SetComparison:
    """Two networks on one set of crops.

    Args:
        name: of the set.
        networks: before and after.
        crops: labelled.
        unit: independent pieces, for the bootstrap.
        blocks: stretches of neighbouring frames that were cropped alike, for jitter.
        time_s: when each picture was taken.
        hand_shape: measured shape that all hands are refined from; the networks' own when left out.
    """
    before, after = (predict_hands(network, crops, hand_shape) for network in networks)
    pa = [errors_pa_mm(part) for part in (before, after)]
    wrist = [distances(part.joints_m, part.true_joints_m).mean(1) * 1000.0 for part in (before, after)]
    flat = [errors_2d(part) for part in (before, after)]
    most = _changed_most(pa[1].mean(1) - pa[0].mean(1), blocks)
    return SetComparison(
        name=name,
        count=len(crops),
        change=paired_change(pa[0].mean(1), pa[1].mean(1), unit),
        change_from_wrist=paired_change(wrist[0], wrist[1], unit),
        change_2d=paired_change(flat[0], flat[1], unit),
        before=_all_metrics(before, networks[0], blocks, time_s),
        after=_all_metrics(after, networks[1], blocks, time_s),
        fingers={
            finger: (float(pa[0][:, joints].mean()), float(pa[1][:, joints].mean()))
            for finger, joints in _FINGER_JOINTS.items()
        },
        pairs=tuple(
            (
                float((pa[1] - pa[0])[index].mean()),
                picture_pair(
                    crops[index].image,
                    before.joints_crop[index],
                    after.joints_crop[index],
                    before.true_joints_crop[index],
                ),
            )
            for index in most
        ),
        errors_mm=(pa[0].mean(1), pa[1].mean(1)),
    )


def predict_hands(
    network: NetworkRuntime, crops: list[LabelledCrop], hand_shape: Float[np.ndarray, "10"] | None
) -> Predictions:
    """The hands that the program shows: refined on their 2D joints, from a measured shape where there is one."""
    model = load_embedded_model()
    return predict_crops(OnnxNetwork(network), TorchHandLayer(model), crops, refine_on=model, hand_shape=hand_shape)


def _changed_most(change: Float[np.ndarray, " N"], blocks: Int[np.ndarray, " N"]) -> list[int]:
    """Pictures with the best changes and those with the worst, best first, and only one of each stretch of time."""
    order = np.argsort(change).tolist()
    best: dict[int, int] = {}
    worst: dict[int, int] = {}
    for index in order:
        best.setdefault(int(blocks[index]), index)
    for index in reversed(order):
        worst.setdefault(int(blocks[index]), index)
    gains = list(best.values())[:_PAIRS]
    losses = [index for index in list(worst.values())[:_PAIRS] if index not in gains]
    return gains + losses[::-1]


def write_report(comparison: Comparison, folder: Path) -> None:
    """Writes report.json, report.html and the pictures of both."""
    content: dict[str, Any] = {
        "schema": REPORT_SCHEMA,
        "before": comparison.before_name,
        "after": comparison.after_name,
        "sentence": comparison.sentence,
        "verdict": comparison.verdict,
        "against": comparison.against,
        "sessions": list(comparison.sessions),
        "shape_gain": None if comparison.shape_gain is None else asdict(comparison.shape_gain),
    }
    for key, part in (("own", comparison.own), ("general", comparison.general)):
        pictures = []
        for number, (change, picture) in enumerate(part.pairs):
            path = folder / "pictures" / f"{key}_{number:02d}.png"
            write_picture(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            pictures.append({"file": f"pictures/{path.name}", "change_mm": round(change, 3)})
        content[key] = {
            "count": part.count,
            "changes": {
                "pa_mpjpe_mm": asdict(part.change),
                "mpjpe_mm": asdict(part.change_from_wrist),
                "epe_2d": asdict(part.change_2d),
            },
            "before": _finite(part.before),
            "after": _finite(part.after),
            "fingers_pa_mm": {name: list(values) for name, values in part.fingers.items()},
            "pictures": pictures,
        }
    write_json_atomically(folder / "report.json", content)
    write_text_atomically(folder / "report.html", comparison_page(content, folder))


def _steady_crop(hand: SessionHand, block: int, size: int, jitter: CropJitter) -> LabelledCrop:
    """A crop with the errors of live crops, and the same for all frames of a block."""
    return crop_session_hand(hand, jitter, np.random.default_rng((REPORT_SEED, block)), size)


def _all_metrics(
    part: Predictions, network: NetworkRuntime, blocks: Int[np.ndarray, " N"], time_s: Float[np.ndarray, " N"]
) -> dict[str, float]:
    good = errors_2d(part) < GOOD_ERROR
    confidence = confidences(part, network.metadata["confidence"])
    values = prediction_metrics(part)
    return {
        "pa_mpjpe_mm": values["pa_mpjpe_mm"],
        "mpjpe_mm": values["mpjpe_mm"],
        "epe_2d": values["epe_2d"],
        "good_share": float(good.mean()),
        "jitter_mm": error_jitter_mm(part.joints_m - part.true_joints_m, blocks, time_s, _NEIGHBOURS_S),
        "mean_confidence": float(confidence.mean()),
        "calibration_gap": calibration_gap(confidence, good.astype(float)),
    }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: round(value, 5) if math.isfinite(value) else None for name, value in values.items()}


def _own_sentence(change: Change) -> str:
    numbers = f"{change.before:.1f} to {change.after:.1f} mm ({_percent(change.share)})"
    sure = f"95 % sure of {_percent(change.low)} to {_percent(change.high)}"
    if change.verdict == "better":
        return f"Better on your hand: the joint error fell from {numbers}, {sure}."
    if change.verdict == "worse":
        return f"Worse on your hand: the joint error rose from {numbers}, {sure}."
    return f"No clear difference on your hand: the joint error went from {numbers}, {sure}."


def _label_sentence(change: Change, in_picture: Change) -> str:
    """The sentence for labels of a single view: labels of the same kind were learned from, errors in depth included."""
    low, high = USUAL_LABEL_ERROR_MM
    words = {
        "better": "Nearer to the labels",
        "worse": "Farther from the labels",
        "no clear difference": "About as near to the labels as before",
    }
    return (
        f"{words[change.verdict]}: {change.before:.1f} to {change.after:.1f} mm ({_percent(change.share)}), in the "
        f"picture {_percent(in_picture.share)}. The labels are from a single camera and usually lie {low:g} to "
        f"{high:g} mm from the truth, so they cannot show whether your hand is found better; a second camera can."
    )


def _shape_sentence(gain: ShapeGain | None) -> str:
    """What the measured shape brings, which needs no training and both networks have."""
    if gain is None:
        return ""
    alone, both = gain.alone, gain.with_training
    return (
        f"Before that the measured shape of your hand brought {alone.before:.1f} to {alone.after:.1f} mm "
        f"({_percent(alone.share)}), with the training {_percent(both.share)}."
    )


def _general_sentence(change: Change) -> str:
    numbers = f"{change.before:.1f} to {change.after:.1f} mm, {_percent(change.share)}"
    if change.verdict == "worse" and change.share > FORGETTING_LIMIT:
        return f"It has forgotten some of other hands ({numbers})."
    if change.verdict == "better":
        return f"Other hands got better too ({numbers})."
    return f"Other hands are about as before ({numbers})."


def _percent(share: float) -> str:
    return f"{100.0 * share:+.0f} %".replace("-", "\N{MINUS SIGN}")
