"""A motion as BVH (Biovision hierarchy), which every animation program reads: a skeleton without a mesh.

Centimetres, as programs expect of BVH; y up. In the rest pose every joint's axes are those of the file, so a joint's
rotation is MANO's own. BVH has one fixed rate, so recorded frames are interpolated to it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from app.motion.axes import CAMERA_TO_SCENE, rotations_of
from app.motion.motion import HandTrack, Motion
from hand.atomic_file import write_text_atomically
from hand.joints import MANO_FINGERS, MANO_JOINT_NAMES, MANO_PARENTS
from hand.layer import HandLayer

CM_PER_M: Final = 100.0

EULER_ORDER: Final = "ZXY"
"""First about z, which bends MANO's fingers; the twist, which stays small, gets the middle place, where angles are
limited."""

_ROTATIONS = " ".join(f"{axis}rotation" for axis in EULER_ORDER)
_FINGERS_BY_TIP = ("thumb", "index", "middle", "ring", "pinky")


def write_bvh(motion: Motion, file: Path) -> tuple[Path, ...]:
    """Writes one file per hand; where both were seen their names end in ``_right`` and ``_left``.

    Returns:
        The files.

    Raises:
        OSError: a file cannot be written.
    """
    files = []
    for track in motion.tracks:
        name = file if len(motion.tracks) == 1 else file.with_name(f"{file.stem}_{track.side}{file.suffix}")
        write_text_atomically(name, bvh_text(motion, track))
        files.append(name)
    return tuple(files)


def bvh_text(motion: Motion, track: HandTrack) -> str:
    """The content of a file."""
    rest = HandLayer(motion.model_of(track), np.float64)(np.zeros(48), track.shape)
    joints_m = HandLayer(motion.model_of(track), np.float64).shaped(track.shape).joints_m
    tips_m = dict(zip(_FINGERS_BY_TIP, rest.joints_m[[4, 8, 12, 16, 20]], strict=True))
    lines = ["HIERARCHY", "ROOT wrist", "{", "\tOFFSET 0 0 0"]
    lines.append(f"\tCHANNELS 6 Xposition Yposition Zposition {_ROTATIONS}")
    for finger in MANO_FINGERS:
        lines += _finger_lines(finger, joints_m, tips_m[finger])
    lines += ["}", "MOTION"]
    numbers = _frames(track, motion.frames_per_second)
    lines += [f"Frames: {len(numbers)}", f"Frame Time: {1.0 / motion.frames_per_second:.8f}"]
    lines += [" ".join(f"{number:.5f}" for number in row) for row in numbers]
    return "\n".join(lines) + "\n"


def _finger_lines(finger: str, joints_m: Float[np.ndarray, "16 3"], tip_m: Float[np.ndarray, "3"]) -> list[str]:
    lines: list[str] = []
    indices = [MANO_JOINT_NAMES.index(f"{finger}{k}") for k in (1, 2, 3)]
    for depth, joint in enumerate(indices, start=1):
        indent = "\t" * depth
        offset = joints_m[joint] - joints_m[MANO_PARENTS[joint]]
        lines += [f"{indent}JOINT {MANO_JOINT_NAMES[joint]}", f"{indent}{{"]
        lines += [f"{indent}\tOFFSET {_offset(offset)}", f"{indent}\tCHANNELS 3 {_ROTATIONS}"]
    end = "\t" * 4
    lines += [f"{end}End Site", f"{end}{{", f"{end}\tOFFSET {_offset(tip_m - joints_m[indices[-1]])}", f"{end}}}"]
    return lines + ["\t" * depth + "}" for depth in (3, 2, 1)]


def _offset(offset_m: Float[np.ndarray, "3"]) -> str:
    return " ".join(f"{number:.6f}" for number in offset_m * CM_PER_M)


def _frames(track: HandTrack, rate: float) -> Float[np.ndarray, "N 51"]:
    """Channels in the order of the hierarchy, which is MANO's own order of joints.

    They begin with the motion, so that the files of two hands play together; until a hand is seen it stands as it is
    seen first.
    """
    times = track.times_s
    count = round(times[-1] * rate) + 1
    grid = np.clip(np.arange(count) / rate, times[0], times[-1])
    wrists = track.wrists_m @ CAMERA_TO_SCENE.T * CM_PER_M
    columns = [np.stack([np.interp(grid, times, wrists[:, axis]) for axis in range(3)], 1)]
    for joint in range(16):
        rotations = rotations_of(track.poses_rad, joint)
        if joint == 0:
            rotations = Rotation.from_matrix(CAMERA_TO_SCENE) * rotations
        on_grid = Slerp(times, rotations)(grid) if len(times) > 1 else rotations[np.zeros(count, int)]
        columns.append(without_jumps(on_grid.as_euler(EULER_ORDER, degrees=True)))
    return np.concatenate(columns, 1)


def without_jumps(angles_deg: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """The same rotations with each frame's angles next to those before, for programs that interpolate the channels.

    A rotation has the angles (a, b, c) and (a + 180, 180 - b, c + 180), each plus any whole turns; of these the nearest
    is taken (Diebel, Representing Attitude, 2006, section 8: the two solutions of every Tait-Bryan sequence).
    """
    result = np.array(angles_deg, np.float64)
    for before, angles in pairwise(result):
        other = angles * (1.0, -1.0, 1.0) + 180.0
        nearest = [choice + 360.0 * np.round((before - choice) / 360.0) for choice in (angles, other)]
        angles[:] = min(nearest, key=lambda choice: float(np.abs(choice - before).max()))
    return result
