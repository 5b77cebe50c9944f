"""The skin of the hand as the zero level of a signed distance, at rest or in any pose.

Every digit is a chain of round cones with ellipsoids for joints and pads; the palm is metacarpals, a slab, pads and
the two balls; all of it is joined by smooth unions. Parts ride on their bones, so the same skin can be evaluated in
a pose: that is where the pose correctives come from. Millimetres, anatomical frame, negative inside.

The many ratios below are form, chosen by eye: they have no source but the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from hand.build.primitives import Distances, Points, ellipsoid, round_cone, smooth_union
from hand.build.skeleton import FIRST_JOINT, FOUR_FINGERS, Skeleton, frame_along
from hand.joints import MANO_FINGERS

_PALMAR = np.array([0.0, 0.0, 1.0])
_GRADIENT_STEP_MM = 0.3


@dataclass(frozen=True, slots=True)
class ImplicitHand:
    """Signed distance of one hand.

    Attributes:
        skeleton: rest skeleton with measures and proportions.
        bones: rest-to-pose motion of each bone from ``bone_transforms``, or None at rest.
    """

    skeleton: Skeleton
    bones: Float[np.ndarray, "16 4 4"] | None = None

    def distance(self, points: Points) -> Distances:
        """Signed distance to the skin of the whole hand."""
        return self._joined(self.parts(points))

    def parts(self, points: Points) -> dict[str, Distances]:
        """Signed distances of digits (by name), ``palm``, ``wrist``, ``thenar``, ``first_web`` and ``webs``."""
        parts = {digit: self.digit(points, digit) for digit in MANO_FINGERS}
        parts["palm"] = self._palm(points)
        parts["wrist"] = self._wrist(points)
        parts["thenar"] = self._thenar(points)
        parts["first_web"] = self._first_web(points)
        parts["webs"] = self._webs(points)
        return parts

    def gradient(self, points: Points) -> Float[np.ndarray, "n 3"]:
        """Gradient of :meth:`distance` by central differences."""
        gradient = np.empty_like(points)
        for axis in range(3):
            offset = np.zeros(3)
            offset[axis] = _GRADIENT_STEP_MM
            difference = self.distance(points + offset) - self.distance(points - offset)
            gradient[:, axis] = difference / (2.0 * _GRADIENT_STEP_MM)
        return gradient

    def project(self, points: Points, iterations: int = 4, max_step_mm: float = 2.0) -> Points:
        """Points moved onto the skin by Newton steps along the gradient."""
        points = points.copy()
        for _ in range(iterations):
            distance, gradient = self.distance(points), self.gradient(points)
            # a floor on the slope keeps points near a medial axis from shooting away
            step = -distance / np.maximum((gradient * gradient).sum(1), 0.4)
            points += np.clip(step, -max_step_mm, max_step_mm)[:, None] * gradient
        return points

    def digit(self, points: Points, digit: str) -> Distances:
        """Signed distance of one digit alone."""
        first = FIRST_JOINT[digit]
        local = [self._in_bone(points, first + k) for k in range(3)]
        form = _thumb if digit == "thumb" else _finger
        return form(local, self.skeleton.segments_mm[digit], self.skeleton.half_breadths_mm[digit], self._thickness)

    @property
    def _thickness(self) -> float:
        return self.skeleton.proportions.thickness

    def _joined(self, parts: dict[str, Distances]) -> Distances:
        hand = smooth_union(parts["palm"], parts["wrist"], 14.0)
        hand = smooth_union(hand, parts["thenar"], 10.0)
        hand = smooth_union(hand, parts["first_web"], 14.0)
        hand = smooth_union(hand, parts["thumb"], 9.0)
        hand = smooth_union(hand, parts["webs"], 7.0)
        fingers = parts["index"]
        for finger in FOUR_FINGERS[1:]:
            # neighbours hardly melt into each other: a wide seam would glue straight fingers together
            fingers = smooth_union(fingers, parts[finger], 1.2)
        return smooth_union(hand, fingers, 7.5)

    def _at_rest(self, points: Points, bone: int) -> Points:
        """Posed points taken back to the rest pose by one bone's motion."""
        if self.bones is None:
            return points
        motion = self.bones[bone]
        return (points - motion[:3, 3]) @ motion[:3, :3]

    def _moved(self, point: Float[np.ndarray, "3"], bone: int) -> Float[np.ndarray, "3"]:
        """A rest point carried along by one bone."""
        return point if self.bones is None else self.bones[bone][:3, :3] @ point + self.bones[bone][:3, 3]

    def _in_bone(self, points: Points, joint: int) -> Points:
        """Points in the frame of a bone: radial, distal, palmar from its joint."""
        return (self._at_rest(points, joint) - self.skeleton.joints_mm[joint]) @ self.skeleton.frames[joint]

    def _palm(self, points: Points) -> Distances:
        """Metacarpals, slab, pads under the knuckles, ball of the little finger, carpus; in the unscaled palm."""
        skeleton = self.skeleton
        t = self._thickness
        # evaluated in the reference palm: the distances of a stretched palm stay good enough to project onto
        at_rest = self._at_rest(points, 0)
        q = at_rest / skeleton.palm_stretch(at_rest[:, 1] / skeleton.proportions.palm_length)
        knuckles = np.stack([skeleton.joints_mm[FIRST_JOINT[finger]] for finger in FOUR_FINGERS])
        knuckles = knuckles / skeleton.palm_stretch(knuckles[:, 1] / skeleton.proportions.palm_length)
        joint = dict(zip(FOUR_FINGERS, knuckles, strict=True))
        palm: Distances | None = None
        for finger in FOUR_FINGERS:
            start = np.array(skeleton.measures.finger(finger).metacarpal_base_mm)
            axis = joint[finger] + [0.0, 0.0, -0.5] - start
            radius = skeleton.measures.finger(finger).half_breadths_mm[0]
            local = _flattened((q - start) @ frame_along(axis, _PALMAR), t)
            bone = round_cone(local, float(np.linalg.norm(axis)), radius * 1.05, radius * 1.03)
            palm = bone if palm is None else smooth_union(palm, bone, 7.0)
        assert palm is not None
        middle_x = (joint["index"][0] + joint["pinky"][0]) / 2
        half_breadth = (joint["index"][0] - joint["pinky"][0]) / 2
        slab = ellipsoid(q - [middle_x + 3.0, 52.0, 3.6], (half_breadth + 4.0, 50.0, 13.2 * t))
        palm = smooth_union(palm, slab, 12.0)
        palm = self._with_knuckle_pads(palm, q, joint)
        for finger in FOUR_FINGERS:
            radius = skeleton.measures.finger(finger).half_breadths_mm[0]
            centre = joint[finger] + [0.0, -1.0, -0.62 * radius * t]
            head = ellipsoid(q - centre, (0.62 * radius, 0.85 * radius, 0.62 * radius * t))
            palm = smooth_union(palm, head, 5.0)
        full = skeleton.proportions.thenar_fullness
        hypothenar_frame = frame_along(np.array([-0.22, 1.0, 0.0]), _PALMAR)
        hypothenar = ellipsoid((q - [-24.5, 36.0, 7.5]) @ hypothenar_frame, (14.0 * full, 34.0, 13.5 * full * t))
        palm = smooth_union(palm, hypothenar, 14.0)
        wide, deep = skeleton.measures.wrist_half_axes_mm
        wrist = skeleton.proportions.wrist_breadth
        carpus = ellipsoid(q - [1.0, 12.0, 1.5], (wide * wrist * 1.02, 24.0, deep * wrist * t * 0.98))
        return smooth_union(palm, carpus, 10.0)

    def _with_knuckle_pads(self, palm: Distances, q: Points, joint: dict[str, Float[np.ndarray, "3"]]) -> Distances:
        """A ridge of soft tissue across the palm, 4 mm distal of the knuckle joints."""
        palmar_offset = {"pinky": 3.2, "ring": 4.6, "middle": 5.2, "index": 4.6}
        centres = []
        for finger, offset in palmar_offset.items():
            distal = self.skeleton.frames[FIRST_JOINT[finger]][:, 1]
            centre = joint[finger] + np.array([4.0 * distal[0], 4.0 * distal[1], 0.0])
            centre[2] = joint[finger][2] + offset
            centres.append(centre)
        for start, end in pairwise(centres):
            local = (q - start) @ frame_along(end - start, _PALMAR)
            local = local / [1.7, 1.0, 0.95 * self._thickness]
            palm = smooth_union(palm, round_cone(local, float(np.linalg.norm(end - start)), 9.3, 9.3), 11.0)
        return palm

    def _thenar(self, points: Points) -> Distances:
        """The ball of the thumb, on the thumb's metacarpal."""
        full = self.skeleton.proportions.thenar_fullness
        length = self.skeleton.segments_mm["thumb"][0]
        q = self._in_bone(points, FIRST_JOINT["thumb"])
        half_axes = (16.5 * full, length * 0.68, 15.0 * full * self._thickness)
        return ellipsoid(q - [-3.5, length * 0.44, 5.0 * self._thickness], half_axes)

    def _first_web(self, points: Points) -> Distances:
        """Skin between the index and the thumb's metacarpal; its outer end follows the thumb."""
        skeleton = self.skeleton
        thumb = FIRST_JOINT["thumb"]
        start = np.array([14.0, 54.0, 3.0])
        start = start * skeleton.palm_stretch(start[1:2])[0]
        end = skeleton.joints_mm[thumb] * 0.22 + skeleton.joints_mm[thumb + 1] * 0.78 + np.array([-3.0, 4.0, -1.0])
        q = self._at_rest(points, 0)
        if self.bones is not None:
            to_palm = np.linalg.inv(self.bones[0]) @ self.bones[thumb]
            end = to_palm[:3, :3] @ end + to_palm[:3, 3]
        local = _flattened((q - start) @ frame_along(end - start, _PALMAR), 0.62 * self._thickness)
        return round_cone(local, float(np.linalg.norm(end - start)), 17.0, 10.0)

    def _wrist(self, points: Points) -> Distances:
        wide, deep = self.skeleton.measures.wrist_half_axes_mm
        wide = wide * self.skeleton.proportions.wrist_breadth
        deep = deep * self.skeleton.proportions.wrist_breadth * self._thickness
        q = (self._at_rest(points, 0) - [0.0, 12.0, 1.0]) * [1.0, -1.0, wide / deep]
        return round_cone(q, 90.0, wide * 0.99, wide * 1.10) * (deep / wide)

    def _webs(self, points: Points) -> Distances:
        """The three webs between neighbouring fingers, each spanning their proximal phalanges."""
        palm_rotation = np.eye(3) if self.bones is None else self.bones[0][:3, :3]
        webs = np.full(len(points), 1e3)
        for first, second, fraction in (("index", "middle", 0.40), ("middle", "ring", 0.40), ("ring", "pinky", 0.44)):
            a = self._moved(self.skeleton.along(first, 0, fraction), FIRST_JOINT[first])
            b = self._moved(self.skeleton.along(second, 0, fraction), FIRST_JOINT[second])
            span = float(np.linalg.norm(b - a))
            if span < 8.0:
                continue
            centre = (a + b) / 2 + palm_rotation @ np.array([0.0, -5.5, 2.5])
            local = (points - centre) @ frame_along(b - a, palm_rotation[:, 2])
            webs = np.minimum(webs, ellipsoid(local, (7.0, span * 0.55, 8.0 * self._thickness)))
        return webs


