"""The compiled loops of posing a hand: rotations one by one, the layer, and the One-Euro filter of a whole hand.

One call does what would be dozens of small NumPy calls. Each of those holds the interpreter lock for its few
microseconds and has to wait for it again while other threads compute, so in the live window they cost far more than
their work. The formulas are those of ``hand.rotations``, ``hand.layer`` and ``hand.one_euro``, and tests hold them to
these. It is one file because numba's cache of a function does not notice changes to functions of other files.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from hand.joints import FROM_MANO_WITH_TIPS, MANO_PARENTS

_PARENTS: Final = np.array(MANO_PARENTS)
_COMMON_ORDER: Final = np.array(FROM_MANO_WITH_TIPS)

# they keep the interpreter lock: reacquiring it would take longer than any of them
_jit = numba.njit(cache=True, error_model="numpy")


@_jit
def _quaternion_of_axis_angle(x: float, y: float, z: float) -> tuple[float, float, float, float]:
    squared = x * x + y * y + z * z
    if squared < 1e-8:
        ratio, scalar = 0.5 - squared / 48.0, 1.0 - squared / 8.0
    else:
        angle = np.sqrt(squared)
        ratio, scalar = np.sin(0.5 * angle) / angle, np.cos(0.5 * angle)
    return scalar, x * ratio, y * ratio, z * ratio


@_jit
def _axis_angle_of_quaternion(w: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    sine_half = np.sqrt(x * x + y * y + z * z)
    ratio = 2.0 if sine_half < 1e-7 else 2.0 * np.arctan2(sine_half, w) / sine_half
    return x * ratio, y * ratio, z * ratio


@_jit
def _quaternion_of_matrix(m: np.ndarray) -> tuple[float, float, float, float]:
    """Shepperd's method: from the largest of w, x, y and z."""
    a, b, c = float(m[0, 0]), float(m[1, 1]), float(m[2, 2])
    trace = a + b + c
    wx, wy, wz = float(m[2, 1] - m[1, 2]), float(m[0, 2] - m[2, 0]), float(m[1, 0] - m[0, 1])
    xy, xz, yz = float(m[0, 1] + m[1, 0]), float(m[0, 2] + m[2, 0]), float(m[1, 2] + m[2, 1])
    if trace >= a and trace >= b and trace >= c:
        w, x, y, z = 1.0 + trace, wx, wy, wz
    elif a >= b and a >= c:
        w, x, y, z = wx, 1.0 - trace + 2.0 * a, xy, xz
    elif b >= c:
        w, x, y, z = wy, xy, 1.0 - trace + 2.0 * b, yz
    else:
        w, x, y, z = wz, xz, yz, 1.0 - trace + 2.0 * c
    scale = 1.0 / np.sqrt(w * w + x * x + y * y + z * z)
    if w < 0.0:
        scale = -scale
    return w * scale, x * scale, y * scale, z * scale


@_jit
def axis_angles_of_matrices(matrices: np.ndarray, axis_angles: np.ndarray) -> None:
    """``hand.rotations.axis_angle_from_matrix`` of each of some matrices."""
    for k in range(len(matrices)):
        w, x, y, z = _quaternion_of_matrix(matrices[k])
        x, y, z = _axis_angle_of_quaternion(w, x, y, z)
        axis_angles[k, 0], axis_angles[k, 1], axis_angles[k, 2] = x, y, z


