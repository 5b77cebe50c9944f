"""The fine surface of one hand with its forearm: topology and rest geometry, fixed for a hand model.

Skin is described in the coordinates of the bones it lies on, in millimetres: x towards the thumb side, y towards the
finger tip, z towards the palm. Everything is measured on the model itself (lengths from its joints, breadths from its
mesh), so any hand in MANO's structure gets nails where its finger tips are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from hand.anatomy import joint_axes
from hand.joints import FINGERS, MANO_FINGERS, mano_joint_to_common
from hand.layer import HandLayer
from hand.model import HandModel
from hand.normals import vertex_normals
from hand.topology import boundary_loop
from trainer.synthetic.noise import soft_step
from trainer.synthetic.subdivision import Subdivision, subdivide

FOREARM_RINGS = 24
"""Rings of vertices that continue the hand beyond the wrist."""

FOREARM_LENGTH_M = 0.42
"""How far the last ring lies from the wrist."""

FOREARM_SPREAD = 1.6
"""Ring k of n lies at (k / n) ** this of the length: dense at the wrist, where cuffs and straps need edges."""


@dataclass(frozen=True, slots=True, eq=False)
class Digit:
    """One finger at rest, in coordinates of its three bones.

    Attributes:
        name: which finger.
        first_joint: its first MANO joint.
        along: how much each vertex belongs to the finger, 0 to 1 (sum of its three skinning weights).
        coordinates_mm: of each vertex from each of the three bones (radial, distal, palmar).
        palmar_normal: component of each vertex's normal towards the palm side, by the last bone.
        lengths_mm: of the three bones, the last up to the tip vertex.
        half_breadths_mm: at mid first bone, second joint, third joint, and near the tip.
    """

    name: str
    first_joint: int
    along: Float[np.ndarray, "N"]
    coordinates_mm: Float[np.ndarray, "3 N 3"]
    palmar_normal: Float[np.ndarray, "N"]
    lengths_mm: Float[np.ndarray, "3"]
    half_breadths_mm: Float[np.ndarray, "4"]


class HandSurface:
    """A hand model's fine mesh: subdivided hand first, then the forearm's rings.

    Attributes:
        model: the coarse hand.
        subdivision: maps from coarse to fine.
        hand_count: fine vertices of the hand alone.
        ring_size: vertices of one forearm ring.
        faces: triangles of hand and forearm.
        loop: fine vertices around the wrist.
        frames: anatomical frames of the 16 joints.
        rest_joints_m: 21 joints at rest.
        rest_m: fine rest vertices, forearm included.
        rest_normals: their normals.
        palm_mm: rest vertices in palm axes (radial, distal, palmar) from the wrist joint.
        spacing_mm: distance of each vertex to its neighbours: nothing narrower can be drawn there.
        digits: the five fingers, thumb first.
    """

    def __init__(self, model: HandModel, levels: int) -> None:
        """Subdivides the hand and measures it.

        Args:
            model: a right hand in MANO's rest frame.
            levels: see :func:`trainer.synthetic.subdivision.subdivide`.
        """
        self.model = model
        self.subdivision: Subdivision = subdivide(model.faces, model.vertex_count, levels)
        rest = HandLayer(model, np.float64)(np.zeros(48), np.zeros(10))
        self.rest_joints_m = rest.joints_m
        self.frames = joint_axes(model)
        self.palm_axes = np.stack([self.frames[0][:, 0], self.frames[0][:, 2], -self.frames[0][:, 1]], 1)
        hand_m = self.subdivision.points(rest.vertices_m)
        self.hand_count = len(hand_m)
        self.loop = boundary_loop(self.subdivision.faces)
        self.ring_size = len(self.loop)
        self.faces = self._faces_with_forearm()
        self.rest_m = self.with_forearm(hand_m, np.eye(3))
        self.rest_normals = vertex_normals(self.rest_m, self.faces)
        self.palm_mm = (self.rest_m - rest.joints_m[0]) @ self.palm_axes * 1000.0
        self.spacing_mm = self._spacing()
        weights = self.subdivision.values(model.skinning_weights)
        forearm_weights = np.zeros((len(self.rest_m) - self.hand_count, 16), np.float32)
        forearm_weights[:, 0] = 1.0
        self._weights = np.concatenate([weights, forearm_weights])
        self.digits = tuple(self._measure(name) for name in FINGERS)

    def _faces_with_forearm(self) -> Int[np.ndarray, "F 3"]:
        size = self.ring_size
        blocks = [self.subdivision.faces]
        inner = self.loop
        for ring in range(FOREARM_RINGS):
            outer = self.hand_count + ring * size + np.arange(size)
            inner_next, outer_next = np.roll(inner, -1), np.roll(outer, -1)
            # the loop runs along the hand's faces, so the neighbours beyond it run against it
            blocks += [np.stack([inner_next, inner, outer], 1), np.stack([inner_next, outer, outer_next], 1)]
            inner = outer
        return np.concatenate(blocks).astype(np.int32)

    def with_forearm(
        self, hand_m: Float[np.ndarray, "H 3"], bend: Float[np.ndarray, "3 3"]
    ) -> Float[np.ndarray, "N 3"]:
        """Fine hand vertices in the rest frame (global rotation not yet applied), continued by the forearm.

        Args:
            hand_m: fine vertices of the hand.
            bend: turns the forearm against the hand about the wrist, in palm axes.
        """
        wrist = self.rest_joints_m[0]
        rim = (hand_m[self.loop] - wrist) @ self.palm_axes
        middle = rim.mean(0)
        half = np.ptp(rim, axis=0) / 2.0
        angle = np.arctan2((rim[:, 2] - middle[2]) / half[2], (rim[:, 0] - middle[0]) / half[0])
        step = (np.arange(1, FOREARM_RINGS + 1) / FOREARM_RINGS)[:, None]
        back = FOREARM_LENGTH_M * step**FOREARM_SPREAD
        # an ellipse that widens towards the elbow, reached smoothly from the rim's own outline
        swell = 1.0 + 0.42 * soft_step(back, 0.03, 0.22)
        round_off = soft_step(back, 0.0, 0.12)
        outline = np.stack(
            [
                (1 - round_off) * (rim[:, 0] - middle[0]) + round_off * np.cos(angle) * half[0] * swell,
                (1 - round_off) * (rim[:, 1] - middle[1]) - back,
                (1 - round_off) * (rim[:, 2] - middle[2])
                + round_off * np.sin(angle) * half[2] * (1.0 + 1.4 * (swell - 1.0)),
            ],
            -1,
        )
        rings = outline + middle
        share = soft_step(back, -0.005, 0.05)[..., None]
        rings = (1 - share) * rings + share * (rings @ bend.T)
        forearm = rings.reshape(-1, 3) @ self.palm_axes.T + wrist
        return np.concatenate([hand_m, forearm.astype(np.float32)]).astype(np.float32)

    def ring(self, number: int) -> slice:
        """The vertices of one forearm ring, counted from 1 at the wrist."""
        start = self.hand_count + (number - 1) * self.ring_size
        return slice(start, start + self.ring_size)

    def _spacing(self) -> Float[np.ndarray, "N"]:
        ends = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        lengths = 1000.0 * np.linalg.norm(self.rest_m[ends[:, 0]] - self.rest_m[ends[:, 1]], axis=1)
        count = len(self.rest_m)
        total = np.bincount(ends.ravel(), np.repeat(lengths, 2), count)
        return np.asarray(total / np.maximum(np.bincount(ends.ravel(), minlength=count), 1))

    def _measure(self, name: str) -> Digit:
        first = 1 + 3 * MANO_FINGERS.index(name)
        common = mano_joint_to_common()
        coordinates, lengths = [], []
        for joint in range(first, first + 3):
            start = self.rest_joints_m[common[joint]]
            frame = self.frames[joint]
            axes = np.stack([frame[:, 0], frame[:, 2], -frame[:, 1]], 1)
            coordinates.append((self.rest_m - start) @ axes * 1000.0)
            lengths.append(1000.0 * np.linalg.norm(self.rest_joints_m[common[joint] + 1] - start))
        along = self._weights[:, first : first + 3].sum(1)
        breadths = []
        for bone, height in ((0, 0.6 * lengths[0]), (1, 0.0), (2, 0.0), (2, 0.68 * lengths[2])):
            near = (along > 0.6) & (np.abs(coordinates[bone][:, 1] - height) < 3.0)
            breadths.append(float(np.percentile(np.abs(coordinates[bone][near, 0]), 92)) if near.any() else 8.0)
        return Digit(
            name,
            first,
            along,
            np.stack(coordinates),
            self.rest_normals @ -self.frames[first + 2][:, 1],
            np.array(lengths),
            np.array(breadths),
        )
