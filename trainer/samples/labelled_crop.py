"""A crop with its labels in NumPy, a batch of them in PyTorch, and how one becomes the other.

Labels may be missing in part: a photograph may have only 2D joints, a data set only joints, a pseudo-label a doubt.
Every group of labels carries a weight per sample (0 = not there), so that one batch mixes all sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from hand.camera import Intrinsics, project
from hand.crop import SquareCrop, crop_picture, transform_points
from hand.crop_camera import crop_camera


@dataclass(frozen=True, slots=True, eq=False)
class HandBatch:
    """A batch of crops, all shown as right hands, and their labels in the crop camera.

    Attributes:
        image: RGB crops, or what the frozen part of a network once made of them (``trainer.features``).
        rotations: local rotation matrices of the 16 MANO joints, the first in the crop camera.
        shape: shape coefficients.
        joints_m: 21 joints relative to the wrist, crop-camera axes.
        root_m: wrist in the crop camera.
        joints_crop: 2D joints in crop coordinates (-1 to 1 from edge to edge).
        focal: half crop widths per unit slope (``hand.crop_camera.CropCamera.focal``).
        present: 1 where the crop shows a hand.
        right: 1 where that hand is a right one as shown.
        pose_weight: loss weight of ``rotations``.
        shape_weight: loss weight of ``shape``; 0 where the pose has a weight means that the shape is given: it is not
            learned, and the hand is posed with it.
        joints_weight: loss weight of each of ``joints_m``; 0 for all where the wrist they are relative to is unknown.
        root_weight: loss weight of ``root_m``.
        joints_crop_weight: loss weight of each 2D joint.
        right_weight: loss weight of ``right``.
        landmarks: crop vectors of what a landmark network read (``hand.landmark_reading``); of length 0 where a network
            reads the crops itself.
    """

    image: UInt8[Tensor, "B 3 S S"] | Float[Tensor, "B F"]
    rotations: Float[Tensor, "B 16 3 3"]
    shape: Float[Tensor, "B 10"]
    joints_m: Float[Tensor, "B 21 3"]
    root_m: Float[Tensor, "B 3"]
    joints_crop: Float[Tensor, "B 21 2"]
    focal: Float[Tensor, "B"]
    present: Float[Tensor, "B"]
    right: Float[Tensor, "B"]
    pose_weight: Float[Tensor, "B"]
    shape_weight: Float[Tensor, "B"]
    joints_weight: Float[Tensor, "B 21"]
    root_weight: Float[Tensor, "B"]
    joints_crop_weight: Float[Tensor, "B 21"]
    right_weight: Float[Tensor, "B"]
    landmarks: Float[Tensor, "B L"]

    def network_inputs(self) -> tuple[Tensor, ...]:
        """The arguments for networks: the crops or percepts, and landmarks where there are any."""
        image = self.network_input()
        return (image, self.landmarks) if self.landmarks.shape[1] else (image,)

    def network_input(self) -> Float[Tensor, "B 3 S S"] | Float[Tensor, "B F"]:
        """The crops as networks take them, channels last (convolutions on CPUs are half as fast again with that), or
        their percepts.
        """
        if self.image.dim() == 2:
            return self.image.float()
        return self.image.float().contiguous(memory_format=torch.channels_last)

    def to(self, device: torch.device) -> HandBatch:
        """The same batch on another device."""
        moved = {field.name: getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)}
        return HandBatch(**moved)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledCrop:
    """A crop shown as a right hand: the fields of :class:`HandBatch` without the batch axis."""

    image: UInt8[np.ndarray, "S S 3"] | Float[np.ndarray, "F"]
    rotations: Float[np.ndarray, "16 3 3"]
    shape: Float[np.ndarray, "10"]
    joints_m: Float[np.ndarray, "21 3"]
    root_m: Float[np.ndarray, "3"]
    joints_crop: Float[np.ndarray, "21 2"]
    focal: float
    present: float
    right: float
    pose_weight: float
    shape_weight: float
    joints_weight: Float[np.ndarray, "21"]
    root_weight: float
    joints_crop_weight: Float[np.ndarray, "21"]
    right_weight: float
    landmarks: Float[np.ndarray, "L"] = field(default_factory=lambda: np.zeros(0, np.float32))

    def with_image(self, image: UInt8[np.ndarray, "S S 3"] | Float[np.ndarray, "F"]) -> LabelledCrop:
        """The same labels with another picture of the same content."""
        return replace(self, image=image)


def label_crop(
    image_rgb: UInt8[np.ndarray, "height width 3"],
    crop: SquareCrop,
    intrinsics: Intrinsics,
    *,
    rotations: Float[np.ndarray, "16 3 3"],
    shape: Float[np.ndarray, "10"],
    joints_m: Float[np.ndarray, "21 3"],
    input_px: int,
    weight: float = 1.0,
    depth_trust: float = 1.0,
) -> LabelledCrop:
    """Cuts a right hand out of a picture and expresses its labels in the crop camera.

    Args:
        image_rgb: the picture.
        crop: the square, not flipped (mirror picture, intrinsics and labels of a left hand first).
        intrinsics: of the picture.
        rotations: local rotations of the 16 MANO joints, the first takes the rest frame to camera axes.
        shape: shape coefficients.
        joints_m: 21 joints in camera axes.
        input_px: side of the network's input.
        weight: loss weight of all labels.
        depth_trust: weight of the labels in 3D over that of those in 2D.
    """
    camera = crop_camera(crop, intrinsics)
    joints = joints_m @ camera.rotation.T
    turned = rotations.copy()
    turned[0] = camera.rotation @ rotations[0]
    pixels = transform_points(project(joints_m, intrinsics), crop.matrix(input_px))
    return LabelledCrop(
        image=crop_picture(image_rgb, crop, input_px),
        rotations=turned.astype(np.float32),
        shape=shape.astype(np.float32),
        joints_m=(joints - joints[0]).astype(np.float32),
        root_m=joints[0].astype(np.float32),
        joints_crop=crop_coordinates(pixels, input_px).astype(np.float32),
        focal=camera.focal,
        present=1.0,
        right=1.0,
        pose_weight=weight * depth_trust,
        shape_weight=weight * depth_trust,
        joints_weight=np.full(21, weight * depth_trust, np.float32),
        root_weight=weight * depth_trust,
        joints_crop_weight=np.full(21, weight, np.float32),
        right_weight=1.0,
    )


def without_hand(image_rgb: UInt8[np.ndarray, "S S 3"]) -> LabelledCrop:
    """A crop that shows no hand: nothing is known but that."""
    return LabelledCrop(
        image=image_rgb,
        rotations=np.tile(np.eye(3, dtype=np.float32), (16, 1, 1)),
        shape=np.zeros(10, np.float32),
        joints_m=np.zeros((21, 3), np.float32),
        root_m=np.array([0.0, 0.0, 1.0], np.float32),
        joints_crop=np.zeros((21, 2), np.float32),
        focal=1.0,
        present=0.0,
        right=0.0,
        pose_weight=0.0,
        shape_weight=0.0,
        joints_weight=np.zeros(21, np.float32),
        root_weight=0.0,
        joints_crop_weight=np.zeros(21, np.float32),
        right_weight=0.0,
    )


def crop_coordinates(pixels: Float[np.ndarray, "*batch 2"], input_px: int) -> Float[np.ndarray, "*batch 2"]:
    """Crop pixels (centres are integers) to crop coordinates, -1 to 1 from edge to edge."""
    return (pixels + 0.5) * (2.0 / input_px) - 1.0


def as_wrong_side(crop: LabelledCrop) -> LabelledCrop:
    """The same hand shown as one of the other side: nothing is known of it but that."""
    mirrored = without_hand(np.ascontiguousarray(crop.image[:, ::-1]))
    return replace(mirrored, present=1.0, right_weight=1.0)


def collate(crops: Sequence[LabelledCrop]) -> HandBatch:
    """Stacks crops into a batch of tensors."""
    stacked = {part.name: _stack([getattr(crop, part.name) for crop in crops]) for part in fields(LabelledCrop)}
    if stacked["image"].dim() == 4:
        stacked["image"] = stacked["image"].permute(0, 3, 1, 2).contiguous()
    return HandBatch(**stacked)


def _stack(values: list[np.ndarray | float]) -> torch.Tensor:
    array = np.stack([np.asarray(value) for value in values])
    return torch.from_numpy(array if array.dtype == np.uint8 else array.astype(np.float32))
