"""Mean pose and PCA basis of natural hand poses, MANO's ``hands_mean`` and ``hands_components``.

Natural poses are drawn as random blends of two or three named poses, in anatomical angles, with a little
independent noise on every angle; all within the joint limits. The mean is therefore a loosely bent hand, and the
first components open and close it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from hand.anatomy import joint_limits, rotations_from_angles
from hand.poses import NAMED_POSES
from hand.rotations import axis_angle_from_matrix

_SAMPLES = 4000
_SEED = 20240601
_NOISE_DEG = np.array([6.0, 2.5, 1.0])
"""Standard deviation of flexion, abduction and twist."""

_JOINT_NOISE = np.linspace(1.0, 1.45, 15)[:, None]
"""Makes no two noise directions equally strong: equal eigenvalues would leave their eigenvectors to rounding errors."""


def natural_poses(joint_axes: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "s 45"]:
    """Sampled poses: 15 axis-angle triples each, in the frame of ``joint_axes``."""
    random = np.random.default_rng(_SEED)
    named = np.stack([angles.radians() for angles in NAMED_POSES.values()])
    limits = joint_limits()
    chosen = random.integers(0, len(named), (_SAMPLES, 3))
    shares = random.dirichlet((1.0, 1.0, 0.5), _SAMPLES)
    angles = np.einsum("sk,skjc->sjc", shares, named[chosen])
    noise = random.standard_normal((_SAMPLES, 15, 3)) * np.radians(_NOISE_DEG) * _JOINT_NOISE
    angles[:, 1:] = np.clip(angles[:, 1:] + noise, limits.lower_rad[1:], limits.upper_rad[1:])
    rotations = rotations_from_angles(angles, joint_axes)
    return axis_angle_from_matrix(rotations)[:, 1:].reshape(_SAMPLES, 45)


def mean_and_components(
    poses_rad: Float[np.ndarray, "s 45"],
) -> tuple[Float[np.ndarray, "45"], Float[np.ndarray, "45 45"]]:
    """Mean and PCA basis: orthonormal rows in the order of their variance, largest entry of each row positive."""
    mean = poses_rad.mean(0)
    centred = poses_rad - mean
    _, vectors = np.linalg.eigh(centred.T @ centred / len(poses_rad))
    components = vectors[:, ::-1].T
    largest = np.abs(components).argmax(axis=1)
    return mean, components * np.sign(components[np.arange(45), largest])[:, None]
