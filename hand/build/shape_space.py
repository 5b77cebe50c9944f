"""Ten linear shape directions in vertex correspondence, one per named proportion.

A proportion is changed a little up and down; the reference mesh is carried to each changed hand bone by bone and
projected onto its skin; half the difference, per standard deviation, is the direction. Projection moves vertices
along the skin where it is ambiguous, in the webs above all, so the differences are smoothed over the mesh.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from hand.build.anthropometry import SHAPE_NAMES, VARIATIONS, HandMeasures, Proportions
from hand.build.cage import Cage
from hand.build.implicit import ImplicitHand
from hand.build.primitives import Points
from hand.build.quad_mesh import neighbour_average, smoothed
from hand.build.skeleton import Skeleton, build_skeleton
from hand.joints import MANO_FINGERS

_SMOOTHING_PASSES = 14
_SMOOTHED_FROM_MM = 40.0
"""Distal coordinate from which on the directions are smoothed in full; less and less towards the wrist's open edge,
whose vertices have neighbours on one side only and would be drawn inwards."""


def shape_directions(
    hand: ImplicitHand, cage: Cage, weights: Float[np.ndarray, "n 16"]
) -> tuple[Float[np.ndarray, "n 3 10"], Float[np.ndarray, "16 3 10"]]:
    """Displacement in mm of vertices and of joints per unit of each shape coefficient, anatomical frame."""
    vertices = np.empty((len(cage.vertices_mm), 3, len(SHAPE_NAMES)))
    joints = np.empty((16, 3, len(SHAPE_NAMES)))
    average = neighbour_average(len(cage.vertices_mm), cage.quads)
    away_from_edge = np.clip(cage.vertices_mm[:, [1]] / _SMOOTHED_FROM_MM, 0.0, 1.0)
    for k, name in enumerate(SHAPE_NAMES):
        sigma = VARIATIONS[name].sigma
        if name == "overall_size":
            # exact: everything scales about the wrist joint, the origin
            vertices[:, :, k] = sigma * cage.vertices_mm
            joints[:, :, k] = sigma * hand.skeleton.joints_mm
            continue
        up, joints_up = warped(hand, cage, weights, replace(Proportions(), **{name: 1.0 + sigma}))
        down, joints_down = warped(hand, cage, weights, replace(Proportions(), **{name: 1.0 - sigma}))
        difference = (up - down) / 2.0
        smooth = smoothed(difference, average, _SMOOTHING_PASSES)
        vertices[:, :, k] = difference + away_from_edge * (smooth - difference)
        joints[:, :, k] = (joints_up - joints_down) / 2.0
    return vertices, joints


def warped(
    hand: ImplicitHand, cage: Cage, weights: Float[np.ndarray, "n 16"], proportions: Proportions
) -> tuple[Points, Float[np.ndarray, "16 3"]]:
    """Vertices and joints of a hand of other proportions, in correspondence with the reference hand."""
    measures: HandMeasures = hand.skeleton.measures
    other = build_skeleton(measures, proportions)
    blended = np.zeros_like(cage.vertices_mm)
    for joint in range(16):
        blended += weights[:, [joint]] * _carried(cage.vertices_mm, hand.skeleton, other, joint)
    size = proportions.overall_size
    return size * ImplicitHand(other).project(blended, 4), size * other.joints_mm


def _carried(vertices: Points, reference: Skeleton, other: Skeleton, joint: int) -> Points:
    """Reference vertices taken along by one bone, stretched with it in its own axes."""
    p = other.proportions
    if joint == 0:
        return vertices * other.palm_stretch(vertices[:, 1]) * [1.0, 1.0, p.thickness]
    digit, segment = MANO_FINGERS[(joint - 1) // 3], (joint - 1) % 3
    length = other.segments_mm[digit][segment] / reference.segments_mm[digit][segment]
    stretch = np.array([p.finger_breadth, length, p.finger_breadth * p.thickness])
    local = (vertices - reference.joints_mm[joint]) @ reference.frames[joint]
    return (local * stretch) @ other.frames[joint].T + other.joints_mm[joint]
