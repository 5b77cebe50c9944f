"""The IK solver beside its peers, and the tracker on pictures; all in this run, on one thread.

Run ``python -m benchmarks.ik``. It prints, as medians:

* reachable targets (the hand layer's own joints, hand moving some 18 mm a frame): time and joint error of a warm
  solve, a cold solve, scipy's ``least_squares`` with the same residuals and Jacobian, and 30 Adam iterations through a
  torch hand layer, each started from the previous frame;
* pictures (the demo clip, and the development clips where they are): reprojection over the hand's box, and the
  jitter of a still, noisy picture beside that of MediaPipe's own landmarks.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import torch  # before MediaPipe: its compiler library must not come after
from scipy.optimize import least_squares

from app.machine import describe_machine
from benchmarks.clip_pictures import clip_pictures
from hand.anatomy import rotations_from_angles
from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.metrics import jitter_mm
from hand.rotations import matrix_from_axis_angle
from hand.torch_layer import TorchHandLayer
from hand.types import Frame, HandObservation
from ik_baseline.detector import CROP_EXPANSION
from ik_baseline.kernel import UNKNOWNS, State, residuals_and_jacobian
from ik_baseline.landmark_correction import photograph_correction
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolution, IkSolver
from ik_baseline.tracker import IkTracker
from ik_baseline.warm_start import WarmStart

ROOT = Path(__file__).resolve().parent.parent
CAMERA = Intrinsics.from_fov(640, 480)
CLIPS, FRAMES = 4, 240
MOST_PICTURES = 400
"""Of a clip."""

PEER_EVERY = 12
"""Slow peers solve every so many frames; all of them still start one frame away."""


@dataclass(frozen=True)
class Target:
    """A hand that the model can reach exactly.

    Attributes:
        joints_m: 21 joints, camera axes.
        observation: of a perfect detector.
    """

    joints_m: np.ndarray
    observation: HandObservation


def smooth_motion(solver: IkSolver, seed: int) -> list[Target]:
    """A lively hand: every angle swings between anatomical bounds at 0.2 to 0.8 Hz, 30 frames a second."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(FRAMES) / 30.0

    def swing(low: float, high: float) -> np.ndarray:
        frequency, phase = rng.uniform(0.2, 0.8), rng.uniform(0.0, 2.0 * np.pi)
        return low + (high - low) * (0.5 + 0.5 * np.sin(2.0 * np.pi * frequency * seconds + phase))

    angles = np.zeros((FRAMES, 16, 3))
    for joint in range(1, 13):
        angles[:, joint, 0] = swing(0.0, 0.9 if joint % 3 == 0 else 1.4)
        if joint % 3 == 1:
            angles[:, joint, 1] = swing(-0.2, 0.2)
    angles[:, 13] = np.stack([swing(-0.2, 0.7), swing(-0.4, 0.4), swing(-0.2, 0.1)], 1)
    angles[:, 14, 0], angles[:, 15, 0] = swing(-0.1, 0.8), swing(-0.1, 0.9)
    rotations = rotations_from_angles(angles, solver.chain.axes)
    facing = matrix_from_axis_angle(np.array([0.0, 0.0, np.pi / 2])) @ matrix_from_axis_angle(
        np.array([np.pi / 2, 0.0, 0.0])
    )
    turns = np.stack([swing(-0.8, 0.8), swing(-1.0, 1.0), swing(-0.8, 0.8)], 1)
    rotations[:, 0] = matrix_from_axis_angle(turns) @ facing
    places = np.stack([swing(-0.1, 0.1), swing(-0.1, 0.1), swing(0.4, 0.6)], 1)
    layer = HandLayer(solver.model, np.float64)
    return [_target(layer.from_matrices(rotations[i], np.zeros(10), places[i]).joints_m) for i in range(FRAMES)]


