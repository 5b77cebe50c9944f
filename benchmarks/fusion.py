"""The fused hand beside both paths and their plain mean, on renderings, photographs and a moving hand.

    python -m benchmarks.fusion [--pictures 200] [--labels FILE --photographs DIR] [--cases DIR] [--clip 240]

It prints

* renderings with ground truth in 3D, as a webcam shows hands and in the wild pose set (fingers bent anyhow, from any
  side): mean error of the joints, Procrustes-aligned and from the wrist. Once over the hands that both paths find on
  the true side, and once over all pictures, where a path without a hand gets the error of a resting hand; there the
  output of the program is measured, with its fallbacks. A "label" is made of the hands of both paths as
  ``python -m trainer fuse-labels`` makes it;
* photographs with labels in the picture (``main_v2.py predict --method ik --looks 5``): mean distance of the projected
  joints over the hand's box. The labels are MediaPipe's, as a mean over several copies, so they favour IK;
* errors of the confident half of the fused hands over those of the other half, beside that of an order by the true
  errors, which no confidence can beat;
* a moving rendered hand: jitter and lag (by cross-correlation of the joints' velocity with the truth's) of what is
  shown of each path and of the fused hand;
* milliseconds for the fusion of one hand, beside those of one inverse-kinematics solution in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.machine import describe_machine
from app.pipeline.fused_track import WEIGHTS_FILE, fusion_settings
from app.pipeline.output_reason import OutputMode
from app.pipeline.output_selector import OutputChooser, OutputSettings
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, ik_path_factory, network_path_factory
from app.pipeline.paths.smoothing import Smoothing, smoothed
from benchmarks.fusion_cases import (
    FusionCase,
    both_states,
    gathered_cases,
)
from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.metrics import aligned, distances, jitter_mm
from hand.types import Frame, HandObservation, HandState, PathId, PathResult
from ik_baseline.solver import IkSolver
from inference.fusion_weights import load_weights
from inference.hand_fusion import HandFusion
from trainer.fuse_labels import LabelFusion
from trainer.synthetic.moving_hand import MovingHand

SEEDS = {"ordinary": 920_001, "wild": 920_002}
CLIP_SEED = 920_003

METHODS = ("network", "ik", "plain mean", "fused", "label")

_MM_PER_M = 1000.0
_LONGEST_LAG = 6


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fusion")
    parser.add_argument("--pictures", type=int, default=200, help="of each set")
    parser.add_argument("--labels", type=Path, help="2D labels of photographs, written by predict --looks")
    parser.add_argument("--photographs", type=Path, help="the folder these were written for")
    parser.add_argument("--cases", type=Path, help="file of the paths' results; read if it exists")
    parser.add_argument("--clip", type=int, default=240, help="frames of the moving hand; 0 leaves it out")
    options = parser.parse_args()
    print(describe_machine()["processor"])
    fusion = HandFusion(load_embedded_model(), load_weights(WEIGHTS_FILE))
    sets = gathered_cases(SEEDS, options)
    for name, cases in sets.items():
        _print_set(name, cases, fusion)
    if options.clip:
        _print_clip(options.clip)
    _print_cost(sets["ordinary"], fusion)


def _print_set(name: str, cases: Sequence[FusionCase], fusion: HandFusion) -> None:
    both = [case for case in cases if both_states(case) is not None]
    truth_3d = both[0].joints_m is not None
    print(f"\n{name}: {len(cases)} pictures, {len(both)} hands that both paths see on the true side")
    labels = LabelFusion(load_embedded_model())
    errors: dict[str, list[tuple[float, float]]] = {method: [] for method in METHODS}
    confidences, own = [], []
    for case in both:
        states = both_states(case)
        assert states is not None
        fused = fusion.fuse(*states, case.intrinsics)
        # prediction files hold the hands alone, without the paths' own 2D joints
        network, ik = (replace(state, seen_px=None, seen_sigma_px=None) for state in states)
        label = labels.fuse(network, ik, case.intrinsics) or ik
        joints_of_methods = (*_joints_of(states), _plain_mean(states), _joints(fused), _joints(label))
        hands = dict(zip(METHODS, joints_of_methods, strict=True))
        for method, joints in hands.items():
            errors[method].append(_errors(joints, case))
        confidences.append(fused.confidence)
        own.append(states[0].confidence)
    means = {method: np.array(values).mean(0) for method, values in errors.items()}
    medians = {method: np.median(np.array(values), axis=0) for method, values in errors.items()}
    if truth_3d:
        print("             PA, mm (median)    from the wrist, mm")
        for method in METHODS:
            print(f"{method:<12} {means[method][0]:6.2f} ({medians[method][0]:5.2f})     {means[method][1]:6.2f}")
    else:
        print("             2D over the box (median)")
        for method in METHODS:
            print(f"{method:<12} {means[method][0]:.4f} ({medians[method][0]:.4f})")
    better = min(means["network"][0], means["ik"][0])
    print(f"fused over the better path: {means['fused'][0] / better - 1.0:+.1%}")
    fused_errors = errors["fused"]
    print(f"confident half over the other half, network: {_halves(own, errors['network']):.2f}")
    print(f"confident half over the other half, fused: {_halves(confidences, fused_errors):.2f}", end="")
    print(f" (by the true errors: {_halves([-error for error, _ in fused_errors], fused_errors):.2f})")
    if truth_3d:
        _print_all(cases, fusion)


def _print_all(cases: Sequence[FusionCase], fusion: HandFusion) -> None:
    """All pictures, with the output as the program makes it."""
    model = load_embedded_model()
    settings = fusion_settings(model)
    rest = np.asarray(HandLayer(model)(np.zeros(48), np.zeros(10)).joints_m, np.float64)
    errors: dict[str, list[float]] = {"network": [], "ik": [], "output": []}
    followed: dict[str, int] = {}
    for case in cases:
        states: dict[PathId, HandState] = {
            path_id: hand.state for path_id, hand in (("network", case.network), ("ik", case.ik)) if hand is not None
        }
        camera = case.intrinsics
        frame = Frame(0, 0, np.zeros((camera.height_px, camera.width_px, 3), np.uint8), camera, case.name)
        results: dict[PathId, PathResult] = {
            path_id: PathResult(frame, path_id, (states[path_id],) if path_id in states else ())
            for path_id in ("network", "ik")
        }
        outputs = OutputChooser(model, OutputSettings(mode=OutputMode.FUSED), settings).choose(frame, results)
        shown = {"network": states.get("network"), "ik": states.get("ik"), "output": None}
        if outputs:
            shown["output"] = outputs[0].state
            followed[outputs[0].origin] = followed.get(outputs[0].origin, 0) + 1
        for method, state in shown.items():
            errors[method].append(_errors(rest if state is None else _joints(state), case)[0])
    print("all pictures, PA in mm: " + ", ".join(f"{name} {np.mean(values):.2f}" for name, values in errors.items()))
    print("the output is " + ", ".join(f"{name} {count}" for name, count in sorted(followed.items())))


def _joints(state: HandState) -> np.ndarray:
    return np.asarray(state.joints_m, np.float64)


def _joints_of(states: tuple[HandState, HandState]) -> tuple[np.ndarray, np.ndarray]:
    return _joints(states[0]), _joints(states[1])


def _plain_mean(states: tuple[HandState, HandState]) -> np.ndarray:
    """Half way between the joints of the network and those of IK, laid onto them."""
    network, ik = _joints_of(states)
    return 0.5 * (network + aligned(ik, network))


def _errors(joints: np.ndarray, case: FusionCase) -> tuple[float, float]:
    """PA and wrist-relative error in mm; without a truth in 3D, the 2D error over the box twice."""
    if case.joints_m is None:
        box = float(np.ptp(case.joints_px, axis=0).max())
        error = float(np.linalg.norm(project(joints, case.intrinsics) - case.joints_px, axis=1).mean() / box)
        return error, error
    truth = case.joints_m
    from_wrist = distances(joints - joints[0], truth - truth[0])
    return (
        float(distances(aligned(joints, truth), truth).mean() * _MM_PER_M),
        float(from_wrist.mean() * _MM_PER_M),
    )


def _halves(confidences: Sequence[float], errors: Sequence[tuple[float, float]]) -> float:
    """Mean error of the more confident half over that of the other half."""
    order = np.argsort(-np.array(confidences), kind="stable")
    first = np.array(errors)[:, 0]
    half = len(order) // 2
    return float(first[order[:half]].mean() / first[order[half:]].mean())


def _print_clip(frames: int) -> None:
    """A moving hand, as the program shows it: filtered, followed from frame to frame."""
    model, smoothing = load_embedded_model(), Smoothing()
    clip = MovingHand(model, CLIP_SEED, frames)
    paths = {
        "network": smoothed(network_path_factory(SHIPPED_NETWORK_DIR, model, 1), model, smoothing)(),
        "ik": smoothed(ik_path_factory(model, 1), model, smoothing)(),
    }
    chooser = OutputChooser(model, OutputSettings(mode=OutputMode.FUSED), fusion_settings(model, smoothing))
    shown: dict[str, list[np.ndarray]] = {"network": [], "ik": [], "fused": [], "truth": []}
    for index in range(frames):
        sample = clip.frame(index)
        picture = np.ascontiguousarray(sample.image_rgb)
        frame = Frame(index, round(index * 1e9 / 30.0), picture, sample.intrinsics, "clip")
        results: dict[PathId, PathResult] = {}
        for path in paths.values():
            result = path.process(frame)
            results[result.path_id] = result
        outputs = chooser.choose(frame, results)
        states = [results["network"].states, results["ik"].states, tuple(output.state for output in outputs)]
        joints = [np.full((21, 3), np.nan) if not one else _joints(one[0]) for one in states]
        for name, values in zip(shown, (*joints, np.asarray(sample.joints_m, np.float64)), strict=True):
            shown[name].append(values - values[0])
    for path in paths.values():
        path.close()
    arrays = {name: np.array(values) for name, values in shown.items()}
    seen = np.isfinite(arrays["network"] + arrays["ik"] + arrays["fused"]).all((1, 2))
    print(f"\na moving hand, {frames} frames, {seen.mean():.0%} with all: as shown, about the wrist")
    print("          jitter, mm/f²   lag, frames   error, mm")
    for name in ("network", "ik", "fused"):
        values, truth = arrays[name][seen], arrays["truth"][seen]
        error = float(distances(values, truth).mean() * _MM_PER_M)
        print(f"{name:<9} {jitter_mm(values - truth):8.3f}       {_lag(values, truth):8.2f}      {error:7.2f}")


def _lag(values: np.ndarray, truth: np.ndarray) -> float:
    """Frames by which a movement comes later than the true one: where their velocities correlate best."""
    moved, true = np.diff(values, axis=0), np.diff(truth, axis=0)
    scores = []
    for lag in range(-_LONGEST_LAG, _LONGEST_LAG + 1):
        first, second = (moved[lag:], true[: len(true) - lag]) if lag >= 0 else (moved[:lag], true[-lag:])
        scores.append(float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum())))
    best = int(np.argmax(scores))
    if not 0 < best < len(scores) - 1:
        return float(best - _LONGEST_LAG)
    before, at, after = scores[best - 1 : best + 2]
    # the vertex of the parabola through the three best
    return best - _LONGEST_LAG + 0.5 * (before - after) / (before - 2.0 * at + after)


def _print_cost(cases: Sequence[FusionCase], fusion: HandFusion) -> None:
    """What a fusion costs, with its mesh, and what one solution of the IK solver does."""
    pairs = [(states, case.intrinsics) for case in cases if (states := both_states(case)) is not None][:100]
    solver = IkSolver(load_embedded_model())
    spent: dict[str, list[float]] = {"fusion": [], "ik": []}
    for (network, ik), camera in pairs * 3:
        started_s = time.perf_counter()
        fusion.fuse(network, ik, camera)
        spent["fusion"].append(time.perf_counter() - started_s)
        observation = _observation(ik, camera)
        started_s = time.perf_counter()
        solver.solve(observation, camera)
        spent["ik"].append(time.perf_counter() - started_s)
    median = {name: 1e3 * float(np.median(values)) for name, values in spent.items()}
    print(
        f"\none hand's fusion with its mesh: {median['fusion']:.2f} ms (median), "
        f"{median['fusion'] / median['ik']:.2f} of an IK solution from nothing ({median['ik']:.2f} ms)"
    )


def _observation(state: HandState, camera: Intrinsics) -> HandObservation:
    pixels = np.asarray(project(_joints(state), camera))
    joints = _joints(replace(state))
    return HandObservation("right", 1.0, pixels, joints - joints.mean(0), crop_around(pixels, 1.5))


if __name__ == "__main__":
    main()