@_jit
def matrices_of_axis_angles(axis_angles: np.ndarray, matrices: np.ndarray) -> None:
    """``hand.rotations.matrix_from_axis_angle`` of each of some vectors."""
    for k in range(len(axis_angles)):
        x, y, z = float(axis_angles[k, 0]), float(axis_angles[k, 1]), float(axis_angles[k, 2])
        squared = x * x + y * y + z * z
        if squared < 1e-8:
            sine, cosine = 1.0 - squared / 6.0, 0.5 - squared / 24.0
        else:
            angle = np.sqrt(squared)
            half = np.sin(0.5 * angle) / angle
            sine, cosine = np.sin(angle) / angle, 2.0 * half * half
        one = 1.0 - cosine * squared
        matrices[k, 0, 0], matrices[k, 1, 1], matrices[k, 2, 2] = (
            one + cosine * x * x,
            one + cosine * y * y,
            one + cosine * z * z,
        )
        matrices[k, 0, 1], matrices[k, 1, 0] = cosine * x * y - sine * z, cosine * x * y + sine * z
        matrices[k, 0, 2], matrices[k, 2, 0] = cosine * x * z + sine * y, cosine * x * z - sine * y
        matrices[k, 1, 2], matrices[k, 2, 1] = cosine * y * z - sine * x, cosine * y * z + sine * x


@_jit
def shape_hand(template: np.ndarray, by_shape: np.ndarray, shape: np.ndarray, rest: np.ndarray) -> None:
    """The rest hand of one person: SMPL's equation 8.

    Args:
        template: (N,) coordinates of the average hand's vertices and joints, flattened.
        by_shape: (10, N) their displacements for each shape number; in this order the inner loop is contiguous and
            vectorised.
        shape: (10,) of the person.
        rest: (N,), written.
    """
    rest[:] = template
    for number in range(len(shape)):
        for n in range(len(rest)):
            rest[n] += shape[number] * by_shape[number, n]


@_jit
def pose_hand(
    rotations: np.ndarray,
    rest_vertices: np.ndarray,
    rest_joints: np.ndarray,
    bones: np.ndarray,
    corrective_starts: np.ndarray,
    corrective_joints: np.ndarray,
    correctives: np.ndarray,
    skin_starts: np.ndarray,
    skin_joints: np.ndarray,
    skin_weights: np.ndarray,
    tips: np.ndarray,
    translation: np.ndarray,
    wanted: np.ndarray,
    vertices: np.ndarray,
    joints: np.ndarray,
    turns: np.ndarray,
) -> None:
    """Poses a hand: SMPL's equations 2 to 6, over what is not zero.

    Args:
        rotations: (16, 3, 3) local rotations.
        rest_vertices: (V, 3) of the person.
        rest_joints: (16, 3) of the person.
        bones: (16, 3) each joint as seen from its parent.
        corrective_starts: (V + 1,) where each vertex' pose correctives begin.
        corrective_joints: which joint each corrective follows, 1 to 15.
        correctives: (., 9, 3) displacement per entry of that joint's rotation minus the identity.
        skin_starts: (V + 1,) where each vertex' skinning weights begin.
        skin_joints: which joint each weight is of.
        skin_weights: the weights.
        tips: (5,) vertices of the finger tips.
        translation: (3,) added in the end.
        wanted: mask of the vertices to pose.
        vertices: (V, 3), written for those of the mask; has to be there for the tips.
        joints: (21, 3), written, common order.
        turns: (16, 3, 3), written: orientations of the joints.
    """
    kind = vertices.dtype.type
    places, shifts = np.empty_like(rest_joints), np.empty_like(rest_joints)
    for joint in range(16):
        parent = _PARENTS[joint]
        for i in range(3):
            if joint == 0:
                for k in range(3):
                    turns[0, i, k] = rotations[0, i, k]
                places[0, i] = bones[0, i]
                continue
            for k in range(3):
                turns[joint, i, k] = (
                    turns[parent, i, 0] * rotations[joint, 0, k]
                    + turns[parent, i, 1] * rotations[joint, 1, k]
                    + turns[parent, i, 2] * rotations[joint, 2, k]
                )
            places[joint, i] = (
                turns[parent, i, 0] * bones[joint, 0]
                + turns[parent, i, 1] * bones[joint, 1]
                + turns[parent, i, 2] * bones[joint, 2]
                + places[parent, i]
            )
        for i in range(3):
            shifts[joint, i] = (
                places[joint, i]
                - turns[joint, i, 0] * rest_joints[joint, 0]
                - turns[joint, i, 1] * rest_joints[joint, 1]
                - turns[joint, i, 2] * rest_joints[joint, 2]
            )
    features = np.empty((16, 9), vertices.dtype)
    for joint in range(16):
        for i in range(3):
            for k in range(3):
                features[joint, 3 * i + k] = rotations[joint, i, k] - kind(1 if i == k else 0)
    blend = np.empty(12, vertices.dtype)
    for v in wanted:
        x, y, z = rest_vertices[v, 0], rest_vertices[v, 1], rest_vertices[v, 2]
        for c in range(corrective_starts[v], corrective_starts[v + 1]):
            joint = corrective_joints[c]
            for f in range(9):
                share = features[joint, f]
                x += share * correctives[c, f, 0]
                y += share * correctives[c, f, 1]
                z += share * correctives[c, f, 2]
        blend[:] = kind(0)
        for s in range(skin_starts[v], skin_starts[v + 1]):
            joint, weight = skin_joints[s], skin_weights[s]
            for i in range(3):
                for k in range(3):
                    blend[3 * i + k] += weight * turns[joint, i, k]
                blend[9 + i] += weight * shifts[joint, i]
        for i in range(3):
            vertices[v, i] = (
                blend[9 + i] + blend[3 * i] * x + blend[3 * i + 1] * y + blend[3 * i + 2] * z + translation[i]
            )
    for n in range(21):
        source = _COMMON_ORDER[n]
        for i in range(3):
            if source < 16:
                joints[n, i] = places[source, i] + translation[i]
            else:
                joints[n, i] = vertices[tips[source - 16], i]


