"""Recorded sessions of a user's own hand as training samples: the labels that were reviewed, each with its weight.

Sessions are split whole into training and held-out, because neighbouring frames are nearly the same picture. Within
the training sessions a span of time can be kept back too, to choose the best checkpoint by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, UInt8
from torch.utils.data import Dataset

from hand.camera import Intrinsics, project
from hand.crop import SquareCrop
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, DataError
from hand.mirror import mirror_points, mirror_pose
from hand.recording import MEASURED, SESSION_FILE, Recorded, RecordedFrame, RecordedHand
from hand.recording_reader import session_order
from hand.rotations import matrix_from_axis_angle
from hand.session_labels import SessionLabels, read_session_labels
from trainer.networks.hand_network import NetworkConfig
from trainer.recipe.sources import WRONG_SIDE_SHARE, RecordingSource
from trainer.samples.augmentation import CropJitter, jitter_colors, jittered_crop, live_jitter
from trainer.samples.labelled_crop import LabelledCrop, as_wrong_side, label_crop
from trainer.samples.right_hand_picture import right_hand_picture

ANCHOR_WEIGHT: Final = 0.5
"""Weight of the network's own 3D prediction, where a label of a single view has no depth."""

LABEL_SHARE_2D: Final = 0.5
"""Target of a joint of a single view in the picture: this share of the way from the network's prediction to the label.
Either alone is no more exact than the other, and their errors differ: on rendered sessions, over the hand's box, labels
are wrong by 0.071, 0.045 and 0.017, the network by 0.066, 0.039 and 0.017, and the middle of both by 0.057, 0.038 and
0.016 (``benchmarks.one_camera`` prints the former two)."""


@dataclass(frozen=True, slots=True, eq=False)
class HandAnchor:
    """A right hand as the network predicted it while the session was recorded.

    Attributes:
        pose_rad: 48 numbers.
        shape: 10 numbers.
        joints_m: 21 joints, camera axes.
    """

    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    joints_m: Float[np.ndarray, "21 3"]


