"""Hands whose answer is known: poses of the embedded model, seen by a perfect detector."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from hand.anatomy import rotations_from_angles
from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.layer import HandLayer
from hand.mirror import mirror_pixels, mirror_points
from hand.rotations import matrix_from_axis_angle
from hand.types import HandObservation
from ik_baseline.solver import IkSolver

CAMERA = Intrinsics(610.0, 630.0, 300.0, 250.0, 640, 480)


@dataclass(frozen=True)
class Case:
    """A posed hand and the observation of a perfect detector."""

    angles_rad: Float[np.ndarray, "16 3"]
    rotation: Float[np.ndarray, "3 3"]
    translation_m: Float[np.ndarray, "3"]
    joints_m: Float[np.ndarray, "21 3"]
    observation: HandObservation


def facing_camera() -> Float[np.ndarray, "3 3"]:
    """Palm to the camera, fingers up: MANO's rest frame has them along -x, the palm towards -y."""
    return np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def natural_angles(rng: np.random.Generator) -> Float[np.ndarray, "16 3"]:
    """Joint angles well inside the anatomical limits, without the twists that no finger has."""
    angles = np.zeros((16, 3))
    for joint in range(1, 13):
        angles[joint, 0] = rng.uniform(0.1, 1.2)
        if joint % 3 == 1:
            angles[joint, 1] = rng.uniform(-0.15, 0.15)
    angles[13] = rng.uniform((-0.2, -0.3, -0.1), (0.6, 0.3, 0.1))
    angles[14, 0], angles[15, 0] = rng.uniform(0.0, 0.7), rng.uniform(0.0, 0.7)
    return angles


def make_case(solver: IkSolver, rng: np.random.Generator, angles_rad: Float[np.ndarray, "16 3"] | None = None) -> Case:
    """A right hand half a metre away; its landmarks are the hand layer's own joints."""
    angles = natural_angles(rng) if angles_rad is None else angles_rad
    turn = matrix_from_axis_angle(rng.uniform(-0.7, 0.7, 3))
    rotations = rotations_from_angles(angles, solver.chain.axes)
    rotations[0] = turn @ facing_camera()
    translation = rng.uniform((-0.1, -0.08, 0.45), (0.05, 0.08, 0.65))
    layer = HandLayer(solver.model, np.float64)
    joints = layer.from_matrices(rotations, np.zeros(10), translation).joints_m
    return Case(angles, rotations[0], translation, joints, observe(joints))


def observe(joints_m: Float[np.ndarray, "21 3"]) -> HandObservation:
    """Observation of a perfect detector: world landmarks in the axes of a camera with the hand on its optical axis."""
    pixels = project(joints_m, CAMERA)
    x = (pixels[:, 0].mean() - CAMERA.cx_px) / CAMERA.fx_px
    y = (pixels[:, 1].mean() - CAMERA.cy_px) / CAMERA.fy_px
    ray = np.array([x, y, 1.0]) / np.linalg.norm([x, y, 1.0])
    # Rodrigues' formula for the turn from the optical axis to the ray
    cross = np.cross([0.0, 0.0, 1.0], ray)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    turn = np.eye(3) + skew + skew @ skew / (1.0 + ray[2])
    world = (joints_m - joints_m[9]) @ turn
    return HandObservation("right", 0.97, pixels, world, crop_around(pixels, 1.5))


def mirrored(observation: HandObservation) -> HandObservation:
    """The same hand in a mirror: a left one."""
    pixels = mirror_pixels(observation.landmarks_px, CAMERA.width_px)
    return replace(
        observation,
        side="left",
        landmarks_px=pixels,
        world_landmarks_m=mirror_points(observation.world_landmarks_m),
        crop=crop_around(pixels, 1.5, flipped=True),
    )
