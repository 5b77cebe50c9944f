"""The numerical core, compiled: posed landmarks, their analytic Jacobian, and the damped Gauss-Newton loop.

Everything here works on a right hand in camera axes, in metres, float64, on plain arrays gathered in named tuples; it
releases the interpreter lock, so the window stays responsive while it runs. ``ik_baseline.solver`` wraps it. It
is one file because numba's cache of a function does not notice changes to functions of other files.

The unknowns, in this order (:data:`UNKNOWNS` in all):

* ``0:3`` turn of the whole hand: exp(increment) @ R_global, camera axes;
* ``3:48`` 15 joints x (flexion, abduction, twist), the anatomical angles of ``hand.anatomy``: limits are bounds and
  priors are a diagonal on them;
* ``48:51`` wrist in the camera, metres;
* ``51:54`` the detector's hand centre relative to the wrist, metres;
* ``54`` logarithm of the scale between the detector's metres and this hand's.

The residuals: 21 x 3 world landmarks, then 21 x 2 reprojections, each divided by its standard deviation.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from hand.landmark_offsets import BONE_OF_LANDMARK

UNKNOWNS = 55
WORLD_ROWS = 63
ROWS = WORLD_ROWS + 42

_POSE = 3
_WRIST = 48
_CENTRE = 51
_SCALE = 54

# Arrays are copied element by element below: numba takes ten seconds to compile one slice assignment between arrays
_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


class Chain(NamedTuple):
    """One person's hand at rest, as far as landmarks need it.

    Attributes:
        rest_joints: (16, 3) rest joints, MANO order, metres.
        axes: (16, 3, 3) anatomical axes of each joint in the rest frame: columns flexion, abduction, twist.
        tip_rest: (5, 3) finger-tip vertices of the shaped rest mesh, thumb to pinky.
        tip_correctives: (5, 3, 135) their pose-corrective directions.
        tip_weights: (5, 16) their skinning weights.
        offsets: (21, 3) landmark minus joint in rest axes, turning with the bone the landmark rides on.
        lower: (45,) smallest joint angles, radians.
        upper: (45,) largest joint angles, radians.
    """

    rest_joints: np.ndarray
    axes: np.ndarray
    tip_rest: np.ndarray
    tip_correctives: np.ndarray
    tip_weights: np.ndarray
    offsets: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


class Target(NamedTuple):
    """What was observed of a right hand (a left one comes mirrored).

    Attributes:
        world: (21, 3) landmarks in metres, camera axes, any origin.
        pixels: (21, 2) landmarks in the picture.
        world_precision: (3,) one over the standard deviation of the world landmarks along each camera axis, 1/m.
        pixel_precision: one over the standard deviation in the picture, 1/px.
        camera: (4,) fx, fy, cx, cy in pixels.
    """

    world: np.ndarray
    pixels: np.ndarray
    world_precision: np.ndarray
    pixel_precision: float
    camera: np.ndarray


class State(NamedTuple):
    """Values of the unknowns.

    Attributes:
        rotation: (3, 3) rest frame to camera axes.
        angles: (45,) anatomical joint angles, radians.
        wrist: (3,) wrist in the camera, metres.
        centre: (3,) detector's hand centre relative to the wrist, metres.
        log_scale: logarithm of this hand's metres over the detector's.
    """

    rotation: np.ndarray
    angles: np.ndarray
    wrist: np.ndarray
    centre: np.ndarray
    log_scale: float


class Prior(NamedTuple):
    """The prior: a Gaussian about rest angles, and one about the previous frame.

    Attributes:
        angles: (45,) where joint angles are drawn to.
        angle_weights: (45,) one over their variance.
        previous: the previous frame's state.
        information: (55, 55) inverse covariance of the change since then; zeros for a first frame.
        scale_weight: one over the variance of ``log_scale``.
    """

    angles: np.ndarray
    angle_weights: np.ndarray
    previous: State
    information: np.ndarray
    scale_weight: float


class Fit(NamedTuple):
    """The result of the loop.

    Attributes:
        state: the best one.
        points: (21, 3) model joints, wrist at the origin.
        landmarks: (21, 3) where the detector's landmarks are expected, wrist at the origin.
        residuals: (105,) in standard deviations.
        information: (55, 55) information of the landmarks about the unknowns (J^T W J), for the next frame's prior.
        iterations: steps taken.
    """

    state: State
    points: np.ndarray
    landmarks: np.ndarray
    residuals: np.ndarray
    information: np.ndarray
    iterations: int


_PARENTS = np.array((-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14))
# landmarks 0-20 as rows of [16 MANO joints, tips thumb .. pinky]
_POINT_OF_LANDMARK = np.array((0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20))


@_jit
def _fill_turn(x, y, z, out):  # type: ignore[no-untyped-def]
    """Rotation matrix of a rotation vector (Rodrigues' formula)."""
    squared = x * x + y * y + z * z
    if squared < 1e-8:
        s, t = 1.0 - squared / 6.0, 0.5 - squared / 24.0
    else:
        angle = np.sqrt(squared)
        s, t = np.sin(angle) / angle, (1.0 - np.cos(angle)) / squared
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - t * (y * y + z * z), t * x * y - s * z, t * x * z + s * y
    out[1, 0], out[1, 1], out[1, 2] = t * x * y + s * z, 1.0 - t * (x * x + z * z), t * y * z - s * x
    out[2, 0], out[2, 1], out[2, 2] = t * x * z - s * y, t * y * z + s * x, 1.0 - t * (x * x + y * y)


@_jit
def _fill_joint_turn(flexion, abduction, twist, turn, turn_axes):  # type: ignore[no-untyped-def]
    """Ry(abduction) Rz(twist) Rx(flexion), and the axis each angle turns about (``hand.anatomy``'s order).

    The outermost angle turns about its own fixed axis, an inner one about its axis carried along by the outer ones.
    """
    ca, sa = np.cos(abduction), np.sin(abduction)
    ct, st = np.cos(twist), np.sin(twist)
    cf, sf = np.cos(flexion), np.sin(flexion)
    turn[0, 0], turn[0, 1], turn[0, 2] = ca * ct, sa * sf - ca * st * cf, sa * cf + ca * st * sf
    turn[1, 0], turn[1, 1], turn[1, 2] = st, ct * cf, -ct * sf
    turn[2, 0], turn[2, 1], turn[2, 2] = -sa * ct, ca * sf + sa * st * cf, ca * cf - sa * st * sf
    turn_axes[0, 0], turn_axes[1, 0], turn_axes[2, 0] = ca * ct, st, -sa * ct
    turn_axes[0, 1], turn_axes[1, 1], turn_axes[2, 1] = 0.0, 1.0, 0.0
    turn_axes[0, 2], turn_axes[1, 2], turn_axes[2, 2] = sa, 0.0, ca


@_jit
def _product(first, second, out):  # type: ignore[no-untyped-def]
    for r in range(3):
        for c in range(3):
            out[r, c] = first[r, 0] * second[0, c] + first[r, 1] * second[1, c] + first[r, 2] * second[2, c]


@_jit
def pose_landmarks(chain, rotation, angles):  # type: ignore[no-untyped-def]
    """Poses the hand about its wrist.

    Args:
        chain: the hand.
        rotation: (3, 3) rest frame to camera axes.
        angles: (45,) anatomical joint angles, radians.

    Returns:
        points: (21, 3) model joints, common order, wrist at the origin (tips as the skinned mesh has them).
        joints: (16, 3) the same of the MANO joints.
        world: (16, 3, 3) orientation of each joint.
        turn_axes: (16, 3, 3) column c of joint j: the axis, in camera axes, that its angle c turns about.
    """
    local = np.empty((16, 3, 3))
    world = np.empty((16, 3, 3))
    turn_axes = np.empty((16, 3, 3))
    joints = np.zeros((16, 3))
    turn = np.empty((3, 3))
    own_axes = np.empty((3, 3))
    scratch = np.empty((3, 3))
    for r in range(3):
        for c in range(3):
            world[0, r, c] = rotation[r, c]
    for j in range(1, 16):
        parent = world[_PARENTS[j]]
        axes = chain.axes[j]
        _fill_joint_turn(angles[3 * j - 3], angles[3 * j - 2], angles[3 * j - 1], turn, own_axes)
        _product(axes, turn, scratch)
        _product(scratch, axes.T, local[j])
        _product(parent, local[j], world[j])
        _product(axes, own_axes, scratch)
        _product(parent, scratch, turn_axes[j])
        for r in range(3):
            joints[j, r] = joints[_PARENTS[j], r]
            for c in range(3):
                joints[j, r] += parent[r, c] * (chain.rest_joints[j, c] - chain.rest_joints[_PARENTS[j], c])
    feature = np.empty(135)
    for j in range(1, 16):
        for r in range(3):
            for c in range(3):
                feature[9 * (j - 1) + 3 * r + c] = local[j, r, c] - (1.0 if r == c else 0.0)
    points = np.zeros((21, 3))
    for k in range(21):
        point = _POINT_OF_LANDMARK[k]
        if point < 16:
            for r in range(3):
                points[k, r] = joints[point, r]
            continue
        tip = point - 16
        corrected = np.empty(3)
        for r in range(3):
            corrected[r] = chain.tip_rest[tip, r]
            for i in range(135):
                corrected[r] += chain.tip_correctives[tip, r, i] * feature[i]
        for j in range(16):
            weight = chain.tip_weights[tip, j]
            if weight != 0.0:
                for r in range(3):
                    value = joints[j, r]
                    for c in range(3):
                        value += world[j, r, c] * (corrected[c] - chain.rest_joints[j, c])
                    points[k, r] += weight * value
    return points, joints, world, turn_axes


@_jit
def local_rotation_vectors(chain, rotation, angles):  # type: ignore[no-untyped-def]
    """The pose as MANO has it.

    Args:
        chain: the hand.
        rotation: (3, 3) rest frame to camera axes.
        angles: (45,) anatomical joint angles, radians.

    Returns:
        (16, 3) rotation vectors of length at most pi: the first that of the whole hand, the others local.
    """
    vectors = np.empty((16, 3))
    turn, turn_axes, scratch, local = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    _fill_rotation_vector(rotation, vectors[0])
    for j in range(1, 16):
        axes = chain.axes[j]
        _fill_joint_turn(angles[3 * j - 3], angles[3 * j - 2], angles[3 * j - 1], turn, turn_axes)
        _product(axes, turn, scratch)
        _product(scratch, axes.T, local)
        _fill_rotation_vector(local, vectors[j])
    return vectors


@_jit
def _fill_rotation_vector(m, out):  # type: ignore[no-untyped-def]
    """Through the quaternion, by its largest component (Shepperd 1978), so that every angle keeps its precision."""
    a, b, c = m[0, 0], m[1, 1], m[2, 2]
    trace = a + b + c
    wx, wy, wz = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    if trace >= a and trace >= b and trace >= c:
        w, x, y, z = 1.0 + trace, wx, wy, wz
    elif a >= b and a >= c:
        w, x, y, z = wx, 1.0 - trace + 2.0 * a, xy, xz
    elif b >= c:
        w, x, y, z = wy, xy, 1.0 - trace + 2.0 * b, yz
    else:
        w, x, y, z = wz, xz, yz, 1.0 - trace + 2.0 * c
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    length = np.sqrt(w * w + x * x + y * y + z * z)
    sine_half = np.sqrt(x * x + y * y + z * z)
    # angle / sin(angle / 2) tends to 2 as the angle goes to 0; atan2 keeps full precision near pi
    ratio = 2.0 / length if sine_half < 1e-7 * length else 2.0 * np.arctan2(sine_half, w) / sine_half
    out[0], out[1], out[2] = x * ratio, y * ratio, z * ratio


@_jit
def residual_lengths(residuals, world_precision, pixel_precision):  # type: ignore[no-untyped-def]
    """Error of each landmark: (21,) metres to the world landmarks, (21,) pixels in the picture."""
    world, pixels = np.empty(21), np.empty(21)
    for k in range(21):
        squared = 0.0
        for r in range(3):
            squared += (residuals[3 * k + r] / world_precision[r]) ** 2
        world[k] = np.sqrt(squared)
        u, v = residuals[WORLD_ROWS + 2 * k], residuals[WORLD_ROWS + 2 * k + 1]
        pixels[k] = np.sqrt(u * u + v * v) / pixel_precision
    return world, pixels


@_jit
def _offset_landmarks(chain, points, world):  # type: ignore[no-untyped-def]
    """Expected places of the detector's landmarks on the posed hand."""
    landmarks = points.copy()
    for k in range(21):
        bone = world[BONE_OF_LANDMARK[k]]
        for r in range(3):
            for c in range(3):
                landmarks[k, r] += bone[r, c] * chain.offsets[k, c]
    return landmarks


@_jit
def _fill_residuals(landmarks, state, target, residuals):  # type: ignore[no-untyped-def]
    scale = np.exp(state.log_scale)
    fx, fy, cx, cy = target.camera
    for k in range(21):
        for r in range(3):
            gap = landmarks[k, r] - state.centre[r] - scale * target.world[k, r]
            residuals[3 * k + r] = gap * target.world_precision[r]
        depth = max(landmarks[k, 2] + state.wrist[2], 1e-3)
        u = fx * (landmarks[k, 0] + state.wrist[0]) / depth + cx
        v = fy * (landmarks[k, 1] + state.wrist[1]) / depth + cy
        residuals[WORLD_ROWS + 2 * k] = (u - target.pixels[k, 0]) * target.pixel_precision
        residuals[WORLD_ROWS + 2 * k + 1] = (v - target.pixels[k, 1]) * target.pixel_precision


@_jit
def _fill_reprojection_rows(jacobian, k, column, moved, projection):  # type: ignore[no-untyped-def]
    """Chain rule through the camera: ``moved`` is the derivative of the point by the unknown in ``column``."""
    for r in range(2):
        row = WORLD_ROWS + 2 * k + r
        jacobian[row, column] = projection[r, r] * moved[r] + projection[r, 2] * moved[2]


@_jit
def _fill_jacobian(landmarks, joints, turn_axes, state, target, jacobian):  # type: ignore[no-untyped-def]
    """Derivatives of the residuals; a tip is taken to move with its last bone, everything else is exact."""
    scale = np.exp(state.log_scale)
    fx, fy = target.camera[0], target.camera[1]
    precision = target.world_precision
    moved = np.empty(3)
    projection = np.zeros((2, 3))
    jacobian[:] = 0.0
    for k in range(21):
        x, y, z = landmarks[k, 0], landmarks[k, 1], landmarks[k, 2]
        inverse_depth = 1.0 / max(z + state.wrist[2], 1e-3)
        projection[0, 0] = fx * inverse_depth * target.pixel_precision
        projection[1, 1] = fy * inverse_depth * target.pixel_precision
        projection[0, 2] = -projection[0, 0] * (x + state.wrist[0]) * inverse_depth
        projection[1, 2] = -projection[1, 1] * (y + state.wrist[1]) * inverse_depth
        for axis in range(3):  # the whole hand turns about the wrist: e_axis x landmark
            moved[axis] = 0.0
            moved[(axis + 1) % 3] = -landmarks[k, (axis + 2) % 3]
            moved[(axis + 2) % 3] = landmarks[k, (axis + 1) % 3]
            for r in range(3):
                jacobian[3 * k + r, axis] = moved[r] * precision[r]
            _fill_reprojection_rows(jacobian, k, axis, moved, projection)
        joint = BONE_OF_LANDMARK[k]
        while joint > 0:
            dx, dy, dz = x - joints[joint, 0], y - joints[joint, 1], z - joints[joint, 2]
            for angle in range(3):
                ax, ay, az = turn_axes[joint, 0, angle], turn_axes[joint, 1, angle], turn_axes[joint, 2, angle]
                moved[0], moved[1], moved[2] = ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx
                column = _POSE + 3 * (joint - 1) + angle
                for r in range(3):
                    jacobian[3 * k + r, column] = moved[r] * precision[r]
                _fill_reprojection_rows(jacobian, k, column, moved, projection)
            joint = _PARENTS[joint]
        for r in range(3):
            jacobian[3 * k + r, _CENTRE + r] = -precision[r]
            jacobian[3 * k + r, _SCALE] = -scale * target.world[k, r] * precision[r]
            for q in range(2):
                jacobian[WORLD_ROWS + 2 * k + q, _WRIST + r] = projection[q, r]


@_jit
def residuals_and_jacobian(chain, state, target):  # type: ignore[no-untyped-def]
    """Residuals (105,) and their Jacobian (105, 55) at a state; not weighted, no priors."""
    points, joints, world, turn_axes = pose_landmarks(chain, state.rotation, state.angles)
    landmarks = _offset_landmarks(chain, points, world)
    residuals = np.empty(ROWS)
    jacobian = np.empty((ROWS, UNKNOWNS))
    _fill_residuals(landmarks, state, target, residuals)
    _fill_jacobian(landmarks, joints, turn_axes, state, target, jacobian)
    return residuals, jacobian


@_jit
def _median(values):  # type: ignore[no-untyped-def]
    """Middle of 21 values; an insertion sort, because numba's own median takes seconds to compile."""
    ordered = np.empty(21)
    for i in range(21):
        j = i
        while j > 0 and ordered[j - 1] > values[i]:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = values[i]
    return ordered[10]


@_jit
def _fill_robust_weights(residuals, floor, weights):  # type: ignore[no-untyped-def]
    """Geman-McClure weights (1987), one a landmark and kind of observation, on an adaptive scale.

    The scale follows the median, so a hand that merely moved fast keeps all its landmarks, and one landmark that
    disagrees with the other twenty loses its weight.
    """
    squared = np.empty(21)
    for kind in range(2):
        width = 3 - kind
        start = WORLD_ROWS * kind
        for k in range(21):
            squared[k] = 0.0
            for r in range(width):
                squared[k] += residuals[start + width * k + r] ** 2
        scale = max(floor * floor, 6.0 * _median(squared))
        for k in range(21):
            weight = 1.0 / (1.0 + squared[k] / scale) ** 2
            for r in range(width):
                weights[start + width * k + r] = weight


@_jit
def _fill_change(state, prior, change):  # type: ignore[no-untyped-def]
    """Change of every unknown since the previous frame.

    The turn is sin(angle) times the axis of R R_previous^T, which is the rotation vector for the small turns on which
    the prior has any weight.
    """
    previous = prior.previous
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        change[axis] = 0.0
        for c in range(3):
            difference = state.rotation[b, c] * previous.rotation[a, c] - state.rotation[a, c] * previous.rotation[b, c]
            change[axis] += 0.5 * difference
        change[_WRIST + axis] = state.wrist[axis] - previous.wrist[axis]
        change[_CENTRE + axis] = state.centre[axis] - previous.centre[axis]
    for i in range(45):
        change[_POSE + i] = state.angles[i] - previous.angles[i]
    change[_SCALE] = state.log_scale - previous.log_scale


@_jit
def _cost(residuals, weights, state, prior, change):  # type: ignore[no-untyped-def]
    total = prior.scale_weight * state.log_scale**2
    for row in range(ROWS):
        total += weights[row] * residuals[row] ** 2
    for i in range(45):
        total += prior.angle_weights[i] * (state.angles[i] - prior.angles[i]) ** 2
    for i in range(UNKNOWNS):
        for j in range(UNKNOWNS):
            total += change[i] * prior.information[i, j] * change[j]
    return total


@_jit
def _solve_positive(matrix, right_side):  # type: ignore[no-untyped-def]
    """Solves a positive-definite system in place by Cholesky factors; False when it is not positive definite."""
    size = len(right_side)
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if total <= 0.0:
                    return False
                matrix[i, i] = np.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(size):
        for k in range(i):
            right_side[i] -= matrix[i, k] * right_side[k]
        right_side[i] /= matrix[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            right_side[i] -= matrix[k, i] * right_side[k]
        right_side[i] /= matrix[i, i]
    return True


@_jit
def _normal_equations(residuals, jacobian, weights, state, prior, change):  # type: ignore[no-untyped-def]
    """J^T W J, the same with the priors added, and the gradient."""
    weighted = np.empty((ROWS, UNKNOWNS))
    gradient = np.zeros(UNKNOWNS)
    for row in range(ROWS):
        for i in range(UNKNOWNS):
            weighted[row, i] = jacobian[row, i] * weights[row]
            gradient[i] += weighted[row, i] * residuals[row]
    seen = np.dot(weighted.T, jacobian)
    matrix = seen.copy()
    for i in range(UNKNOWNS):
        for j in range(UNKNOWNS):
            matrix[i, j] += prior.information[i, j]
            gradient[i] += prior.information[i, j] * change[j]
    for i in range(45):
        matrix[_POSE + i, _POSE + i] += prior.angle_weights[i]
        gradient[_POSE + i] += prior.angle_weights[i] * (state.angles[i] - prior.angles[i])
    matrix[_SCALE, _SCALE] += prior.scale_weight
    gradient[_SCALE] += prior.scale_weight * state.log_scale
    return seen, matrix, gradient


@_jit
def _hold_at_limits(chain, state, matrix, gradient):  # type: ignore[no-untyped-def]
    """Takes angles that press against a limit out of the step (active set of a bound-constrained problem)."""
    for i in range(45):
        pressed_low = state.angles[i] <= chain.lower[i] and gradient[_POSE + i] > 0.0
        pressed_high = state.angles[i] >= chain.upper[i] and gradient[_POSE + i] < 0.0
        if pressed_low or pressed_high:
            matrix[_POSE + i, :] = 0.0
            matrix[:, _POSE + i] = 0.0
            matrix[_POSE + i, _POSE + i] = 1.0
            gradient[_POSE + i] = 0.0


@_jit
def _stepped(chain, state, step):  # type: ignore[no-untyped-def]
    """The state after a step, joint angles kept inside their limits."""
    turn = np.empty((3, 3))
    rotation = np.empty((3, 3))
    angles = np.empty(45)
    wrist = np.empty(3)
    centre = np.empty(3)
    _fill_turn(step[0], step[1], step[2], turn)
    _product(turn, state.rotation, rotation)
    for i in range(45):
        angles[i] = min(max(state.angles[i] + step[_POSE + i], chain.lower[i]), chain.upper[i])
    for axis in range(3):
        wrist[axis] = state.wrist[axis] + step[_WRIST + axis]
        centre[axis] = state.centre[axis] + step[_CENTRE + axis]
    return State(rotation, angles, wrist, centre, state.log_scale + step[_SCALE])


@_jit
def minimise(chain, target, prior, state, max_iterations, robust_floor):  # type: ignore[no-untyped-def]
    """Levenberg-Marquardt with robust re-weighting and limits.

    Args:
        chain: the hand.
        target: what was observed.
        prior: of the angles, and of the previous frame.
        state: where to start; angles inside the limits.
        max_iterations: Gauss-Newton steps at most.
        robust_floor: robust weights start to fall at this many standard deviations, or later when all landmarks are
            off.

    Returns:
        The :class:`Fit`.
    """
    residuals = np.empty(ROWS)
    trial_residuals = np.empty(ROWS)
    jacobian = np.empty((ROWS, UNKNOWNS))
    weights = np.empty(ROWS)
    change = np.empty(UNKNOWNS)
    points, joints, world, turn_axes = pose_landmarks(chain, state.rotation, state.angles)
    landmarks = _offset_landmarks(chain, points, world)
    _fill_residuals(landmarks, state, target, residuals)
    seen = np.zeros((UNKNOWNS, UNKNOWNS))
    damping = 1e-4
    iterations = 0
    converged = False
    while iterations < max_iterations and not converged:
        iterations += 1
        _fill_robust_weights(residuals, robust_floor, weights)
        _fill_jacobian(landmarks, joints, turn_axes, state, target, jacobian)
        _fill_change(state, prior, change)
        cost = _cost(residuals, weights, state, prior, change)
        seen, matrix, gradient = _normal_equations(residuals, jacobian, weights, state, prior, change)
        _hold_at_limits(chain, state, matrix, gradient)
        accepted = False
        for _ in range(6):
            damped = matrix.copy()
            for i in range(UNKNOWNS):
                damped[i, i] += damping * matrix[i, i] + 1e-9
            step = -gradient
            if _solve_positive(damped, step):
                trial = _stepped(chain, state, step)
                trial_points, trial_joints, trial_world, trial_axes = pose_landmarks(
                    chain, trial.rotation, trial.angles
                )
                trial_landmarks = _offset_landmarks(chain, trial_points, trial_world)
                _fill_residuals(trial_landmarks, trial, target, trial_residuals)
                _fill_change(trial, prior, change)
                trial_cost = _cost(trial_residuals, weights, trial, prior, change)
                if trial_cost < cost:
                    accepted = True
                    break
            damping = damping * 10.0
        if not accepted:
            break
        converged = cost - trial_cost < 1e-4 * trial_cost + 1e-4
        damping = max(damping * 0.2, 1e-7)
        state = trial
        points, joints, turn_axes, landmarks = trial_points, trial_joints, trial_axes, trial_landmarks
        residuals, trial_residuals = trial_residuals, residuals
    return Fit(state, points, landmarks, residuals, seen, iterations)