@dataclass(frozen=True, slots=True, eq=False)
class SessionHand:
    """One labelled hand of one frame, as a right hand of the (mirrored, if left) picture.

    Attributes:
        session: name of the session's folder.
        frame: its number in the session.
        file: the picture.
        intrinsics: of the picture as the hand is seen in it.
        mirrored: the hand is a left one: mirror the picture first.
        pose_rad: 48 numbers.
        shape: 10 numbers.
        joints_m: 21 joints, camera axes.
        time_s: when the picture was taken, on the session's own clock.
        weight: how reliable the label is, above 0.
        same_model: pose and shape refer to the hand model that networks are trained on; joints always hold.
        origin: who made the label.
        anchor: the network's live prediction, which a label of a single view cannot correct in depth; None where it
            found no hand.
    """

    session: str
    frame: int
    file: Path
    intrinsics: Intrinsics
    mirrored: bool
    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    joints_m: Float[np.ndarray, "21 3"]
    time_s: float
    weight: float
    same_model: bool = True
    origin: Recorded = "truth"
    anchor: HandAnchor | None = None

    @property
    def measured(self) -> bool:
        """Whether the label has a measured depth."""
        return self.origin in MEASURED

    @property
    def joints_px(self) -> Float[np.ndarray, "21 2"]:
        """Where the joints are in the (mirrored, if left) picture."""
        return project(self.joints_m, self.intrinsics)

    def picture(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture that the labels hold for.

        Raises:
            DataError: it cannot be read.
        """
        message = f"The picture {self.file} cannot be read; reject its frame, or restore the recording."
        return right_hand_picture(self.file, self.mirrored, message)


def find_sessions(folder: Path) -> list[Path]:
    """The session in a folder, or all sessions that lie directly in it, in the order in which they were recorded.

    Raises:
        DataError: there is none.
    """
    if (folder / SESSION_FILE).is_file():
        return [folder]
    found = sorted((path.parent for path in folder.glob(f"*/{SESSION_FILE}")), key=session_order)
    if not found:
        raise DataError(f"There is no recorded session in {folder}; record one, or give the folder that holds them.")
    return found


def read_session_hands(source: RecordingSource, *, truth: bool = False) -> list[SessionHand]:
    """The labels of a source that were not rejected.

    Args:
        source: of the sessions.
        truth: take the ground truth of rendered sessions instead, of every frame.

    Raises:
        DataError: a session is missing.
        RecordingError: a session cannot be read.
        ConfigError: no label is left.
    """
    if not source.path:
        raise ConfigError("A source of kind recordings needs a path; give one in the recipe, or with --recordings.")
    folders = find_sessions(Path(source.path))
    if source.sessions:
        by_name = {folder.name: folder for folder in folders}
        missing = [name for name in source.sessions if name not in by_name]
        if missing:
            raise DataError(f"There is no session {missing[0]!r} in {source.path}; there are {', '.join(by_name)}.")
        folders = [by_name[name] for name in source.sessions]
    hands = [
        hand for folder in folders for hand in session_hands(read_session_labels(folder), source.span, truth=truth)
    ]
    reliable = [hand for hand in hands if hand.weight >= source.floor]
    if not reliable:
        names = ", ".join(folder.name for folder in folders)
        raise ConfigError(
            f"No label of {names} has a weight of at least {source.floor:g}; label these sessions first, or keep "
            "more of their frames."
        )
    return reliable


def session_hands(
    session: SessionLabels, span: tuple[float, float] = (0.0, 1.0), *, truth: bool = False
) -> list[SessionHand]:
    """What a session teaches: its labels without the rejected ones.

    Args:
        session: with labels in time order.
        span: the part of the session's time to take, from and to, as shares of the whole.
        truth: the rendered hands instead of the labels, of every frame.
    """
    recording = session.recording
    same_model = recording.info.hand_model_digest == load_embedded_model().digest
    times_ns = [frame.capture_time_ns for frame in recording.frames]
    start_ns, length_ns = (min(times_ns), max(times_ns) - min(times_ns) + 1) if times_ns else (0, 1)
    if truth:
        chosen = [(frame, hand, 1.0) for frame in recording.frames for hand in frame.hands if hand.origin == "truth"]
    else:
        chosen = [(label.frame, label.hand, label.weight) for label in session.labels if label.status != "rejected"]
    return [
        right_hand(
            hand,
            recording.info.intrinsics,
            session=recording.folder.name,
            frame=frame.index,
            file=recording.picture_path(frame),
            time_s=(frame.capture_time_ns - start_ns) / 1e9,
            weight=weight,
            same_model=same_model,
            anchor=_anchor_of(frame, hand),
        )
        for frame, hand, weight in chosen
        if weight > 0.0 and span[0] <= (frame.capture_time_ns - start_ns) / length_ns < span[1]
    ]


def right_hand(
    hand: RecordedHand,
    intrinsics: Intrinsics,
    *,
    session: str,
    frame: int,
    file: Path,
    time_s: float,
    weight: float,
    same_model: bool,
    anchor: HandAnchor | None = None,
) -> SessionHand:
    """A recorded hand as the right hand that networks see; the arguments are fields of :class:`SessionHand`."""
    left = hand.side == "left"
    return SessionHand(
        session=session,
        frame=frame,
        file=file,
        intrinsics=intrinsics.mirrored() if left else intrinsics,
        mirrored=left,
        pose_rad=mirror_pose(hand.pose_rad) if left else hand.pose_rad,
        shape=hand.shape,
        joints_m=mirror_points(hand.joints_m) if left else hand.joints_m,
        time_s=time_s,
        weight=float(weight),
        same_model=same_model,
        origin=hand.origin,
        anchor=anchor,
    )


def _anchor_of(frame: RecordedFrame, label: RecordedHand) -> HandAnchor | None:
    """The live network's hand of the same side, as a right hand."""
    seen = next((hand for hand in frame.hands if hand.origin == "network" and hand.side == label.side), None)
    if seen is None or label.origin in MEASURED:
        return None
    left = seen.side == "left"
    return HandAnchor(
        mirror_pose(seen.pose_rad) if left else seen.pose_rad,
        seen.shape,
        mirror_points(seen.joints_m) if left else seen.joints_m,
    )


def crop_session_hand(hand: SessionHand, jitter: CropJitter, rng: np.random.Generator, input_px: int) -> LabelledCrop:
    """Cuts a labelled hand out of its picture, with a tracker's errors.

    Args:
        hand: the hand.
        jitter: how large the errors are.
        rng: source of chance.
        input_px: side of the crop.
    """
    return _cut(hand, jittered_crop(hand.joints_px, jitter, rng), input_px)


def _cut(hand: SessionHand, square: SquareCrop, input_px: int) -> LabelledCrop:
    crop = label_crop(
        hand.picture(),
        square,
        hand.intrinsics,
        rotations=matrix_from_axis_angle(hand.pose_rad.astype(np.float64).reshape(16, 3)),
        shape=hand.shape,
        joints_m=hand.joints_m.astype(np.float64),
        input_px=input_px,
        weight=hand.weight,
    )
    return crop if hand.same_model else replace(crop, pose_weight=0.0, shape_weight=0.0)


def teaching_crop(hand: SessionHand, jitter: CropJitter, rng: np.random.Generator, input_px: int) -> LabelledCrop:
    """A crop to learn from: the whole label where it was measured, and of a single view's only what one picture shows.

    One view determines where joints are in the picture, that there is a hand, and its side. Bend, size and depth are
    held at the network's prediction: labels of a single view teach the labeller's errors there. In the picture, too,
    the label alone is no better than the network, unless the user set it right.

    A measured shape is given and not learned: the program holds it, and a network that learns one person's shape
    predicts it for everybody.

    Args:
        hand: the hand.
        jitter: how large a tracker's errors are.
        rng: source of chance.
        input_px: side of the crop.
    """
    square = jittered_crop(hand.joints_px, jitter, rng)
    if hand.measured:
        return replace(_cut(hand, square, input_px), shape_weight=0.0)
    picture = _cut(hand, square, input_px)
    nothing = replace(
        picture, pose_weight=0.0, shape_weight=0.0, joints_weight=np.zeros(21, np.float32), root_weight=0.0
    )
    if hand.anchor is None or not hand.same_model:
        return nothing
    held = label_crop(
        hand.picture(),
        square,
        hand.intrinsics,
        rotations=matrix_from_axis_angle(hand.anchor.pose_rad.astype(np.float64).reshape(16, 3)),
        shape=hand.anchor.shape,
        joints_m=hand.anchor.joints_m.astype(np.float64),
        input_px=input_px,
    )
    share = 1.0 if hand.origin == "corrected" else LABEL_SHARE_2D
    return replace(
        nothing,
        joints_crop=(share * picture.joints_crop + (1.0 - share) * held.joints_crop).astype(np.float32),
        rotations=held.rotations,
        shape=held.shape,
        joints_m=held.joints_m,
        pose_weight=ANCHOR_WEIGHT,
        shape_weight=ANCHOR_WEIGHT,
        joints_weight=np.full(21, ANCHOR_WEIGHT, np.float32),
    )


def depth_is_measured(source: RecordingSource) -> bool:
    """Whether all labels of a source have a measured depth.

    Raises:
        HandliveError: the source cannot be read, or nothing is left of it.
    """
    return all(hand.measured for hand in read_session_hands(source))


def measured_hand_shape(sources: Sequence[RecordingSource]) -> Float[np.ndarray, "10"] | None:
    """The person's shape as two cameras measured it; None where a label is a single view's, or none of this hand model.

    Args:
        sources: of sessions.

    Raises:
        HandliveError: a source cannot be read, or nothing is left of it.
    """
    hands = [hand for source in sources for hand in read_session_hands(source)]
    if not hands or not all(hand.origin == "two_views" and hand.same_model for hand in hands):
        return None
    return np.average([hand.shape for hand in hands], axis=0, weights=[hand.weight for hand in hands])


class RecordingCrops(Dataset[LabelledCrop]):
    """An endless stream of crops of recorded hands; crop i depends on the seed and on i alone."""

    def __init__(self, hands: Sequence[SessionHand], input_px: int, seed: int, jitter: CropJitter) -> None:
        """Keeps the labels; pictures are read on demand.

        Args:
            hands: at least one.
            input_px: side of the crops.
            seed: of choice and augmentation.
            jitter: crop errors.
        """
        self.hands = hands
        self.input_px = input_px
        self.seed = seed
        self.jitter = jitter

    def __getitem__(self, index: int) -> LabelledCrop:
        rng = np.random.default_rng((self.seed, 15485867, index))
        hand = self.hands[int(rng.integers(len(self.hands)))]
        crop = teaching_crop(hand, self.jitter, rng, self.input_px)
        crop = crop.with_image(jitter_colors(crop.image, rng))
        return as_wrong_side(crop) if rng.random() < WRONG_SIDE_SHARE else crop


def held_out_session_crops(source: RecordingSource, network: NetworkConfig, most: int, seed: int) -> list[LabelledCrop]:
    """Recorded hands for measuring during training: each once, evenly thinned out, with the errors of live crops.

    Args:
        source: of the sessions.
        network: which crops it is shown.
        most: crops in all.
        seed: of the crop errors.

    Raises:
        HandliveError: the source cannot be read, or nothing is left of it.
    """
    hands = read_session_hands(source)
    jitter = live_jitter(network.upright)
    wanted = min(len(hands), most)
    chosen = [hands[place * len(hands) // wanted] for place in range(wanted)]
    return [
        crop_session_hand(hand, jitter, np.random.default_rng((seed, number)), network.input_px)
        for number, hand in enumerate(chosen)
    ]
