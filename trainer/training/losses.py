"""What the networks are taught by: named terms with named weights, over whatever labels a sample has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand.errors import ConfigError
from hand.torch_layer import TorchHandLayer
from trainer.evaluation.confidence_calibration import GOOD_ERROR
from trainer.networks.output import NetworkOutput
from trainer.samples.labelled_crop import HandBatch

DEFAULT_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "rotations": 1.0,
        "global_rotation": 1.0,
        "shape": 0.02,
        "shape_regularisation": 0.002,
        "joints": 20.0,
        "joints_in_hand": 30.0,
        "vertices": 0.0,
        "reprojection": 1.0,
        "heat_map": 0.3,
        "joints_2d": 0.3,
        "camera": 1.0,
        "presence": 0.2,
        "right": 0.1,
        "imitation": 3.0,
        "certainty": 0.0,
    }
)
"""Weights that bring the terms to the same size after the first few thousand samples."""


FLAT_REPROJECTION: Final = 0.3
"""Weight of the reprojection where 3D labels have no weight: such pictures are often stretched, and a hand that is to
lie on one of them has to be tilted."""


@dataclass(frozen=True, slots=True)
class LossTerms:
    """The sum that is minimised, and what it is made of.

    Attributes:
        total: weighted sum, to call ``backward`` on.
        terms: each term before weighting, for the log.
    """

    total: Float[Tensor, ""]
    terms: Mapping[str, float] = field(default_factory=dict)


Loss = Callable[[NetworkOutput, HandBatch], LossTerms]
"""Compares a prediction with the labels of its batch."""


class WeightedSum(NamedTuple):
    """A mean over those who carry a label, before it is divided by how much of it they carry."""

    value: Float[Tensor, ""]
    weight: Float[Tensor, ""]


AllReduceMean = Callable[[Float[Tensor, " T"]], Float[Tensor, " T"]]
"""Takes numbers of this process to their means over all that share a batch, as
``trainer.training.distributed.averaged`` does.

