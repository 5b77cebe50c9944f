"""What the training loop eats: crops with whatever labels each of them has.

Labels may be missing in part: a photograph may have only 2D joints, a data set only joints, a pseudo-label a doubt.
Every group of labels carries a weight per sample (0 = not there), so that one batch mixes all sources.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


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
        pose_weight: trust in ``rotations``.
        shape_weight: trust in ``shape``.
        joints_weight: trust in each of ``joints_m``; 0 for all of them where the wrist they are relative to is unknown.
        root_weight: trust in ``root_m``.
        joints_crop_weight: trust in each 2D joint.
        right_weight: trust in ``right``.
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
        """What networks are called with: the crops or percepts, and landmarks where they come along."""
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