def _target(joints_m: np.ndarray) -> Target:
    pixels = project(joints_m, CAMERA)
    # a detector places a hand at the picture's edge on its own optical axis: undo the solver's correction of that
    center = pixels.mean(0)
    ray = np.array([(center[0] - CAMERA.cx_px) / CAMERA.fx_px, (center[1] - CAMERA.cy_px) / CAMERA.fy_px, 1.0])
    axis = np.cross([0.0, 0.0, 1.0], ray / np.linalg.norm(ray))
    turn = matrix_from_axis_angle(axis / np.linalg.norm(axis) * np.arcsin(np.linalg.norm(axis)))
    world = (joints_m - joints_m.mean(0)) @ turn
    return Target(joints_m, HandObservation("right", 1.0, pixels, world, crop_around(pixels, CROP_EXPANSION)))


class ScipyPeer:
    """``scipy.optimize.least_squares`` on the same residuals, priors, limits and Jacobian."""

    def __init__(self, solver: IkSolver) -> None:
        self._solver = solver

    def solve(self, observation: HandObservation, start: State) -> np.ndarray:
        """Joints in camera axes."""
        chain, target = self._solver.chain, self._solver.target(observation, CAMERA)
        weights = np.sqrt(self._solver.prior_weights())
        low, high = np.full(UNKNOWNS, -np.inf), np.full(UNKNOWNS, np.inf)
        low[3:48], high[3:48] = chain.lower - 1e-9, chain.upper + 1e-9

        def state(x: np.ndarray) -> State:
            return State(matrix_from_axis_angle(x[:3]) @ start.rotation, x[3:48], x[48:51], x[51:54], float(x[54]))

        def residuals(x: np.ndarray) -> np.ndarray:
            return np.concatenate([residuals_and_jacobian(chain, state(x), target)[0], weights * x])

        def jacobian(x: np.ndarray) -> np.ndarray:
            found = residuals_and_jacobian(chain, state(x), target)[1]
            found[:, :3] = found[:, :3] @ _left_jacobian(x[:3])
            return np.concatenate([found, np.diag(weights)])

        x0 = np.concatenate([np.zeros(3), start.angles, start.wrist, start.centre, [start.log_scale]])
        solved = state(least_squares(residuals, x0, jacobian, bounds=(low, high), x_scale="jac", ftol=1e-4).x)
        rotations = rotations_from_angles(
            np.concatenate([np.zeros(3), solved.angles]).reshape(16, 3), self._solver.chain.axes
        )
        rotations[0] = solved.rotation
        layer = HandLayer(self._solver.model, np.float64)
        return layer.from_matrices(rotations, np.zeros(10), solved.wrist - chain.rest_joints[0]).joints_m


def _left_jacobian(vector: np.ndarray) -> np.ndarray:
    """Of SO(3) (Sola et al. 2018, "A micro Lie theory", eq. 145): how exp moves with its argument."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-6:
        return np.eye(3) + 0.5 * skew
    first, second = (1.0 - np.cos(angle)) / angle**2, (angle - np.sin(angle)) / angle**3
    return np.eye(3) + first * skew + second * skew @ skew


class AdamPeer:
    """Thirty Adam iterations through a torch hand layer, as the forerunner of this program solved."""

    ITERATIONS = 30

    def __init__(self, solver: IkSolver) -> None:
        self._layer = TorchHandLayer(solver.model)
        self._shape = torch.zeros(1, 10)

    def solve(self, target: Target, start: IkSolution) -> np.ndarray:
        """Joints in camera axes; world landmarks relative to the wrist, and reprojection, like the solver's."""
        pose = torch.tensor(start.pose_rad[None], dtype=torch.float32, requires_grad=True)
        place = torch.tensor(start.camera_translation_m[None], dtype=torch.float32, requires_grad=True)
        world = torch.tensor(target.joints_m - target.joints_m[0], dtype=torch.float32)
        pixels = torch.tensor(target.observation.landmarks_px, dtype=torch.float32)
        metres_per_px = float(target.joints_m[0, 2]) / CAMERA.fx_px
        optimizer = torch.optim.Adam([{"params": [pose], "lr": 0.03}, {"params": [place], "lr": 0.005}])
        for _ in range(self.ITERATIONS):
            optimizer.zero_grad()
            joints = self._layer.from_axis_angle(pose, self._shape, place).joints_m[0]
            u = CAMERA.fx_px * joints[:, 0] / joints[:, 2] + CAMERA.cx_px
            v = CAMERA.fy_px * joints[:, 1] / joints[:, 2] + CAMERA.cy_px
            flat = ((torch.stack([u, v], 1) - pixels) * metres_per_px).square().sum()
            loss = 1e4 * ((joints - joints[0] - world).square().sum() + flat)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            return self._layer.from_axis_angle(pose, self._shape, place).joints_m[0].numpy().astype(np.float64)


