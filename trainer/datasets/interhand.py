"""InterHand2.6M (Moon et al., ECCV 2020), with the MANO fits of NeuralAnnot.

    annotations/SPLIT/InterHand2.6M_SPLIT_data.json               pictures and what they show, in COCO's style
    annotations/SPLIT/InterHand2.6M_SPLIT_camera.json             per capture: campos (mm), camrot, focal, princpt
    annotations/SPLIT/InterHand2.6M_SPLIT_joint_3d.json           per capture and frame: world_coord 42 x 3 (mm)
    annotations/SPLIT/InterHand2.6M_SPLIT_MANO_NeuralAnnot.json   per capture, frame and side: pose, shape, trans (m)
    images/SPLIT/...                                              SPLIT is train, val or test

The first release (v0.0) has the same files for all splits in ``annotations/all``, what people annotated alone in
``human_annot`` and what machines did in ``machine_annot``; its fits are called ``..._MANO.json``. They are read where
the newer ones are not; a fit that does not give the joints beside it is not learned (``trainer.datasets.pose_fit``).

Joints and MANO are in a world frame; in each camera's axes a point x is R (x - campos). Right hands are joints 0 to 20,
left ones 21 to 41; within a hand the fingers come thumb to little finger, *from the tip to the base*, and the wrist is
last. Finger poses are relative to the mean pose. A picture of two hands gives two samples; left hands are mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped

from hand.camera import Intrinsics
from hand.frame_change import FrameChange
from hand.mirror import Side, mirror_points
from trainer.datasets.hand_set import SetHand, SetPose, known_joints
from trainer.datasets.interhand_labels import ByFrame, Pictures, fits_by_frame, hands_of, joints_by_frame
from trainer.datasets.set_files import broken, missing, read_bytes, read_json, rendered_with
from trainer.recipe.dataset_facts import SETS, SplitName

PARTS: Final = {"training": "train", "validation": "val", "evaluation": "test"}
"""The set's own names of the splits."""

OLDER_FOLDERS: Final = ("all", "machine_annot", "human_annot")
"""Where the first release has the annotations of a split, beside the split's own folder of later ones."""

FITS: Final = ("MANO_NeuralAnnot", "MANO")
"""Names that the file of MANO fits has had, the present one first."""

TO_COMMON: Final = (20, *(4 * finger + 3 - joint for finger in range(5) for joint in range(4)))
"""Index into the 21 joints of one hand, as this set orders them, for each joint of the common order."""

_FACTS: Final = SETS["interhand"]
_MILLIMETRES: Final = 1000.0