@_jit
def _smoothing(cutoff_hz: float, seconds: float) -> float:
    """The weight of a new sample (Casiez 2012, eq. 5-6)."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * seconds))


@_jit
def filter_rotations(
    measured: np.ndarray,
    quaternions: np.ndarray,
    velocities: np.ndarray,
    trends: np.ndarray,
    seconds: float,
    min_cutoff_hz: float,
    speed_gain: float,
    speed_cutoff_hz: float,
    trend_share: float,
    trend_cutoff_hz: float,
    filtered: np.ndarray,
) -> None:
    """A step of ``hand.one_euro.RotationOneEuroFilter``.

    Args:
        measured: (N, 3) axis-angle vectors.
        quaternions: (N, 4) of the filtered rotations; replaced by the new ones.
        velocities: (N, 3) filtered angular velocities, radians per second; replaced.
        trends: (N, 3) angular velocities of the filtered rotations, radians per second; replaced.
        seconds: since the last step, more than zero.
        min_cutoff_hz: see ``hand.one_euro.OneEuroSettings``.
        speed_gain: see there.
        speed_cutoff_hz: see there.
        trend_share: see there.
        trend_cutoff_hz: see there.
        filtered: (N, 3), written.
    """
    speed_weight, trend_weight = _smoothing(speed_cutoff_hz, seconds), _smoothing(trend_cutoff_hz, seconds)
    before = np.empty(4)
    for n in range(len(measured)):
        q, velocity, trend = quaternions[n], velocities[n], trends[n]
        target = _quaternion_of_axis_angle(float(measured[n, 0]), float(measured[n, 1]), float(measured[n, 2]))
        turn = _turn_between(q, target)
        for i in range(3):
            velocity[i] += speed_weight * (turn[i] / seconds - velocity[i])
        speed = np.sqrt(velocity[0] ** 2 + velocity[1] ** 2 + velocity[2] ** 2)
        before[:] = q
        if trend_share > 0.0:
            ahead = trend_share * seconds
            _turn_by(q, ahead * trend[0], ahead * trend[1], ahead * trend[2])
        _step_towards(q, target, _smoothing(min_cutoff_hz + speed_gain * speed, seconds))
        moved = _turn_between(before, (q[0], q[1], q[2], q[3]))
        for i in range(3):
            trend[i] += trend_weight * (moved[i] / seconds - trend[i])
        filtered[n, 0], filtered[n, 1], filtered[n, 2] = _axis_angle_of_quaternion(q[0], q[1], q[2], q[3])


@_jit
def _turn_between(q: np.ndarray, target: tuple[float, float, float, float]) -> tuple[float, float, float]:
    """The axis-angle vector of conj(q) * target: the turn from q to the target, in q's own axes."""
    w, x, y, z = target
    return _axis_angle_of_quaternion(
        q[0] * w + q[1] * x + q[2] * y + q[3] * z,
        q[0] * x - q[1] * w - q[2] * z + q[3] * y,
        q[0] * y + q[1] * z - q[2] * w - q[3] * x,
        q[0] * z - q[1] * y + q[2] * x - q[3] * w,
    )