class Stopwatch:
    """Times and errors of one way to solve."""

    def __init__(self) -> None:
        self.times_ms: list[float] = []
        self.errors_mm: list[float] = []

    def run(self, solve: Callable[[], np.ndarray], truth_m: np.ndarray) -> None:
        """Solves once."""
        start = time.perf_counter()
        joints = solve()
        self.times_ms.append((time.perf_counter() - start) * 1e3)
        self.errors_mm.append(float(np.linalg.norm(joints - truth_m, axis=1).mean()) * 1e3)


def reachable_targets(solver: IkSolver) -> None:
    """Times and errors on exact targets."""
    watches = {name: Stopwatch() for name in ("warm", "cold", "scipy least_squares (trf)", "torch, 30 Adam steps")}
    scipy_peer, adam_peer = ScipyPeer(solver), AdamPeer(solver)
    moved = []
    for seed in range(CLIPS):
        targets = smooth_motion(solver, seed)
        steps = pairwise(targets)
        moved.append(np.mean([np.linalg.norm(b.joints_m - a.joints_m, axis=1).mean() for a, b in steps]) * 1e3)
        previous = solver.solve(targets[0].observation, CAMERA)
        for number, target in enumerate(targets[1:]):
            truth, observation, before = target.joints_m, target.observation, previous
            if number % PEER_EVERY == 0:
                watches["cold"].run(lambda o=observation: solver.solve(o, CAMERA).joints_m, truth)
                watches["scipy least_squares (trf)"].run(
                    lambda o=observation, b=before: scipy_peer.solve(o, b.warm.state), truth
                )
                watches["torch, 30 Adam steps"].run(lambda t=target, b=before: adam_peer.solve(t, b), truth)
            solved: list[IkSolution] = []

            def warm(o: HandObservation = observation, w: WarmStart = before.warm, s: list = solved) -> np.ndarray:
                s.append(solver.solve(o, CAMERA, w))
                return s[0].joints_m

            watches["warm"].run(warm, truth)
            previous = solved[0]
    print(f"reachable targets, {CLIPS} clips of {FRAMES} frames, joints move {np.mean(moved):.1f} mm a frame")
    base = float(np.median(watches["warm"].times_ms))
    for name, watch in watches.items():
        milliseconds = float(np.median(watch.times_ms))
        median, worst = np.percentile(watch.errors_mm, (50, 95))
        print(
            f"  {name:26s} {milliseconds:8.3f} ms {milliseconds / base:7.1f} x warm   joint error {median:.4f} mm "
            f"median, {worst:.3f} mm 95th percentile"
        )


def tracked(
    tracker: IkTracker, pictures: Sequence[np.ndarray], camera: Intrinsics
) -> Iterator[tuple[HandObservation, np.ndarray, np.ndarray, dict[str, float]]]:
    """Observation, joints in metres and in the picture, and timings of every picture with a hand."""
    for number, picture in enumerate(pictures):
        result = tracker.process(Frame(number, number * 33_000_000, picture, camera, "clip"))
        for state, observation in zip(result.states[:1], result.observations, strict=False):
            joints = state.joints_m.astype(np.float64)
            yield observation, joints, project(joints, camera), dict(result.timings_ms)


