"""Hand poses as people hold them: blends of named poses or any bends, within limits, no finger inside another."""

from __future__ import annotations

from typing import Final, Literal

import numba
import numpy as np
from jaxtyping import Float

from hand.anatomy import joint_limits, rotations_from_angles
from hand.joints import MANO_FINGERS, mano_joint_to_common
from hand.poses import NAMED_POSES
from hand.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from trainer.synthetic.surface import HandSurface

PoseKind = Literal["open", "closed", "natural", "free", "fingers"]

OPEN_POSES: Final = ("open_hand", "spread_hand", "flat_hand")
CLOSED_POSES: Final = (
    "fist", "fist_thumb_beside", "pointing", "victory", "gun", "thumb_up", "horns", "shaka",
)  # fmt: skip

_FLESH_GIVES: Final = 0.58
"""Bones may come as near as this share of their radii's sum: pulps flatten, and the named poses touch."""

_ATTEMPTS: Final = 12


class PosePrior:
    """Draws poses for one hand model."""

    def __init__(self, surface: HandSurface) -> None:
        """Measures the fingers of a surface.

        Args:
            surface: the hand; breadths and joint axes are taken from it.
        """
        self._frames = surface.frames
        self._limits = joint_limits()
        self._named = {name: angles.radians() for name, angles in NAMED_POSES.items()}
        self._capsules = _Capsules(surface)

    def draw(self, rng: np.random.Generator, kind: PoseKind = "natural") -> Float[np.ndarray, "48"]:
        """Canonical pose numbers (axis-angle, absolute); the global rotation is zero.

        Args:
            rng: random generator.
            kind: "open" and "closed" stay near those named poses; "natural" blends any two, finger by finger at times;
                "free" bends fingers anyhow, together (as in the letters C and O) or each on its own; "fingers"
                stretches some digits, often a single one, and folds the others.
        """
        draw_target = {"natural": self._blend, "free": self._bend, "fingers": self._stretched_and_folded}.get(kind)
        if draw_target is not None:
            target = draw_target(rng)
            looseness_deg = 7.0
        else:
            names = OPEN_POSES if kind == "open" else CLOSED_POSES
            target = self._named[names[rng.integers(len(names))]]
            looseness_deg = 5.0 if kind == "open" else 4.0
        for attempt in range(_ATTEMPTS):
            # what keeps crossing is drawn ever closer to its target; targets cross at worst slightly
            loosened = target + (1.0 - attempt / _ATTEMPTS) * self._looseness(rng, looseness_deg)
            rotations = self._rotations(np.clip(loosened, self._limits.lower_rad, self._limits.upper_rad))
            if self._capsules.depth(rotations) <= 0.0:
                return axis_angle_from_matrix(rotations).reshape(48)
            if draw_target is not None and attempt % 4 == 3:
                target = draw_target(rng)
        return self.pose(self._named["relaxed"])

    def pose(self, angles_rad: Float[np.ndarray, "16 3"]) -> Float[np.ndarray, "48"]:
        """Canonical pose numbers of anatomical angles."""
        return axis_angle_from_matrix(self._rotations(angles_rad)).reshape(48)

    def crosses(self, pose_rad: Float[np.ndarray, "48"]) -> bool:
        """Whether any finger runs through another or through the palm."""
        return self._capsules.depth(matrix_from_axis_angle(pose_rad.reshape(16, 3))) > 0.0

    def _rotations(self, angles_rad: Float[np.ndarray, "16 3"]) -> Float[np.ndarray, "16 3 3"]:
        return rotations_from_angles(angles_rad, self._frames)

    def _blend(self, rng: np.random.Generator) -> Float[np.ndarray, "16 3"]:
        names = list(self._named)
        first, second = (self._named[names[k]] for k in rng.integers(0, len(names), 2))
        if rng.uniform() < 0.3:
            share = np.repeat(rng.beta(0.5, 0.5, 5), 3)
            share = np.concatenate([[0.0], share])[:, None]
        else:
            share = np.full((16, 1), rng.beta(0.5, 0.5))
        return first * (1.0 - share) + second * share

    def _bend(self, rng: np.random.Generator) -> Float[np.ndarray, "16 3"]:
        """Fingers bent anywhere within their limits, knuckles apart from the joints beyond them; a blend's thumb."""
        # (finger, knuckle or beyond): 0 is straight, 1 as far as it goes
        together = np.clip(rng.uniform(size=2) + 0.1 * rng.normal(size=(4, 2)), 0.0, 1.0)
        bend = together if rng.uniform() < 0.6 else rng.uniform(size=(4, 2))
        target = self._blend(rng)
        for finger in range(4):
            knuckle, beyond = bend[finger]
            first = 1 + 3 * finger
            shares = np.array([knuckle, beyond, beyond * rng.uniform(0.5, 1.0)])
            straight = np.maximum(self._limits.lower_rad[first : first + 3, 0], 0.0)
            target[first : first + 3, 0] = straight + shares * (self._limits.upper_rad[first : first + 3, 0] - straight)
            # a bent knuckle leaves no room to spread
            target[first, 1] *= 1.0 - knuckle
        return target

    def _stretched_and_folded(self, rng: np.random.Generator) -> Float[np.ndarray, "16 3"]:
        """Every digit stretched, folded or, seldom, half bent: this combination distinguishes one finger from another.

        A third of the hands stretch a single digit, a quarter none (fists). The thumb of a hand with folded index and
        middle finger often lies across them; else it is one of a named pose's.
        """
        count = rng.choice(5, p=[0.25, 0.35, 0.2, 0.1, 0.1])
        # lone fingers are as often the little or the ring finger as the index finger
        stretched = np.zeros(5, bool)
        stretched[rng.permutation(5)[:count]] = True
        folded_names = ("fist", "fist_thumb_beside")
        thumb_over = not stretched[4] and not stretched[:2].any() and rng.uniform() < 0.6
        folded = self._named[folded_names[0 if thumb_over else rng.integers(2)]]
        out = self._named[("open_hand", "flat_hand", "spread_hand")[rng.integers(3)]]
        target = np.zeros((16, 3))
        for digit, name in enumerate(MANO_FINGERS):
            number = ("index", "middle", "ring", "pinky", "thumb").index(name)
            rows = slice(1 + 3 * digit, 4 + 3 * digit)
            if name == "thumb" and not thumb_over and rng.uniform() < 0.5:
                names = list(self._named)
                target[rows] = self._named[names[rng.integers(len(names))]][rows]
                continue
            half = rng.uniform() < 0.12
            share = rng.uniform(0.3, 0.7) if half else 0.15 * rng.uniform() ** 2
            ends = (out, folded) if stretched[number] else (folded, out)
            target[rows] = (1.0 - share) * ends[0][rows] + share * ends[1][rows]
        return target

    def _looseness(self, rng: np.random.Generator, degrees: float) -> Float[np.ndarray, "16 3"]:
        """Noise that bends a finger as a whole more than its joints one by one, and hardly twists it."""
        finger = np.repeat(rng.normal(size=(5, 1)), 3, axis=0)
        joint = rng.normal(size=(15, 1))
        flexion = degrees * (0.75 * finger + 0.65 * joint)
        sideways = np.zeros((15, 2))
        sideways[0::3, 0] = 0.5 * degrees * rng.normal(size=5)
        sideways[12, :] = 0.7 * degrees * rng.normal(size=2)
        return np.radians(np.concatenate([np.zeros((1, 3)), np.concatenate([flexion, sideways], 1)]))


