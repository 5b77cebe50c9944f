"""A small synthetic hand in MANO's structure: random values that pass the checks of HandModel."""

from __future__ import annotations

import numpy as np

from hand.joints import MANO_PARENTS, TIP_VERTICES
from hand.model import HandModel

REST_JOINTS_M = np.array(
    [
        [0.0957, 0.0064, 0.0062],
        *[[0.0070 - 0.032 * k, 0.002, 0.0250] for k in range(3)],  # index
        *[[0.0010 - 0.033 * k, 0.004, 0.0020] for k in range(3)],  # middle
        *[[0.0220 - 0.022 * k, -0.002, -0.0370] for k in range(3)],  # pinky
        *[[0.0080 - 0.030 * k, 0.002, -0.0180] for k in range(3)],  # ring
        *[[0.0710 - 0.026 * k, -0.008, 0.0300 + 0.018 * k] for k in range(3)],  # thumb
    ]
)
"""Joints of a right hand in MANO's rest frame, metres, MANO order."""

TIP_BONES = (15, 3, 6, 12, 9)
"""Last MANO joint of thumb, index, middle, ring, pinky."""


def toy_model(vertices: int = 300, *, dtype: type[np.floating] = np.float64, seed: int = 7) -> HandModel:
    """A right hand with any number of vertices from 150; with 778 it has MANO's tip vertices and face count.

    All values are representable in float32, so that programs which round to float32 see the same model.
    """
    random = np.random.default_rng(seed)
    parents = np.array(MANO_PARENTS)
    bone_of = np.arange(vertices) % 16
    start = REST_JOINTS_M[bone_of]
    parent_joints = REST_JOINTS_M[np.maximum(parents[bone_of], 0)]
    palm = REST_JOINTS_M[4] - REST_JOINTS_M[0]
    direction = np.where((bone_of == 0)[:, None], palm, start - parent_joints)
    template = start + random.uniform(0.0, 0.8, (vertices, 1)) * direction + random.normal(0.0, 0.004, (vertices, 3))
    tips = TIP_VERTICES["smplx"] if vertices == 778 else tuple(range(vertices - 5, vertices))
    for tip, bone in zip(tips, TIP_BONES, strict=True):
        template[tip] = REST_JOINTS_M[bone] + 0.8 * (REST_JOINTS_M[bone] - REST_JOINTS_M[parents[bone]])

    distance = np.linalg.norm(template[:, None] - REST_JOINTS_M, axis=-1)
    weights = np.exp(-distance / 0.008)
    weights /= weights.sum(1, keepdims=True)

    # each joint: the smallest correction of a blend of its ten nearest vertices that hits the joint exactly
    regressor = np.zeros((16, vertices))
    for joint in range(16):
        near = distance[:, joint].argsort()[:10]
        conditions = np.concatenate([template[near].T, np.ones((1, 10))])
        wanted = np.append(REST_JOINTS_M[joint], 1.0)
        blend = np.full(10, 0.1)
        regressor[joint, near] = blend + np.linalg.pinv(conditions) @ (wanted - conditions @ blend)

    shape = random.normal(0.0, 0.0015, (vertices, 3, 10))
    shape[:, :, 0] = 0.05 * (template - template.mean(0))
    pose = random.normal(0.0, 0.0008, (vertices, 3, 135))
    components = np.linalg.qr(random.normal(size=(45, 45)))[0]
    face_count = 1538 if vertices == 778 else 2 * vertices - 18
    first = np.arange(face_count) % (vertices - 2)
    faces = np.stack([first, first + 1, first + 2], 1).astype(np.int32)

    def rounded(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32).astype(dtype)

    return HandModel(
        name=f"toy-{vertices}",
        side="right",
        v_template_m=rounded(template),
        shape_directions_m=rounded(shape),
        pose_directions_m=rounded(pose),
        joint_regressor=rounded(regressor),
        skinning_weights=rounded(weights),
        faces=faces,
        mean_pose_rad=rounded(random.normal(0.0, 0.2, 45)),
        pose_components=rounded(components),
        tip_vertices=tips,  # type: ignore[arg-type]
    )


def random_pose(seed: int, scale: float = 0.5) -> np.ndarray:
    """A pose vector (48) with joint rotations of a fraction of a radian and any global rotation."""
    random = np.random.default_rng(seed)
    pose = random.normal(0.0, scale, 48)
    pose[:3] = random.normal(0.0, 1.5, 3)
    return pose
