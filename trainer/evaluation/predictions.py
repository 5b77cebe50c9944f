"""How good a network is on a set of labelled crops: errors, confidence, and whether it has collapsed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand.camera import Intrinsics, project
from hand.crop_camera import translation_from_weak_camera
from hand.layer import HandLayer
from hand.metrics import aligned, distances, mpjpe_mm, pa_error_mm, pose_spread_rad
from hand.model import HandModel
from hand.rotations import axis_angle_from_matrix
from hand.torch_layer import TorchHandLayer
from inference.pose_refinement import SHAPE_DEVIATION, refine_pose
from inference.runtime import joint_confidence
from trainer.networks.output import NetworkOutput
from trainer.samples.labelled_crop import LabelledCrop, collate

_BATCH: Final = 64
_ROUNDING_RAD: Final = 1e-6
"""Spread of poses that are all the same, as numbers go."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions for a set of crops, as arrays, beside the ground truth.

    Attributes:
        joints_m: predicted joints relative to the wrist, crop camera.
        true_joints_m: the same, labelled.
        joints_crop: predicted 2D joints, crop coordinates.
        true_joints_crop: the same, labelled.
        sigma: expected 2D error, crop coordinates.
        poses_rad: predicted 45 joint angles and global orientation.
        true_poses_rad: the same, labelled.
        pose_weight: loss weight of the labelled pose; 0 where there is none.
        presence: probability of a hand.
        right: probability that it is the side it is shown as.
        certainty: what the confidence follows from (``NetworkOutput.certainty``).
    """

    joints_m: Float[np.ndarray, "N 21 3"]
    true_joints_m: Float[np.ndarray, "N 21 3"]
    joints_crop: Float[np.ndarray, "N 21 2"]
    true_joints_crop: Float[np.ndarray, "N 21 2"]
    sigma: Float[np.ndarray, "N 21"]
    poses_rad: Float[np.ndarray, "N 48"]
    true_poses_rad: Float[np.ndarray, "N 48"]
    pose_weight: Float[np.ndarray, "N"]
    presence: Float[np.ndarray, "N"]
    right: Float[np.ndarray, "N"]
    certainty: Float[np.ndarray, "N"]


@torch.no_grad()
def predict_crops(
    network: nn.Module,
    layer: TorchHandLayer,
    crops: Sequence[LabelledCrop],
    refine_on: HandModel | None = None,
    hand_shape: Float[np.ndarray, "10"] | None = None,
) -> Predictions:
    """Runs a network over labelled crops that show a hand.

    Args:
        network: in any mode; it is put into evaluation mode and back.
        layer: on the network's device.
        crops: at least one.
        refine_on: the layer's hand model, to measure the hand as the program shows it, refined on its 2D joints; None
            for the network's own prediction.
        hand_shape: measured shape of the person, which the refinement starts from; the network's own when left out.
    """
    training = network.training
    network.eval()
    device = layer.template.device
    parts: dict[str, list[torch.Tensor]] = {}
    for start in range(0, len(crops), _BATCH):
        labels = collate(crops[start : start + _BATCH]).to(device)
        output = network(*labels.network_inputs())
        if refine_on is not None:
            if hand_shape is not None:
                output = output._replace(shape=torch.from_numpy(hand_shape).to(output.shape).expand_as(output.shape))
            output = _refined(output, labels.focal, refine_on)
        joints = layer(output.rotations, output.shape).joints_m
        values = {
            "joints_m": joints - joints[:, :1],
            "true_joints_m": labels.joints_m,
            "joints_crop": output.joints_crop,
            "true_joints_crop": labels.joints_crop,
            "sigma": output.log_sigma.exp(),
            "poses_rad": output.rotations,
            "true_poses_rad": labels.rotations,
            "pose_weight": labels.pose_weight,
            "presence": output.presence_logit.sigmoid(),
            "right": output.right_logit.sigmoid(),
            "certainty": output.certainty,
        }
        for name, value in values.items():
            parts.setdefault(name, []).append(value.double().cpu())
    network.train(training)
    arrays = {name: torch.cat(value).numpy() for name, value in parts.items()}
    for name in ("poses_rad", "true_poses_rad"):
        arrays[name] = axis_angle_from_matrix(arrays[name]).reshape(-1, 48)
    return Predictions(**arrays)


def _refined(output: NetworkOutput, focal: Float[Tensor, " B"], model: HandModel) -> NetworkOutput:
    """The same answers with every hand refined, and its 2D joints where it then projects."""
    hand = HandLayer(model)
    rotations, joints_crop = output.rotations.double().cpu().numpy(), output.joints_crop.double().cpu().numpy()
    shapes = output.shape.double().cpu().numpy()
    for index, sigma in enumerate(output.log_sigma.double().exp().cpu().numpy()):
        # any number of pixels would do: a crop's coordinates are measured in its own size
        half, focal_crop = 100.0, float(focal[index])
        camera = Intrinsics(focal_crop * half, focal_crop * half, half, half, 200, 200)
        start = translation_from_weak_camera(output.camera[index].double().cpu().numpy(), focal_crop)
        seen_px, sigma_px = joints_crop[index] * half + half, sigma * half
        bent = refine_pose(
            hand, rotations[index], shapes[index], seen_px, sigma_px, camera, start, shape_deviation=SHAPE_DEVIATION
        )
        joints_m = hand.from_matrices(bent.rotations, bent.shape).joints_m.astype(np.float64)
        rotations[index], shapes[index] = bent.rotations, bent.shape
        joints_crop[index] = project(joints_m - joints_m[0] + bent.root_m, camera) / half - 1.0
    return output._replace(
        rotations=torch.from_numpy(rotations).to(output.rotations),
        shape=torch.from_numpy(shapes).to(output.shape),
        joints_crop=torch.from_numpy(joints_crop).to(output.joints_crop),
    )


def prediction_metrics(predictions: Predictions) -> dict[str, float]:
    """The figures of a set.

    Returns:
        ``pa_mpjpe_mm``, ``mpjpe_mm`` (relative to the wrist), ``epe_2d`` (mean 2D error over the longer side of the
        hand's own box), its median ``epe_2d_median``, ``confident_half`` (2D error of the more confident half over
        that of the other half; 1 where there is no error), ``side_right`` (share of hands that are taken for the side
        they are shown as), and, where poses are labelled and differ, ``spread_ratio`` (spread of predicted poses over
        that of the labelled ones: near 0 means the network predicts one pose).
    """
    extent = _extents(predictions)
    error = errors_2d(predictions)
    order = np.argsort(predictions.sigma.mean(1) / extent)
    confident, doubtful = np.array_split(error[order], 2)
    values = {
        "pa_mpjpe_mm": pa_error_mm(predictions.joints_m, predictions.true_joints_m),
        "mpjpe_mm": mpjpe_mm(predictions.joints_m, predictions.true_joints_m),
        "epe_2d": float(error.mean()),
        "epe_2d_median": float(np.median(error)),
        "confident_half": float(confident.mean() / doubtful.mean()) if doubtful.sum() > 0.0 else 1.0,
        "side_right": float((predictions.right > 0.5).mean()),
    }
    # data sets that were labelled with another hand model teach joints and no pose
    posed = predictions.pose_weight > 0.0
    true_spread_rad = pose_spread_rad(predictions.true_poses_rad[posed]) if posed.any() else 0.0
    if true_spread_rad > _ROUNDING_RAD:
        values["spread_ratio"] = pose_spread_rad(predictions.poses_rad[posed]) / true_spread_rad
    return values


def errors_2d(predictions: Predictions) -> Float[np.ndarray, " N"]:
    """Mean 2D error of each crop over the longer side of the hand's own box."""
    gaps = np.linalg.norm(predictions.joints_crop - predictions.true_joints_crop, axis=-1)
    return gaps.mean(1) / _extents(predictions)