def uncorrected(observation: HandObservation, camera: Intrinsics) -> HandObservation:
    """The detector's landmarks as they are."""
    return observation


def pictures(path: Path, camera: Intrinsics | None = None) -> None:
    """Reprojection over a clip, and jitter on one of its frames."""
    frames = list(islice(clip_pictures(path), MOST_PICTURES))
    height, width = frames[0].shape[:2]
    camera = camera or Intrinsics.from_fov(width, height)
    model = load_embedded_model()
    print(f"{path.name}, {width} x {height}, {len(frames)} frames")
    offsets, bare = HandCalibration.default(model), HandCalibration.without_offsets(model)
    for name, calibration, correct in (
        ("as it runs", offsets, photograph_correction),
        ("landmarks as they are", offsets, uncorrected),
        ("without offsets", bare, photograph_correction),
    ):
        with IkTracker(model, calibration=calibration, correct=correct) as tracker:
            gaps, expected, world_mm, timings = [], [], [], []
            for observation, _, joints_px, timing in tracked(tracker, frames, camera):
                box = float(np.ptp(observation.landmarks_px, axis=0).max())
                gaps.append(np.linalg.norm(joints_px - observation.landmarks_px, axis=1).mean() / box)
                alone = tracker.solver.solve(correct(observation, camera), camera)
                landmarks_px = project(alone.landmarks_m, camera)
                expected.append(np.linalg.norm(landmarks_px - observation.landmarks_px, axis=1).mean() / box)
                world_mm.append(alone.world_residual_m.mean() * 1e3)
                timings.append(timing)
        stages = ", ".join(f"{key} {np.median([t[key] for t in timings]):.2f}" for key in timings[0])
        print(
            f"  {name:22s} found {len(gaps)}; over the box: model joints {np.median(gaps):.4f}, joints plus offsets "
            f"{np.median(expected):.4f}, to the world landmarks {np.median(world_mm):.2f} mm; ms: {stages}"
        )
    still = frames[len(frames) * 2 // 3]
    rng = np.random.default_rng(0)
    noisy = [np.clip(still + rng.normal(0.0, 4.0, still.shape), 0, 255).astype(np.uint8) for _ in range(90)]
    with IkTracker(model) as tracker:
        found = list(tracked(tracker, noisy, camera))[15:]
    if len(found) < 30:
        print("  still frame: no hand found in it")
        return
    seen_px = np.array([observation.landmarks_px for observation, *_ in found])
    ours_px = np.array([joints_px for _, _, joints_px, _ in found])
    seen_m = np.array([o.world_landmarks_m - o.world_landmarks_m[0] for o, *_ in found])
    ours_m = np.array([joints - joints[0] for _, joints, _, _ in found])
    # jitter_mm turns metres into mm; pixels are given to it as they are
    in_picture = f"MediaPipe {jitter_mm(seen_px) / 1e3:.3f} px, ours {jitter_mm(ours_px) / 1e3:.3f} px"
    from_wrist = f"MediaPipe {jitter_mm(seen_m):.3f} mm, ours {jitter_mm(ours_m):.3f} mm"
    print(f"  still frame with camera noise, jitter (second difference): {in_picture}; from the wrist {from_wrist}")


def main() -> None:
    """Prints everything."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    machine = describe_machine()
    print(f"{machine['processor']}, {machine['cores']} cores, one used, load {os.getloadavg()[0]:.1f}")
    model = load_embedded_model()
    solver = IkSolver(model, HandCalibration.without_offsets(model))
    solver.warm_up()
    reachable_targets(solver)
    demo = ROOT / "assets" / "demo" / "demo.mp4"
    if demo.is_file():
        pictures(demo, Intrinsics.from_fov(640, 480, 60.0))
    for clip in sorted((ROOT.parent / "shared" / "real" / "clips").glob("*.mp4")):
        pictures(clip)


if __name__ == "__main__":
    main()