class InterHandSet:
    """One split of InterHand2.6M; see :class:`trainer.datasets.hand_set.HandSet`."""

    facts = _FACTS

    def __init__(self, folder: Path, split: SplitName) -> None:
        """Reads the annotations, some gigabytes of the real training split, one file after the other, and keeps arrays.

        Pictures are read on demand.

        Args:
            folder: holds ``annotations`` and ``images``.
            split: which part, as the set's owners parted it.

        Raises:
            DataError: a file is missing or not what it should be.
        """
        self.folder = folder
        self.part = PARTS[split]
        self._annotation_folder = annotation_folder(folder, split) or folder / "annotations" / self.part
        self._read_hands()
        self._cameras = self._annotation("camera", "cameras")
        self._joints = self._by_frame("joint_3d", "joints", joints_by_frame)
        # the fits are a download of their own; joints are annotated without them
        fits = next((name for name in FITS if self._path(name).exists()), "")
        self._mano = self._by_frame(fits, "MANO fits", fits_by_frame) if fits else fits_by_frame({})
        if not (folder / "images" / self.part).is_dir():
            raise missing(_FACTS, folder / "images" / self.part, "the pictures")
        self.hand_model_digest = rendered_with(folder / f"{self.part}_synthesis.json")

    def _read_hands(self) -> None:
        data = self._annotation("data", "pictures and hand types")
        try:
            self._pictures = Pictures(data["images"])
            self.hands, self._wrong_hands = hands_of(data["annotations"])
            unknown = self._pictures.first_unknown(self.hands["image"])
        except (KeyError, TypeError, ValueError) as problem:
            raise self._wrong("data", f"an entry lacks {problem}") from None
        if unknown is not None or not len(self.hands):
            raise self._wrong("data", "it annotates no hand" if unknown is None else f"there is no image {unknown}")

    def _by_frame(self, name: str, meaning: str, table: Callable[[Mapping[str, Any]], ByFrame]) -> ByFrame:
        try:
            return table(self._annotation(name, meaning))
        except AttributeError as problem:
            raise self._wrong(name, f"an entry is of the wrong kind ({problem})") from None

    def __len__(self) -> int:
        return len(self.hands)

    def hand(self, index: int) -> SetHand | None:
        """Labels of a hand, None where no two of its joints are annotated.

        Raises:
            DataError: its frame or camera is not annotated, or not as it should be.
        """
        number, side = int(self.hands["image"][index]), self._side(index)
        capture, camera, frame = self._pictures.place(number)
        name = f"{self.part}/{self._pictures.file_name(number)} ({side})"
        try:
            cameras, entry = self._cameras[capture], self._joints[capture, frame]
            rotation = np.array(cameras["camrot"][camera], np.float64).reshape(3, 3)
            position_m = np.array(cameras["campos"][camera], np.float64).reshape(3) / _MILLIMETRES
            focal, centre = (np.array(cameras[key][camera], np.float64).reshape(2) for key in ("focal", "princpt"))
            if index in self._wrong_hands:
                raise ValueError(self._wrong_hands[index])
        except (KeyError, TypeError, ValueError) as problem:
            raise broken(_FACTS, f"The annotation of {name} is incomplete or of the wrong shape ({problem})") from None
        to_camera = FrameChange(rotation, -rotation @ position_m)
        world_m = entry["world_coord"] / _MILLIMETRES
        valid = entry["joint_valid"] & self.hands["joint_valid"][index].reshape(2, 21)
        which = 0 if side == "right" else 1
        order = list(TO_COMMON)
        joints, known = known_joints(to_camera.points(world_m[which, order]), valid[which, order])
        if known.sum() < 2:
            return None
        width, height = self._pictures.size_px(number)
        intrinsics = Intrinsics(focal[0], focal[1], centre[0], centre[1], width, height)
        pose = self._pose(capture, frame, side, to_camera, name)
        if side == "right":
            return SetHand(name, intrinsics, False, joints, known, pose)
        mirrored = None if pose is None else pose.mirrored()
        return SetHand(name, intrinsics.mirrored(), True, mirror_points(joints), known, mirrored)

    def picture_bytes(self, index: int) -> bytes:
        """The picture's file.

        Raises:
            DataError: it is missing.
        """
        name = self._pictures.file_name(int(self.hands["image"][index]))
        path = self.folder / "images" / self.part / name
        return read_bytes(_FACTS, path, "a picture")

    def mask_bytes(self, index: int) -> bytes | None:
        """None: the set has no masks."""
        return None

    def _pose(self, capture: str, frame: str, side: Side, to_camera: FrameChange, name: str) -> SetPose | None:
        if (capture, frame, side) not in self._mano:
            return None
        try:
            fit = self._mano[capture, frame, side]
        except (KeyError, TypeError, ValueError) as problem:
            raise broken(_FACTS, f"The MANO fit of {name} is incomplete or of the wrong shape ({problem})") from None
        return SetPose(to_camera.pose(fit["pose"]), fit["shape"].copy(), fit["trans"].copy(), to_camera)

    def _side(self, index: int) -> Side:
        return "right" if self.hands["side"][index] == "right" else "left"

    def _annotation(self, name: str, meaning: str) -> dict[str, Any]:
        content = read_json(_FACTS, self._path(name), meaning)
        if not isinstance(content, dict):
            raise self._wrong(name, f"it holds a {type(content).__name__}")
        return content

    def _path(self, name: str) -> Path:
        return self._annotation_folder / _file_name(self.part, name)

    def _wrong(self, name: str, why: str) -> Exception:
        return broken(_FACTS, f"{self._path(name)} is not what it should be: {why}")


def annotation_folder(folder: Path, split: SplitName) -> Path | None:
    """Where a split's annotations are, of whichever release; None where there are none.

    Args:
        folder: of the set.
        split: which part.
    """
    part = PARTS[split]
    places = [folder / "annotations" / name for name in (part, *OLDER_FOLDERS)]
    with_pictures = (place for place in places if (place / _file_name(part, "data")).is_file())
    return next(with_pictures, places[0] if places[0].is_dir() else None)


def _file_name(part: str, name: str) -> str:
    return f"InterHand2.6M_{part}_{name}.json"


def in_set_order(joints: Shaped[np.ndarray, "21 ..."]) -> Shaped[np.ndarray, "21 ..."]:
    """What there is of each joint of one hand, from the common order to this set's."""
    ordered = np.empty_like(joints)
    ordered[list(TO_COMMON)] = joints
    return ordered