def _flattened(points: Points, depth: float) -> Points:
    """Points such that a round body evaluated at them has ``depth`` times its palmar-dorsal size."""
    return points / [1.0, 1.0, depth]


def _finger(
    local: list[Points], length: Float[np.ndarray, "3"], radius: Float[np.ndarray, "4"], thickness: float
) -> Distances:
    """Phalanges, PIP and DIP joints, two palmar pads and the finger tip."""
    base, pip, dip, tip = radius
    t = thickness
    proximal, middle, distal = local
    seam = 6.5
    d = round_cone(_flattened(proximal, 0.95 * t), length[0], base * 0.96, pip * 0.93)
    pip_joint = ellipsoid(middle - [0.0, -0.5, -0.35], (pip * 0.955, pip * 1.45, pip * 0.90 * t))
    d = smooth_union(d, pip_joint, seam)
    pad_half_axes = (base * 0.90, length[0] * 0.34, base * 0.80 * t)
    d = smooth_union(d, ellipsoid(proximal - [0.0, length[0] * 0.52, base * 0.22 * t], pad_half_axes), seam)
    d = smooth_union(d, round_cone(_flattened(middle, 0.92 * t), length[1], pip * 0.93, dip * 0.935), seam)
    pad_half_axes = (pip * 0.905, length[1] * 0.38, pip * 0.82 * t)
    d = smooth_union(d, ellipsoid(middle - [0.0, length[1] * 0.5, pip * 0.16 * t], pad_half_axes), seam)
    dip_joint = ellipsoid(distal - [0.0, -0.5, -0.25], (dip * 0.955, dip * 1.35, dip * 0.85 * t))
    d = smooth_union(d, dip_joint, seam)
    return smooth_union(d, _fingertip(distal, length[2], dip * 0.95, tip, 0.80 * t, (1.06, 0.82 * t)), 3.0)