How many hands carry a label differs from process to process. If each divided by its own number, a label would count
for more where there are few of them, and two processes would learn something else than one.
"""


def identity(numbers: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
    """The means over the processes where there is one."""
    return numbers


def all_weights(differences: Mapping[str, float]) -> dict[str, float]:
    """The weights of all terms.

    Args:
        differences: from :data:`DEFAULT_WEIGHTS`.

    Raises:
        ConfigError: there is no such term.
    """
    unknown = sorted(set(differences) - set(DEFAULT_WEIGHTS))
    if unknown:
        raise ConfigError(f"loss_weights: there is no term {unknown[0]!r}; the terms are {', '.join(DEFAULT_WEIGHTS)}.")
    return dict(DEFAULT_WEIGHTS) | dict(differences)


class SimpleManoLoss(nn.Module):
    """Parameters only: rotation matrices and shape, with no hand posed. Fast, and blind to how joints add up."""

    def __init__(
        self, weights: Mapping[str, float] = DEFAULT_WEIGHTS, all_reduce_mean: AllReduceMean = identity
    ) -> None:
        super().__init__()
        self.weights = all_weights(weights)
        self.all_reduce_mean = all_reduce_mean

    def forward(self, output: NetworkOutput, batch: HandBatch) -> LossTerms:
        """The weighted sum over the batch."""
        return _weighted(parameter_terms(output, batch) | crop_terms(output, batch), self.weights, self.all_reduce_mean)


class ManoLoss(nn.Module):
    """Parameters, posed joints (and vertices, if weighted), their reprojection, heat maps, and the crop's own facts."""

    def __init__(
        self,
        layer: TorchHandLayer,
        weights: Mapping[str, float] = DEFAULT_WEIGHTS,
        all_reduce_mean: AllReduceMean = identity,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.weights = all_weights(weights)
        self.all_reduce_mean = all_reduce_mean

    def forward(self, output: NetworkOutput, batch: HandBatch) -> LossTerms:
        """The weighted sum over the batch."""
        terms = parameter_terms(output, batch) | crop_terms(output, batch)
        # a shape that is known and not to be learned is the hand's, whatever the network predicts
        given = (batch.shape_weight <= 0.0) & (batch.pose_weight > 0.0)
        posed = self.layer(output.rotations, torch.where(given[:, None], batch.shape, output.shape))
        joints = posed.joints_m - posed.joints_m[:, :1]
        terms["joints"] = _mean((joints - batch.joints_m).abs().mean(2), batch.joints_weight)
        # without the global rotation's share, which otherwise drowns that of the fingers
        curled = joints @ output.rotations[:, 0] - batch.joints_m @ batch.rotations[:, 0]
        terms["joints_in_hand"] = _mean(curled.abs().mean(2), batch.pose_weight[:, None] * batch.joints_weight)
        if self.weights["vertices"] > 0.0:
            with torch.no_grad():
                true = self.layer(batch.rotations, batch.shape)
            difference = (posed.vertices_m - posed.joints_m[:, :1]) - (true.vertices_m - true.joints_m[:, :1])
            terms["vertices"] = _mean(difference.abs().mean((1, 2)), batch.pose_weight * batch.shape_weight)
        terms |= camera_terms(output, batch, joints)
        return _weighted(terms, self.weights, self.all_reduce_mean)


def parameter_terms(output: NetworkOutput, batch: HandBatch) -> dict[str, WeightedSum]:
    """Squared differences of rotation matrices, of shape, and the shape's own size."""
    rotations = (output.rotations - batch.rotations).square().sum((2, 3))
    return {
        "rotations": _mean(rotations[:, 1:].mean(1), batch.pose_weight),
        "global_rotation": _mean(rotations[:, 0], batch.pose_weight),
        "shape": _mean((output.shape - batch.shape).square().mean(1), batch.shape_weight),
        "shape_regularisation": _mean(output.shape.square().mean(1), batch.present),
    }


def crop_terms(output: NetworkOutput, batch: HandBatch) -> dict[str, WeightedSum]:
    """What can be read off the crop itself: heat maps, 2D joints with their doubt, presence, side."""
    error = (output.joints_crop - batch.joints_crop).abs().sum(-1)
    # Laplace likelihood: |error| / sigma + log sigma, so sigma learns the size of the error (Kendall and Gal 2017)
    likelihood = error * torch.exp(-output.log_sigma) + output.log_sigma
    bce = functional.binary_cross_entropy_with_logits
    return (
        _heat_map_terms(output, batch)
        | _certainty_term(output, batch)
        | {
            "joints_2d": _mean(likelihood, batch.joints_crop_weight),
            "presence": _mean(
                bce(output.presence_logit, batch.present, reduction="none"), torch.ones_like(batch.present)
            ),
            "right": _mean(bce(output.right_logit, batch.right, reduction="none"), batch.right_weight),
        }
    )


WRONG_WEIGHT: Final = 8.0
"""How much more a hand with wrong joints counts for the certainty: few are wrong, and they are what it is for."""


def _certainty_term(output: NetworkOutput, batch: HandBatch) -> dict[str, WeightedSum]:
    """Loss of the certainty as a classifier of good joints; what is good follows from the labels and the joints as they
    are at the time.
    """
    with torch.no_grad():
        extent = (batch.joints_crop.amax(1) - batch.joints_crop.amin(1)).amax(1).clamp(min=0.05)
        error = (output.joints_crop - batch.joints_crop).square().sum(2).sqrt().mean(1) / extent
        good = (error < GOOD_ERROR).float()
        weight = batch.joints_crop_weight.mean(1) * torch.where(good > 0.0, 1.0, WRONG_WEIGHT)
    loss = functional.binary_cross_entropy_with_logits(output.certainty, good, reduction="none")
    return {"certainty": _mean(loss, weight)}


def _heat_map_terms(output: NetworkOutput, batch: HandBatch) -> dict[str, WeightedSum]:
    """How much of each heat map lies where its joint is; nothing where a network answered without making any."""
    grid = output.heat_maps.shape[-1]
    if grid == 0:
        return {}
    seen = batch.joints_crop_weight * (batch.joints_crop.abs().amax(-1) < 1.0)
    target = gaussian_heat_maps(batch.joints_crop, grid)
    cross_entropy = -(target * output.heat_maps.flatten(2).log_softmax(-1)).sum(-1)
    return {"heat_map": _mean(cross_entropy, seen)}


def camera_terms(output: NetworkOutput, batch: HandBatch, joints_m: Float[Tensor, "B 21 3"]) -> dict[str, WeightedSum]:
    """Where the posed hand stands: the weak-perspective camera itself, and where its joints fall in the crop."""
    scale, offset = output.camera[:, :1], output.camera[:, 1:]
    depth = batch.focal[:, None] / scale
    root = torch.cat([offset / scale, depth], 1)
    points = joints_m + root[:, None]
    projected = batch.focal[:, None, None] * points[..., :2] / points[..., 2:].clamp(min=0.05)
    # the crop camera's axis passes through the crop's centre, the picture's own camera's does not: off the optical axis
    # the two images of a hand differ by some percent, so that a 3D label is compared with its own image where there is
    # one
    true_points = batch.joints_m + batch.root_m[:, None]
    true_image = batch.focal[:, None, None] * true_points[..., :2] / true_points[..., 2:].clamp(min=0.05)
    in_3d = batch.root_weight[:, None] * batch.joints_weight > 0.0
    target = torch.where(in_3d[..., None], true_image, batch.joints_crop)
    reprojection = (projected - target).abs().sum(-1).clamp(max=2.0)
    in_perspective = torch.where(batch.root_weight > 0.0, 1.0, FLAT_REPROJECTION)
    true_scale = batch.focal / batch.root_m[:, 2].clamp(min=0.05)
    return {
        "reprojection": _mean(reprojection, batch.joints_crop_weight * in_perspective[:, None]),
        "camera": _mean((torch.log(scale[:, 0]) - torch.log(true_scale)).abs(), batch.root_weight),
    }


def gaussian_heat_maps(joints_crop: Float[Tensor, "B 21 2"], grid: int) -> Float[Tensor, "B 21 GG"]:
    """Target distributions over the cells of a grid, each summing to 1; the deviation is one cell."""
    centres = torch.linspace(-1 + 1 / grid, 1 - 1 / grid, grid, device=joints_crop.device, dtype=joints_crop.dtype)
    sigma = 2.0 / grid
    weight_x = torch.exp(-0.5 * ((joints_crop[..., :1] - centres) / sigma).square())
    weight_y = torch.exp(-0.5 * ((joints_crop[..., 1:] - centres) / sigma).square())
    maps = (weight_y[..., :, None] * weight_x[..., None, :]).flatten(2)
    return maps / maps.sum(-1, keepdim=True).clamp(min=1e-9)


def _mean(values: Tensor, weights: Tensor) -> WeightedSum:
    """Weighted mean, left undivided because other processes may carry the label too."""
    return WeightedSum((values * weights).sum(), weights.sum())


def _weighted(
    terms: Mapping[str, WeightedSum], weights: Mapping[str, float], all_reduce_mean: AllReduceMean
) -> LossTerms:
    """The sum of all terms; a term is 0, not NaN, where no sample carries its label."""
    carried = all_reduce_mean(torch.stack([term.weight.detach() for term in terms.values()]))
    means = torch.stack([term.value for term in terms.values()]) / carried.clamp(min=1e-6)
    total = (means * means.new_tensor([weights[name] for name in terms])).sum()
    return LossTerms(total, dict(zip(terms, means.detach().tolist(), strict=True)))
