"""Labelled crops of the embedded hand on a flat ground, quick to make: enough to test the trainer's own workings."""

from __future__ import annotations

import cv2
import numpy as np
from torch.utils.data import Dataset

from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.joints import BONES
from hand.layer import HandLayer
from hand.rotations import matrix_from_axis_angle
from trainer.labelled_crop import LabelledCrop, label_crop

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


class StickHands(Dataset[LabelledCrop]):
    """An endless stream of stick hands."""

    def __getitem__(self, index: int) -> LabelledCrop:
        return stick_hand(index % 16)