def _thumb(
    local: list[Points], length: Float[np.ndarray, "3"], radius: Float[np.ndarray, "4"], thickness: float
) -> Distances:
    """Metacarpal, phalanges, MCP and IP joints, one palmar pad and the tip."""
    base, ip = radius[0], radius[1]
    t = thickness
    metacarpal, proximal, distal = local
    seam = 5.0
    d = round_cone(_flattened(metacarpal, t), length[0], base, base * 0.92)
    mcp_joint = ellipsoid(proximal - [0.0, -1.0, -0.5], (base * 0.98, base * 1.15, base * 0.95 * t))
    d = smooth_union(d, mcp_joint, seam)
    d = smooth_union(d, round_cone(_flattened(proximal, 0.93 * t), length[1], base * 0.88, ip * 0.86), seam)
    pad = ellipsoid(proximal - [0.0, length[1] * 0.45, ip * 0.2 * t], (ip * 0.92, length[1] * 0.42, ip * 0.8 * t))
    d = smooth_union(d, pad, seam)
    ip_joint = ellipsoid(distal - [0.0, -0.5, -0.3], (ip * 0.97, ip * 1.1, ip * 0.84 * t))
    d = smooth_union(d, ip_joint, seam)
    return smooth_union(d, _fingertip(distal, length[2], ip * 0.92, radius[3], 0.74 * t, (1.12, 0.78 * t)), 3.0)


def _fingertip(
    distal: Points, length: float, start: float, end: float, flatness: float, pulp: tuple[float, float]
) -> Distances:
    """Distal phalanx: a flattened cone and the pulp, whose breadth and depth are given as multiples of ``end``."""
    height = length - end * 0.98
    cone = round_cone((distal - [0.0, 0.0, 0.3]) / [1.0, 1.0, flatness], height, start, end)
    body = ellipsoid(distal - [0.0, height * 0.62 + 1.0, end * 0.20], (end * pulp[0], length * 0.44, end * pulp[1]))
    return smooth_union(cone, body, 3.0)
