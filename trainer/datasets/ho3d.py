"""HO-3D v2 and v3 (Hampali et al., CVPR 2020, "HOnnotate").

    train.txt, evaluation.txt                   lines of SEQUENCE/FRAME
    {train,evaluation}/SEQUENCE/rgb/FRAME       .png in v2, .jpg in v3
    {train,evaluation}/SEQUENCE/meta/FRAME.pkl  camMat, handPose 48, handBeta 10, handTrans 3, handJoints3D 21 x 3

Axes are OpenGL's (y up, z backwards), joints in MANO order followed by the tips, finger poses absolute. Frames without
an annotation carry no label. In evaluation handJoints3D is the wrist alone, beside a handBoundingBox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.checked_files import float_array
from hand.errors import ModelFileError, UnsafePickleError
from hand.frame_change import OPENGL_TO_OPENCV
from hand.joints import from_mano_order
from hand.mano_pickle import allowed_pickle_from_bytes
from hand.picture_limits import decode_color
from trainer.datasets.hand_set import SetHand, SetPose, known_joints
from trainer.datasets.set_files import broken, missing, read_bytes, rendered_with
from trainer.recipe.dataset_facts import SETS, SplitName

_FACTS: Final = SETS["ho3d"]
_VALIDATION_SHARE: Final = 10


class Ho3dSet:
    """One split of HO-3D; see :class:`trainer.datasets.hand_set.HandSet`. Labels are read frame by frame."""

    facts = _FACTS

    def __init__(self, folder: Path, split: SplitName) -> None:
        """Reads the list of frames.

        Args:
            folder: holds ``train.txt`` and ``train``, or the same of evaluation.
            split: validation is a tenth of the training recordings, all cameras and frames of each, because
                neighbouring frames are nearly the same picture.

        Raises:
            DataError: a file is missing or damaged, or there is nothing to hold out.
        """
        self.folder = folder
        self.part = "evaluation" if split == "evaluation" else "train"
        path = folder / f"{self.part}.txt"
        try:
            frames = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError):
            raise missing(_FACTS, path, "the list of frames") from None
        if not frames or not all(frame.count("/") == 1 for frame in frames):
            raise broken(_FACTS, f"{path} should list frames as SEQUENCE/FRAME, it does not")
        self.frames = frames if split == "evaluation" else _frames_of_split(frames, split)
        if not self.frames:
            raise broken(_FACTS, f"{path} lists frames of one recording alone, so that none can be held out")
        if not (folder / self.part).is_dir():
            raise missing(_FACTS, folder / self.part, "the pictures and annotations")
        first = decode_color(self.picture_bytes(0))
        if first is None:
            raise broken(_FACTS, f"The picture of {self.frames[0]} is damaged: it is no picture")
        self._size_px = (first.shape[1], first.shape[0])
        self.hand_model_digest = rendered_with(folder / f"{self.part}_synthesis.json")

    def __len__(self) -> int:
        return len(self.frames)

    def hand(self, index: int) -> SetHand | None:
        """Labels of a frame, None where it has none.

        Raises:
            DataError: the annotation is missing, damaged, or not what it should be.
            UnsafePickleError: it names something that no annotation needs; nothing of it was executed.
        """
        name = self.frames[index]
        meta = self._meta(name)
        if meta.get("handJoints3D") is None or meta.get("camMat") is None:
            return None
        joints = self._numbers(meta, "handJoints3D", name)
        known = np.ones(21, bool)
        if joints.size == 3:  # evaluation gives the wrist alone
            known[1:] = False
            joints = np.tile(joints.reshape(1, 3), (21, 1))
        elif joints.shape == (21, 3):
            joints = from_mano_order(joints)
        else:
            raise self._wrong(name, "handJoints3D", "21 x 3 numbers, or 3", joints.shape)
        camera = self._numbers(meta, "camMat", name, (3, 3))
        joints, known = known_joints(OPENGL_TO_OPENCV.points(joints), known)
        box = meta.get("handBoundingBox")
        return SetHand(
            name=f"{self.part}/{name}",
            intrinsics=Intrinsics(camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2], *self._size_px),
            mirrored=False,
            joints_m=joints,
            joints_known=known,
            pose=self._pose(meta, name),
            box_px=None if box is None else np.array(box, np.float64).reshape(4),
        )

    def picture_bytes(self, index: int) -> bytes:
        """The picture's file.

        Raises:
            DataError: it is missing.
        """
        sequence, frame = self.frames[index].split("/")
        pictures = self.folder / self.part / sequence / "rgb"
        for suffix in (".jpg", ".png"):
            try:
                return (pictures / f"{frame}{suffix}").read_bytes()
            except OSError:
                continue
        raise missing(_FACTS, pictures / f"{frame}.png", "a picture, .png in v2 and .jpg in v3")

    def mask_bytes(self, index: int) -> bytes | None:
        """None: HO-3D's segmentations are of hand and object, and a download of their own."""
        return None

    def _meta(self, name: str) -> dict[str, Any]:
        sequence, frame = name.split("/")
        path = self.folder / self.part / sequence / "meta" / f"{frame}.pkl"
        data = read_bytes(_FACTS, path, "an annotation")
        try:
            return allowed_pickle_from_bytes(data, f"{self.part}/{sequence}/meta/{frame}.pkl")
        except UnsafePickleError:
            raise
        except ModelFileError:
            raise broken(_FACTS, f"{path} ({len(data)} bytes) should be an annotation and is damaged") from None

    def _pose(self, meta: dict[str, Any], name: str) -> SetPose | None:
        if any(meta.get(key) is None for key in ("handPose", "handBeta", "handTrans")):
            return None
        return SetPose(
            pose_rad=OPENGL_TO_OPENCV.pose(self._numbers(meta, "handPose", name, (48,))),
            shape=self._numbers(meta, "handBeta", name, (10,)),
            translation_m=self._numbers(meta, "handTrans", name, (3,)),
            to_camera=OPENGL_TO_OPENCV,
        )

    def _numbers(
        self, meta: dict[str, Any], key: str, name: str, shape: tuple[int, ...] | None = None
    ) -> Float[np.ndarray, "..."]:
        array = float_array(meta[key])
        if (shape is not None and array.shape != shape) or not array.size or not np.isfinite(array).all():
            wanted = "finite numbers" if shape is None else f"{' x '.join(map(str, shape))} finite numbers"
            raise self._wrong(name, key, wanted, array.shape)
        return array

    def _wrong(self, name: str, key: str, wanted: str, came: tuple[int, ...]) -> Exception:
        return broken(_FACTS, f"{key} of {self.part}/{name} should be {wanted}, got shape {came}")


def _frames_of_split(frames: list[str], split: SplitName) -> list[str]:
    """The frames of training or validation: recordings are parted, whatever their cameras (the name's last digit)."""
    recordings = sorted({_recording(frame) for frame in frames})
    if len(recordings) == 1:
        return frames if split == "training" else []
    order = np.random.default_rng(66034).permutation(len(recordings))
    held_out = {recordings[place] for place in order[: max(len(recordings) // _VALIDATION_SHARE, 1)]}
    return [frame for frame in frames if (_recording(frame) in held_out) == (split == "validation")]


def _recording(frame: str) -> str:
    return frame.split("/")[0][:-1]