class _Capsules:
    """Round rods along the bones of a mean hand, and which pairs of them must stay apart."""

    def __init__(self, surface: HandSurface) -> None:
        common = mano_joint_to_common()
        rest = surface.rest_joints_m
        joints, starts, ends, radii, finger, bone = [], [], [], [], [], []
        for number, digit in enumerate(surface.digits):
            for k in range(3):
                joint = digit.first_joint + k
                start, end = rest[common[joint]], rest[common[joint] + 1]
                radius = 0.0009 * digit.half_breadths_mm[k + 1]
                if k == 2:  # the tip joint lies on the skin: the rod's round end must not reach beyond it
                    end = end - (end - start) / np.linalg.norm(end - start) * radius
                joints.append(joint)
                starts.append(start)
                ends.append(end)
                radii.append(radius)
                finger.append(number)
                bone.append(k)
        for number, knuckle in enumerate((5, 9, 13, 17), start=1):
            joints.append(0)
            starts.append(rest[0])
            ends.append(rest[knuckle])
            radii.append(0.0105)
            finger.append(number)
            bone.append(-1)
        self._joints = np.array(joints)
        self._rest_joints = rest[common]
        self._offsets = np.stack([np.array(starts), np.array(ends)], 1) - self._rest_joints[self._joints][:, None]
        self._radii_m = np.array(radii) * _FLESH_GIVES
        pairs = []
        for a in range(len(bone)):
            for b in range(a):
                metacarpals = (bone[a] == -1) + (bone[b] == -1)
                proximal = (bone[a] == 0) + (bone[b] == 0)
                # rods that share flesh at rest are left out: a finger's own bones, two metacarpals, the roots of
                # fingers in the palm, and the thumb's root beside the index finger's
                thumb = finger[a] == 0 or finger[b] == 0
                if finger[a] == finger[b] and not metacarpals:
                    continue
                if metacarpals == 2 or (metacarpals and proximal) or (thumb and proximal == 2):
                    continue
                pairs.append((a, b))
        self._pairs = np.array(pairs)

    def depth(self, rotations: Float[np.ndarray, "16 3 3"]) -> float:
        """How far the worst pair is inside the distance it should keep, in metres; negative when all keep it."""
        return float(
            _worst_depth(rotations, self._rest_joints, self._joints, self._offsets, self._radii_m, self._pairs)
        )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _worst_depth(
    rotations: np.ndarray,
    rest_joints: np.ndarray,
    joints: np.ndarray,
    offsets: np.ndarray,
    radii: np.ndarray,
    pairs: np.ndarray,
) -> float:
    """Poses the rods; then the closest approach of each pair (Ericson, Real-Time Collision Detection, 5.1.9)."""
    world = np.empty((16, 3, 3))
    place = np.empty((16, 3))
    world[0] = np.eye(3)
    place[0] = rest_joints[0]
    for joint in range(1, 16):
        parent = 0 if joint % 3 == 1 else joint - 1  # MANO's tree: three joints a finger, all fingers on the wrist
        world[joint] = world[parent] @ np.ascontiguousarray(rotations[joint])
        place[joint] = place[parent] + world[parent] @ (rest_joints[joint] - rest_joints[parent])
    segments = np.empty((len(joints), 2, 3))
    for n in range(len(joints)):
        for end in range(2):
            segments[n, end] = place[joints[n]] + world[joints[n]] @ np.ascontiguousarray(offsets[n, end])
    worst = -1.0
    for n in range(len(pairs)):
        i, j = pairs[n, 0], pairs[n, 1]
        p, q = segments[i, 0], segments[j, 0]
        d1, d2 = segments[i, 1] - p, segments[j, 1] - q
        r = p - q
        a, e, f = (d1 * d1).sum(), (d2 * d2).sum(), (d2 * r).sum()
        c, b = (d1 * r).sum(), (d1 * d2).sum()
        denominator = a * e - b * b
        s = min(max((b * f - c * e) / denominator, 0.0), 1.0) if denominator > 1e-12 else 0.0
        t = (b * s + f) / e
        if t < 0.0:
            t = 0.0
            s = min(max(-c / a, 0.0), 1.0)
        elif t > 1.0:
            t = 1.0
            s = min(max((b - c) / a, 0.0), 1.0)
        gap = p + d1 * s - q - d2 * t
        worst = max(worst, radii[i] + radii[j] - np.sqrt((gap * gap).sum()))
    return worst
