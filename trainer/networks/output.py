"""The outputs of every network for one crop, and the frame they are expressed in.

The crop camera
---------------
A crop from the edge of a picture shows the hand from another direction than the picture's own camera axes suggest:
the same pose at the left and at the right edge has another image. Orientation and translation are therefore expressed
in the *crop camera*, the real camera turned so that its axis passes through the centre of the crop
(``hand.crop_camera``).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class NetworkOutput(NamedTuple):
    """Predictions for a batch of crops, all of them shown as right hands.

    A named tuple, because Lightning Fabric unpacks what a network returns and refuses frozen dataclasses.

    Attributes:
        rotations: local rotation matrices of the 16 MANO joints; the first is the orientation in the crop camera.
        shape: shape coefficients.
        camera: weak perspective (scale, x, y): crop coordinate = scale * metres + offset, crop coordinates -1 to 1.
        joints_crop: 2D joints in crop coordinates, from the heat maps.
        log_sigma: log of the expected 2D error of each joint, in crop coordinates.
        heat_maps: unnormalised scores over the cells of a square grid.
        features: what the heads read, on the grid of the fine feature map; for a network that is to see the same.
        presence_logit: whether the crop shows a hand at all.
        right_logit: whether the hand shown is a right one.
        certainty: grows with the probability that the 2D joints are good; a curve that is fitted on held-out crops
            makes a confidence of it (``trainer.evaluation.confidence_calibration``).
    """

    rotations: Float[Tensor, "B 16 3 3"]
    shape: Float[Tensor, "B 10"]
    camera: Float[Tensor, "B 3"]
    joints_crop: Float[Tensor, "B 21 2"]
    log_sigma: Float[Tensor, "B 21"]
    heat_maps: Float[Tensor, "B 21 G G"]
    features: Float[Tensor, "B C g g"]
    presence_logit: Float[Tensor, "B"]
    right_logit: Float[Tensor, "B"]
    certainty: Float[Tensor, "B"]

    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(bool(torch.isfinite(value).all()) for value in self)