@_jit
def _turn_by(q: np.ndarray, rx: float, ry: float, rz: float) -> None:
    """Turns q by an axis-angle vector in its own axes."""
    w, x, y, z = _quaternion_of_axis_angle(rx, ry, rz)
    a, b, c, d = q[0], q[1], q[2], q[3]
    q[0] = a * w - b * x - c * y - d * z
    q[1] = a * x + b * w + c * z - d * y
    q[2] = a * y - b * z + c * w + d * x
    q[3] = a * z + b * y - c * x + d * w


@_jit
def _step_towards(q: np.ndarray, target: tuple[float, float, float, float], share: float) -> None:
    """The spherical step (Shoemake 1985) of q to a share of the way, along the shorter arc."""
    w, x, y, z = target
    dot = q[0] * w + q[1] * x + q[2] * y + q[3] * z
    if dot < 0.0:
        w, x, y, z, dot = -w, -x, -y, -z, -dot
    half_angle = np.arccos(min(dot, 1.0))
    sine = np.sin(half_angle)
    if sine < 1e-6:
        keep, take = 1.0 - share, share
    else:
        keep, take = np.sin((1.0 - share) * half_angle) / sine, np.sin(share * half_angle) / sine
    w, x, y, z = keep * q[0] + take * w, keep * q[1] + take * x, keep * q[2] + take * y, keep * q[3] + take * z
    length = np.sqrt(w * w + x * x + y * y + z * z)
    q[0], q[1], q[2], q[3] = w / length, x / length, y / length, z / length


@_jit
def filter_vectors(
    measured: np.ndarray,
    values: np.ndarray,
    speeds: np.ndarray,
    trends: np.ndarray,
    seconds: float,
    min_cutoff_hz: float,
    speed_gain: float,
    speed_cutoff_hz: float,
    trend_share: float,
    trend_cutoff_hz: float,
) -> None:
    """A step of ``hand.one_euro.OneEuroFilter`` for each of some vectors.

    Args:
        measured: (N, D) the measurements.
        values: (N, D) the filtered vectors; replaced by the new ones.
        speeds: (N, D) filtered speeds per second; replaced.
        trends: (N, D) speeds of the filtered vectors, per second; replaced.
        seconds: since the last step, more than zero.
        min_cutoff_hz: see ``hand.one_euro.OneEuroSettings``.
        speed_gain: see there.
        speed_cutoff_hz: see there.
        trend_share: see there.
        trend_cutoff_hz: see there.
    """
    count, width = measured.shape
    speed_weight, trend_weight = _smoothing(speed_cutoff_hz, seconds), _smoothing(trend_cutoff_hz, seconds)
    for n in range(count):
        squared = 0.0
        for d in range(width):
            speeds[n, d] += speed_weight * ((measured[n, d] - values[n, d]) / seconds - speeds[n, d])
            squared += speeds[n, d] * speeds[n, d]
        share = _smoothing(min_cutoff_hz + speed_gain * np.sqrt(squared), seconds)
        for d in range(width):
            before = values[n, d]
            ahead = before + trend_share * seconds * trends[n, d]
            values[n, d] = ahead + share * (measured[n, d] - ahead)
            trends[n, d] += trend_weight * ((values[n, d] - before) / seconds - trends[n, d])
