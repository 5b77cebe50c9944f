from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import numpy as np
import torch
from crops import CAMERA, stick_hand

from hand.camera import back_project
from hand.crop import SquareCrop, transform_points
from hand.crop_camera import crop_camera
from hand.embedded import load_embedded_model
from hand.torch_layer import TorchHandLayer
from trainer.samples.labelled_crop import collate, crop_coordinates, label_crop


def test_labels_in_the_crop_camera_pose_the_same_hand() -> None:
    """The turned global rotation, posed by the layer, gives the turned joints."""
    crop = stick_hand(3)
    batch = collate([crop])
    layer = TorchHandLayer(load_embedded_model())
    posed = layer(batch.rotations, batch.shape).joints_m
    torch.testing.assert_close(posed - posed[:, :1], batch.joints_m, atol=1e-6, rtol=0.0)


def test_2d_labels_lie_where_the_crop_shows_the_joint() -> None:
    """A dot painted at the joint is found at the labelled place of the turned and shifted crop."""
    joint = back_project(np.array([52.0, 81.0]), np.array(0.4), CAMERA)
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[79:84, 50:55] = 255
    labelled = label_crop(
        picture,
        SquareCrop(60.0, 70.0, 60.0, angle_rad=0.7),
        CAMERA,
        rotations=np.tile(np.eye(3), (16, 1, 1)),
        shape=np.zeros(10),
        joints_m=np.tile(joint, (21, 1)),
        input_px=96,
    )
    rows, columns = np.nonzero(labelled.image[..., 0] > 128)
    found = crop_coordinates(np.array([columns.mean(), rows.mean()]), 96)
    np.testing.assert_allclose(labelled.joints_crop[0], found, atol=1.0 / 96)


def test_a_label_that_was_not_turned_with_its_crop_is_far_off() -> None:
    """The error if the picture is turned and its label is not."""
    crop = SquareCrop(80.0, 60.0, 90.0, angle_rad=0.8)
    point = np.array([[110.0, 40.0]])
    turned = transform_points(point, crop.matrix(64))
    unturned = transform_points(point, replace(crop, angle_rad=0.0).matrix(64))
    assert np.abs(turned - unturned).max() > 10.0
    assert (
        np.abs(crop_camera(crop, CAMERA).rotation - crop_camera(replace(crop, angle_rad=0.0), CAMERA).rotation).max()
        > 0.5
    )
