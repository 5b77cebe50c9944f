"""Labelled crops of the embedded hand on a plain background, quick to make, for tests of the training code."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.joints import BONES
from hand.layer import HandLayer
from hand.mirror import mirror_pose
from hand.rotations import matrix_from_axis_angle
from hand.torch_layer import TorchHandLayer
from trainer.recipe.sources import PhotographSource
from trainer.samples.labelled_crop import LabelledCrop, collate, label_crop

CAMERA = Intrinsics.from_fov(160, 120)


def stick_hand(index: int, input_px: int = 64) -> LabelledCrop:
    """Hand number ``index``, drawn as a skeleton, with its true labels."""
    rng = np.random.default_rng(index)
    pose = rng.normal(0.0, 0.25, 48)
    pose[:3] = rng.normal((np.pi / 2, 0.0, 0.0), 0.6)
    geometry = HandLayer(load_embedded_model(), np.float64)(pose, np.zeros(10), np.array([-0.1, 0.0, 0.5]))
    pixels = project(geometry.joints_m, CAMERA)
    picture = np.full((120, 160, 3), 60, np.uint8)
    for number, (start, end) in enumerate(BONES):
        color = (40 + 10 * number, 230 - 8 * number, 120)
        cv2.line(
            picture, pixels[start].round().astype(int).tolist(), pixels[end].round().astype(int).tolist(), color, 2
        )
    return label_crop(
        picture,
        crop_around(pixels, 1.5),
        CAMERA,
        rotations=matrix_from_axis_angle(pose.reshape(16, 3)),
        shape=np.zeros(10),
        joints_m=geometry.joints_m,
        input_px=input_px,
    )


def joints_as_posed(crop: LabelledCrop) -> np.ndarray:
    """The joints of a crop's pose, not its 2D labels, projected through the crop camera."""
    batch = collate([crop])
    posed = TorchHandLayer(load_embedded_model())(batch.rotations, batch.shape).joints_m[0].numpy()
    points = posed - posed[:1] + crop.root_m
    return np.asarray(crop.focal * points[:, :2] / points[:, 2:])


class StickHands(Dataset[LabelledCrop]):
    """An endless stream of stick hands."""

    def __getitem__(self, index: int) -> LabelledCrop:
        return stick_hand(index % 16)


def shown_right(stream: Dataset[LabelledCrop], count: int) -> dict[int, LabelledCrop]:
    """The first crops of a stream that show a right hand, the only ones with labels, by their places."""
    crops = ((place, stream[place]) for place in itertools.count())
    return dict(itertools.islice(((place, crop) for place, crop in crops if crop.right == 1.0), count))


def write_left_hand(folder: Path) -> np.ndarray:
    """A picture with a dot on each joint of a left hand, and its prediction file; returns the joints in the picture."""
    rng = np.random.default_rng(2)
    right = rng.normal(0.0, 0.2, 48) + np.concatenate([[1.2, 1.2, 1.2], np.zeros(45)])
    geometry = HandLayer(load_embedded_model("left"), np.float64)(
        mirror_pose(right), np.zeros(10), np.array([0.1, 0, 0.5])
    )
    camera = Intrinsics.from_fov(320, 240)
    pixels = project(geometry.joints_m, camera)
    picture = np.zeros((240, 320, 3), np.uint8)
    for x, y in pixels.round().astype(int).tolist():
        cv2.circle(picture, (x, y), 2, (255, 255, 255), -1)
    cv2.imwrite(str(folder / "hand.png"), picture)
    hand = {
        "method": "ik",
        "side": "left",
        "confidence": 0.9,
        "joints_px": pixels.tolist(),
        "joints_m": geometry.joints_m.tolist(),
        "pose_rad": mirror_pose(right).tolist(),
        "shape": [0.0] * 10,
    }
    image = {"file": "hand.png", "width": 320, "height": 240, "hands": [hand, hand | {"confidence": 0.2}]}
    (folder / "pred.json").write_text(json.dumps({"schema": 1, "hand_model": "embedded", "images": [image]}))
    return pixels


def photographs_in(folder: Path, match: str = "") -> PhotographSource:
    return PhotographSource(share=3.0, path=str(folder / "pred.json"), pictures=str(folder), match=match)