def errors_pa_mm(predictions: Predictions) -> Float[np.ndarray, "N 21"]:
    """Error of every joint after similarity alignment."""
    return distances(aligned(predictions.joints_m, predictions.true_joints_m), predictions.true_joints_m) * 1000.0


def confidences(predictions: Predictions, curve: Mapping[str, float]) -> Float[np.ndarray, " N"]:
    """The confidence that the program shows for each hand: that there is one, times that its joints are good.

    Args:
        predictions: of a network.
        curve: of its confidence (:func:`inference.runtime.joint_confidence`).
    """
    good_joints = [joint_confidence(float(certainty), curve) for certainty in predictions.certainty]
    return predictions.presence * np.array(good_joints)


def joint_metrics(predictions: Predictions) -> dict[str, list[float]]:
    """Errors by joint, in the common order: after alignment, from the wrist, and in 2D over the hand's box."""
    gaps = np.linalg.norm(predictions.joints_crop - predictions.true_joints_crop, axis=-1)
    values = {
        "pa_mm": errors_pa_mm(predictions).mean(0),
        "from_wrist_mm": distances(predictions.joints_m, predictions.true_joints_m).mean(0) * 1000.0,
        "epe_2d_median": np.median(gaps / _extents(predictions)[:, None], axis=0),
    }
    return {name: [round(float(value), 5) for value in row] for name, row in values.items()}


def best_median_worst(errors: Float[np.ndarray, " N"], count: int) -> dict[str, list[int]]:
    """Indices of typical pictures, ``count`` of each kind: "best", "median" and "worst" (the worst first).

    Args:
        errors: of each picture.
        count: how many of each kind; fewer where there are fewer pictures.
    """
    order = np.argsort(errors).tolist()
    middle = max(len(order) // 2 - count // 2, 0)
    return {"best": order[:count], "median": order[middle : middle + count], "worst": order[::-1][:count]}


def _extents(predictions: Predictions) -> Float[np.ndarray, " N"]:
    return np.ptp(predictions.true_joints_crop, axis=1).max(-1)
