"""Measures what each path is worth in which situation, and writes the weights that fuse them (``assets/fusion``).

    python -m benchmarks.fit_fusion_weights [--pictures 300] [--labels FILE --photographs DIR] [--cases DIR] [--out DIR]

Renderings have ground truth in 3D, but MediaPipe errs more on them than on people; the same renderings with corrected
landmarks (``corrected_landmarks.py``) stand for people. Photographs have labels in the picture alone, the mean of
several copies of MediaPipe and IK (``main_v2.py predict --method ik --looks 5``), which cannot decide between MediaPipe
and the network below their own error. A blind comparison can (``blind_tips.py``): both are about equally good, and the
shares on photographs are drawn to that (docs/fusion.md). Takes half an hour on one core; ``--cases`` keeps the paths'
results for the next run.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from app.machine import describe_machine
from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR
from assets import ASSETS_DIR
from benchmarks.fusion_cases import (
    CORRECTED_SETS,
    RENDERED_SETS,
    FusionCase,
    both_states,
    gathered_cases,
)
from hand.anatomy import joint_axes
from hand.atomic_file import write_text_atomically
from hand.camera import project
from hand.embedded import load_embedded_model
from hand.joints import FROM_MANO_WITH_TIPS, MANO_PARENTS
from hand.layer import HandLayer
from hand.metrics import aligned, distances
from hand.model import HandModel
from hand.types import HandState
from inference.fusion_kernel import HAND_FEATURES, JOINT_FEATURES
from inference.fusion_weights import FusionWeights, confidence_features
from inference.hand_fusion import HandFusion, PairSituation, joint_groups, relative_misfit

SEEDS = {"ordinary": 910_001, "wild": 910_002}

STARTING_BIAS = -1.5
STEPS, RATE = 300, 0.15

SLOPE_PENALTY, BIAS_PENALTY = 0.0002, 0.003
"""Of the squared parameters, in the unit of the relative error: ridge regression against overfitting to few cases."""

WEIGHTS_OF_SETS = {"ordinary": 1.0, "wild": 1.0, **dict.fromkeys((*CORRECTED_SETS, "photographs"), 0.4)}
"""Of the sets' relative errors. What stands for people counts less than renderings as they are, because it is less
certain: with equal weights the fused hand is 4 % worse than the network on ordinary renderings (2 % with these), and 11
instead of 7 % better in wild poses with corrected landmarks (measured with the network of part 15)."""

IK_SHARE_ON_PEOPLE = 0.4
"""The network is nearer to people's finger tips in six of ten cases (``benchmarks.blind_tips``: 22 of 37). No rendering
contains the network's own domain gap, from renderings to people, so that the fingers' share on photographs lies half
way between this one and the best one on renderings. The optimum is flat: if either is right, three quarters of the gain
are left."""

PHOTOGRAPH_WEIGHT = 0.2
"""Of a hand beside its best share on photographs, against the same relative error on renderings."""

BESIDE_MM = 8.8
"""A hand so far beside the pose of the best share counts as a relative error of 1: IK's PA-MPJPE on photographs of
people whose hands were measured with several cameras."""

LABEL_ERROR = 0.045
"""A 2D error of more than this share of the hand's box is an error of the hand, not of its label."""

PATHS_CORRELATE = 0.5
"""Assumed correlation of both paths' 2D errors on photographs, where both are equally near to people's finger tips
(``benchmarks.blind_tips``: 34 of 61 with two networks): half way between them the error is sqrt(0.75) of either's."""

PICTURE_START = (-0.5, -0.6, -0.7, 0.0)
PICTURE_BOUNDS = ((-8.0, 8.0), (-1.5, 1.5), (-1.6, 0.7), (0.0, 1.0))
"""Of IK's share of the 2D joints on the logistic scale, the logarithms of the factors of the network's 2D errors and of
the pose's deviations, and IK's share of the shape."""

PLACE_SLOPES_START = {"apart_px": -1.5, "apart_sigma": -1.5, "apart_form": -0.6}
"""IK's 2D joints count less the farther they are from the network's. Where the fit begins without this, the 2D joints
are weighed like nothing at the beginning and stay so: with one weight for all hands, they do more harm on renderings,
where MediaPipe errs, than good elsewhere."""

PICTURE_STEPS = 15

TIPS_AFTER = (15, 3, 6, 12, 9)
"""The last MANO joint of thumb, index, middle, ring and little finger."""

FORM_LIMITS_MM = (15.0, 20.0, 25.0, 30.0, 40.0)
TURN_LIMITS_RAD = (0.5, 0.7, 0.9, 1.2, 1.6)
"""From which distance on paths may contradict each other. Joints that are 40 mm apart in the mean, half a palm, belong
to different poses, and hands turned by 90 degrees against each other to different views; their mean is neither.
"""

RIGHT_MM, RIGHT_PX = 10.0, 0.04
"""A hand with a smaller error than this (PA, or in the picture over the box) is a right one for the confidence."""


@dataclass(eq=False)
class Pairs:
    """Hands that both paths see, as right hands of the true side, in tensors.

    Attributes:
        cases: what they come from.
        situations: their features.
        hand: (N, H).
        joints: (N, 16, J).
        apart: (N, 16, 3).
        rotations: (N, 16, 3, 3) of the network.
        rest: (N, 16, 3) joints of the network's shape at rest.
        tips: (N, 5, 3) finger tips at rest.
    """

    cases: list[FusionCase]
    situations: list[PairSituation]
    hand: Tensor
    joints: Tensor
    apart: Tensor
    rotations: Tensor
    rest: Tensor
    tips: Tensor


def gather(cases: Sequence[FusionCase], fusion: HandFusion, model: HandModel) -> Pairs:
    """The cases in which both paths see the hand."""
    kept = [case for case in cases if both_states(case) is not None]
    layer, tips = HandLayer(model, np.float64), list(model.tip_vertices)
    situations, rest, rest_tips = [], [], []
    for case in kept:
        states = both_states(case)
        assert states is not None
        situations.append(fusion.describe(*states, case.intrinsics))
        shaped = layer.shaped(states[0].shape)
        rest.append(shaped.joints_m)
        rest_tips.append(shaped.vertices_m[tips])
    stacked = [
        torch.tensor(np.array([getattr(one, name) for one in situations]))
        for name in ("hand", "joints", "apart_rad", "network_rotations")
    ]
    return Pairs(kept, situations, *stacked, torch.tensor(np.array(rest)), torch.tensor(np.array(rest_tips)))


class Shares(torch.nn.Module):
    """The logistic regression of ``inference.fusion_kernel.ik_shares``."""

    def __init__(self) -> None:
        super().__init__()
        features = len(HAND_FEATURES) + len(JOINT_FEATURES)
        self.bias = torch.nn.Parameter(torch.full((16, 3), STARTING_BIAS, dtype=torch.float64))
        self.slopes = torch.nn.Parameter(torch.zeros((4, features), dtype=torch.float64))
        self._groups = torch.tensor(joint_groups())

    def forward(self, pairs: Pairs) -> Tensor:
        """IK's shares, (N, 16, 3)."""
        hand = pairs.hand[:, None].expand(-1, 16, -1)
        total = (torch.cat([hand, pairs.joints], -1) * self.slopes[self._groups]).sum(-1, keepdim=True)
        return torch.sigmoid(self.bias + total)

    def penalty(self) -> Tensor:
        """Ridge; slopes to zero, biases to their mean."""
        spread = self.bias - self.bias.mean()
        return SLOPE_PENALTY * (self.slopes**2).sum() + BIAS_PENALTY * (spread**2).sum()


def joints_at(pairs: Pairs, shares: Tensor, axes: Tensor) -> Tensor:
    """Joints about the wrist, (N, 21, 3), of the mean pose with these shares."""
    rotations = pairs.rotations @ _exponential(((shares * pairs.apart)[..., None, :] * axes).sum(-1))
    return _skeleton(rotations, pairs.rest, pairs.tips)


def _exponential(turns: Tensor) -> Tensor:
    angle = turns.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    x, y, z = (turns / angle).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    angle = angle[..., None]
    return torch.eye(3, dtype=turns.dtype) + torch.sin(angle) * cross + (1.0 - torch.cos(angle)) * cross @ cross


def _skeleton(rotations: Tensor, rest: Tensor, tips: Tensor) -> Tensor:
    turns, places = [rotations[:, 0]], [torch.zeros_like(rest[:, 0])]
    for joint in range(1, 16):
        parent = MANO_PARENTS[joint]
        bone = (turns[parent] @ (rest[:, joint] - rest[:, parent])[..., None])[..., 0]
        turns.append(turns[parent] @ rotations[:, joint])
        places.append(places[parent] + bone)
    for tip, joint in enumerate(TIPS_AFTER):
        places.append(places[joint] + (turns[joint] @ (tips[:, tip] - rest[:, joint])[..., None])[..., 0])
    return torch.stack(places, 1)[:, list(FROM_MANO_WITH_TIPS)]


def _aligned_error_mm(joints: Tensor, target: Tensor) -> Tensor:
    """PA-MPJPE of each hand (``hand.metrics.aligned`` with a gradient)."""
    x, y = joints - joints.mean(1, keepdim=True), target - target.mean(1, keepdim=True)
    left, singular, right = torch.linalg.svd(x.transpose(1, 2) @ y)
    signs = torch.ones_like(singular)
    signs[:, 2] = torch.sign(torch.det(left @ right))
    scale = (singular * signs).sum(1) / (x * x).sum((1, 2))
    moved = scale[:, None, None] * (x @ ((left * signs[:, None]) @ right))
    return (moved - y).norm(dim=-1).mean(1) * 1e3


def _pose_errors_mm(joints: Tensor, target: Tensor) -> Tensor:
    """Mean error of the joints, aligned and from the wrist; only the second one contains the hand's orientation."""
    from_wrist = (joints - joints[:, :1]) - (target - target[:, :1])
    return torch.stack([_aligned_error_mm(joints, target).mean(), from_wrist.norm(dim=-1).mean() * 1e3])


def _picture_error(joints: Tensor, pairs: Pairs) -> Tensor:
    """2D error over the box of each hand, set to the network's wrist, then moved and scaled onto the label."""
    wrist = torch.tensor(np.array([case.network.state.joints_m[0] for case in pairs.cases]), dtype=torch.float64)
    placed = joints + wrist[:, None]
    slopes = placed[..., :2] / placed[..., 2:].clamp_min(0.02)
    focal = torch.tensor(np.array([case.intrinsics.fx_px for case in pairs.cases]))
    seen = slopes * focal[:, None, None]
    label = torch.tensor(np.array([case.joints_px for case in pairs.cases]))
    box = (label.amax(1) - label.amin(1)).amax(1)
    x, y = seen - seen.mean(1, keepdim=True), label - label.mean(1, keepdim=True)
    scale = (x * y).sum((1, 2)) / (x * x).sum((1, 2))
    return (scale[:, None, None] * x - y).norm(dim=-1).mean(1) / box


def constant_shares(pairs: Pairs, fingers: float, wrist: float) -> Tensor:
    """Shares that are the same for all hands: one for the joints of the fingers, one for the whole hand's turn."""
    shares = torch.full_like(pairs.apart, fingers)
    shares[:, 0] = wrist
    return shares


def best_constant_shares(sets: Sequence[Pairs], axes: Tensor) -> tuple[float, float]:
    """IK's shares of the least error, if they were the same for all hands.

    Args:
        sets: with ground truth in 3D; each counts as much as the others.
        axes: anatomical axes of the joints.

    Returns:
        Of the fingers' joints, by the aligned error; of the whole hand's turn, by the error from the wrist.
    """
    truths = [torch.tensor(np.array([case.joints_m for case in pairs.cases])) for pairs in sets]
    candidates = [(share, share) for share in np.linspace(0.0, 1.0, 21)]

    def best(candidates: Sequence[tuple[float, float]], measure: int) -> tuple[float, float]:
        total = np.zeros(len(candidates))
        for pairs, truth in zip(sets, truths, strict=True):
            errors = [
                float(_pose_errors_mm(joints_at(pairs, constant_shares(pairs, *shares), axes), truth)[measure])
                for shares in candidates
            ]
            total += np.array(errors) / errors[0]
        return candidates[int(total.argmin())]

    with torch.no_grad():
        fingers, _ = best(candidates, 0)
        return best([(fingers, wrist) for wrist, _ in candidates], 1)


def _states(pairs: Pairs) -> list[tuple[HandState, HandState]]:
    return [states for case in pairs.cases if (states := both_states(case)) is not None]


def _apart_mm(pairs: Pairs) -> np.ndarray:
    first, second = (np.array([states[k].joints_m for states in _states(pairs)], np.float64) for k in (0, 1))
    return distances(aligned(second, first), first).mean(1) * 1e3


def fit_shares(
    rendered: dict[str, Pairs], photographs: Pairs | None, axes: Tensor, fingers: float, wrist: float
) -> Shares:
    """Fits the shares: each set's errors over those of the network there.

    Args:
        rendered: by name, with ground truth in 3D.
        photographs: with labels in the picture.
        axes: anatomical axes of the joints.
        fingers: constant share of the fingers' joints that hands on photographs are drawn to.
        wrist: the same of the whole hand's turn.
    """
    shares = Shares()
    total_weight = sum(WEIGHTS_OF_SETS[name] for name in rendered)
    truths = {name: torch.tensor(np.array([case.joints_m for case in pairs.cases])) for name, pairs in rendered.items()}
    with torch.no_grad():
        usual = {
            name: _pose_errors_mm(joints_at(pairs, 0.0 * pairs.apart, axes), truths[name])
            for name, pairs in rendered.items()
        }
    target = None if photographs is None else joints_at(photographs, constant_shares(photographs, fingers, wrist), axes)
    optimizer = torch.optim.Adam(shares.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = shares.penalty()
        for name, pairs in rendered.items():
            errors = _pose_errors_mm(joints_at(pairs, shares(pairs), axes), truths[name])
            loss = loss + WEIGHTS_OF_SETS[name] / total_weight * (errors / usual[name]).mean()
        if photographs is not None and target is not None:
            joints = joints_at(photographs, shares(photographs), axes)
            gross = torch.relu(_picture_error(joints, photographs) - LABEL_ERROR).mean() / LABEL_ERROR
            beside = (joints - target).norm(dim=-1).square().mean() * 1e6 / BESIDE_MM**2
            loss = loss + gross + PHOTOGRAPH_WEIGHT * beside
        loss.backward()
        optimizer.step()
    return shares


def fused_hands(weights: FusionWeights, model: HandModel, pairs: Pairs) -> list[HandState]:
    """The fused hand of each pair."""
    fusion = HandFusion(model, weights)
    return [
        fusion.fuse(*states, case.intrinsics, situation=situation)
        for case, situation, states in zip(pairs.cases, pairs.situations, _states(pairs), strict=True)
    ]


def mean_error(hands: Sequence[HandState], pairs: Pairs) -> float:
    """The hands' error as :func:`fit_picture` minimises it, in a unit of the set.

    With a truth in 3D it is the mean of aligned and wrist-relative error in mm. On photographs of people both paths are
    about equally good in the picture, and the most probable place of a joint is the middle between theirs. If their
    errors have the variance 1 and the correlation r, those of the middle have (1 + r) / 2, and the mean square of a
    path's distance from it is (1 - r) / 2.
    """
    if pairs.cases[0].joints_m is None:
        triples = zip(hands, _states(pairs), pairs.cases, strict=True)
        gaps = np.array([[_from_middle(one, both, case) for one in (hand, both[0])] for hand, both, case in triples])
        of_hands, of_network = np.square(gaps).mean(0)
        r = PATHS_CORRELATE
        return float(np.sqrt(0.5 * (1.0 + r) + 0.5 * (1.0 - r) * of_hands / of_network))
    joints = np.array([hand.joints_m for hand in hands], np.float64)
    truth = np.array([case.joints_m for case in pairs.cases], np.float64)
    from_wrist = distances(joints - joints[:, :1], truth - truth[:, :1])
    return 0.5e3 * float(distances(aligned(joints, truth), truth).mean() + from_wrist.mean())


def _from_middle(hand: HandState, both: tuple[HandState, HandState], case: FusionCase) -> float:
    """Root mean square distance of the joints, in the picture, from the middle between both paths', over the box."""
    network, ik, fused = (project(np.asarray(one.joints_m, np.float64), case.intrinsics) for one in (*both, hand))
    box_px = float(np.ptp(case.joints_px, axis=0).max())
    return float(np.sqrt(np.square(fused - 0.5 * (network + ik)).sum(1).mean())) / box_px


def error_of(state: HandState, case: FusionCase) -> float:
    """PA error in mm where there is a truth in 3D, else the 2D error over the hand's box."""
    joints = np.asarray(state.joints_m, np.float64)
    if case.joints_m is not None:
        return float(distances(aligned(joints, case.joints_m), case.joints_m).mean() * 1e3)
    box = float(np.ptp(case.joints_px, axis=0).max())
    return float(np.linalg.norm(project(joints, case.intrinsics) - case.joints_px, axis=1).mean() / box)


def fit_picture(weights: FusionWeights, model: HandModel, sets: dict[str, Pairs]) -> FusionWeights:
    """Fits what the 2D joints are worth, and IK's share of the shape, by the errors of the fused hands.

    The errors are those of each set over the network's there; gradients are differences of the whole estimate.
    """
    usual = {name: mean_error([network for network, _ in _states(pairs)], pairs) for name, pairs in sets.items()}

    def with_numbers(numbers: np.ndarray) -> FusionWeights:
        bias, sigma_factor, prior_factor, shape_share, *slopes = numbers.tolist()
        return replace(
            weights,
            place_bias=bias,
            place_slopes=np.array(slopes),
            sigma_factor=float(np.exp(sigma_factor)),
            prior_factor=float(np.exp(prior_factor)),
            shape_share=shape_share,
        )

    def total(numbers: np.ndarray) -> float:
        tried = with_numbers(numbers)
        over = [mean_error(fused_hands(tried, model, pairs), pairs) / usual[name] for name, pairs in sets.items()]
        penalty = SLOPE_PENALTY * float(np.sum(numbers[len(PICTURE_START) :] ** 2))
        return float(np.average(over, weights=[WEIGHTS_OF_SETS[name] for name in sets])) + penalty

    slopes = np.array([PLACE_SLOPES_START.get(feature, 0.0) for feature in HAND_FEATURES])
    bounds = [*PICTURE_BOUNDS, *[(-4.0, 4.0)] * len(slopes)]
    found = minimize(
        total,
        np.concatenate([PICTURE_START, slopes]),
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": PICTURE_STEPS, "eps": 0.02},
    )
    print(f"  2D joints: {found.fun:.4f} after {found.nit} steps; the network alone 1")
    return with_numbers(found.x)


def logistic(features: np.ndarray, right: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Offset and slopes of a logistic regression with a ridge on the slopes, by Newton's method."""
    design = np.concatenate([np.ones((len(features), 1)), features], axis=1)
    ridge = penalty * np.diag([1e-6] + [1.0] * features.shape[1])
    values = np.zeros(design.shape[1])
    for _ in range(30):
        likely = 1.0 / (1.0 + np.exp(-design @ values))
        gradient = design.T @ (likely - right) + ridge @ values
        curvature = (design * (likely * (1.0 - likely))[:, None]).T @ design + ridge
        values -= np.linalg.solve(curvature, gradient)
    return values


def ranked_confidence(features: np.ndarray, error: np.ndarray) -> tuple[float, float, float]:
    """Offset and slopes of the confidence: the predicted size of the error, on the scale of a probability.

    A regression of the error's logarithm puts hands in their order better than one of right or wrong does; a logistic
    regression over its result then makes a probability of that.

    Args:
        features: (N, 2) of the hands.
        error: (N,) over the largest one of a right hand.
    """
    mean = features.mean(0)
    centered, target = features - mean, np.log(np.maximum(error, 1e-3))
    slopes = np.linalg.solve(centered.T @ centered + np.eye(centered.shape[1]), centered.T @ (target - target.mean()))
    offset, scale = _two(logistic((features @ slopes)[:, None], error < 1.0))
    first, second = _two(scale * slopes)
    return offset, first, second


def fit_confidences(weights: FusionWeights, model: HandModel, sets: Sequence[Pairs]) -> FusionWeights:
    """Fits the confidence of the fused hand and of each path alone, and when they contradict each other."""
    fused, alone, features, hands, forms, turns = [], [], [], [], [], []
    for pairs in sets:
        limit = RIGHT_PX if pairs.cases[0].joints_m is None else RIGHT_MM
        both, states = fused_hands(weights, model, pairs), _states(pairs)
        fused.append(np.array([error_of(hand, case) for hand, case in zip(both, pairs.cases, strict=True)]) / limit)
        alone.append(
            np.array([[error_of(s, case) for s in pair] for case, pair in zip(pairs.cases, states, strict=True)])
            / limit
        )
        features += [
            confidence_features(network.confidence, relative_misfit(hand.reprojection_px, np.asarray(hand.seen_px)))
            for (network, _), hand in zip(states, both, strict=True)
        ]
        hands.append(pairs.hand.numpy())
        forms += [situation.form_mm for situation in pairs.situations]
        turns += [situation.wrist_apart_rad for situation in pairs.situations]
    error, paths, hand = np.concatenate(fused), np.concatenate(alone), np.concatenate(hands)
    weights = replace(
        weights,
        confidence=ranked_confidence(np.array(features), error),
        network_credibility=_two(logistic(hand[:, :1], paths[:, 0] < 1.0)),
        ik_credibility=_two(logistic(hand[:, 1:2], paths[:, 1] < 1.0)),
    )
    pairs_of_states = [both for pairs in sets for both in _states(pairs)]
    advantage = [weights.network_advantage(network.confidence, ik.confidence) for network, ik in pairs_of_states]
    chosen = np.where(np.array(advantage) >= 0.0, paths[:, 0], paths[:, 1])
    farthest = _where_to_part(np.array(forms), error, chosen, FORM_LIMITS_MM)
    widest = _where_to_part(np.array(turns), error, chosen, TURN_LIMITS_RAD)
    return replace(weights, contradiction_mm=farthest, contradiction_rad=widest)


def _where_to_part(apart: np.ndarray, fused: np.ndarray, chosen: np.ndarray, limits: Sequence[float]) -> float:
    """The widest limit beyond which to follow the more credible path alone, among those that are about equally good.

    Few hands are so far apart that a limit concerns them, so which limit is best is mostly chance. The widest one is
    taken whose mean error over the same hands is worse than the best one's by at most two standard errors.
    """
    errors = np.array([np.where(apart > limit, chosen, fused) for limit in limits])
    best = errors[errors.mean(1).argmin()]
    widest = limits[0]
    for limit, one in zip(limits, errors, strict=True):
        worse, deviation = (one - best).mean(), (one - best).std() / np.sqrt(len(one))
        print(f"  apart by more than {limit:g}: {(apart > limit).mean():.1%} of the hands, mean error {one.mean():.4f}")
        if worse <= 2.0 * deviation:
            widest = limit
    return widest


def _two(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def main() -> None:
    """Gathers cases, fits and writes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_fusion_weights")
    parser.add_argument("--pictures", type=int, default=300, help="of each set")
    parser.add_argument("--labels", type=Path, help="2D labels of photographs, written by predict --looks")
    parser.add_argument("--photographs", type=Path, help="the folder these were written for")
    parser.add_argument("--cases", type=Path, help="file of the paths' results; read if it exists")
    parser.add_argument("--out", type=Path, default=ASSETS_DIR / "fusion")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = load_embedded_model()
    neutral = HandFusion(model, FusionWeights.of_one_path("network"))
    found = gathered_cases(SEEDS, options)
    sets = {name: gather(cases, neutral, model) for name, cases in found.items()}
    rendered = {name: sets[name] for name in RENDERED_SETS}
    photographs = sets.get("photographs")
    axes = torch.tensor(joint_axes(model))
    for name, pairs in sets.items():
        print(f"{name}: the paths are {float(np.sqrt(np.mean(_apart_mm(pairs) ** 2))):.1f} mm apart (rms)")
    best, wrist = best_constant_shares([rendered[name] for name in CORRECTED_SETS], axes)
    fingers = (best + IK_SHARE_ON_PEOPLE) / 2.0
    print(f"IK's best constant shares with corrected landmarks: fingers {best:.2f}, the whole hand's turn {wrist:.2f}")
    fitted = fit_shares(rendered, photographs, axes, fingers, wrist)
    weights = replace(
        FusionWeights.of_one_path("network"),
        bias=fitted.bias.detach().numpy(),
        slopes=fitted.slopes.detach().numpy(),
    )
    with torch.no_grad():
        for name, pairs in sets.items():
            print(f"{name}: IK's mean share {float(fitted(pairs).mean()):.2f}")
    weights = fit_picture(weights, model, sets)
    weights = fit_confidences(weights, model, list(sets.values()))
    options.out.mkdir(parents=True, exist_ok=True)
    weights.save(options.out / "weights.json")
    write_text_atomically(options.out / "card.md", card(weights, model, sets, (fingers, wrist), options.pictures))
    print(f"written to {options.out}")


def card(
    weights: FusionWeights, model: HandModel, sets: dict[str, Pairs], shares: tuple[float, float], pictures: int
) -> str:
    """What the weights are, for people."""
    rows = []
    for name, pairs in sets.items():
        unit, form = ("mm PA", "{:.2f}") if pairs.cases[0].joints_m is not None else ("of the box, 2D", "{:.4f}")
        alone = np.array(
            [[error_of(s, c) for s in states] for c, states in zip(pairs.cases, _states(pairs), strict=True)]
        ).mean(0)
        fused = [error_of(s, c) for s, c in zip(fused_hands(weights, model, pairs), pairs.cases, strict=True)]
        values = [form.format(value) for value in (*alone, float(np.mean(fused)))]
        rows.append(f"| {name} | {len(pairs.cases)} | {values[0]} | {values[1]} | {values[2]} | {unit} |")
    machine = describe_machine()
    network_digest = hashlib.sha256((SHIPPED_NETWORK_DIR / "network.onnx").read_bytes()).hexdigest()
    return f"""# What the fused hand's weights are

`weights.json` holds what each path is worth in which situation; `docs/fusion.md` has the equations.

```
python -m benchmarks.fit_fusion_weights --pictures {pictures} --labels LABELS.json --photographs FOLDER
```

Renderings: seeds {SEEDS["ordinary"]} (ordinary) and {SEEDS["wild"]} (wild poses from any side), {pictures} pictures
each, every other one a left hand. Photographs: pictures of people with labels in the picture of confidence 0.5 or
more, which `main_v2.py predict --method ik --looks 3` wrote: the set `counting` of the network's card, which the
network was not trained on. There IK's share of the fingers' joints is drawn to {shares[0]:.3f}, that of the whole
hand's turn to {shares[1]:.3f}.

The hands that were fitted, where both paths find the right side (`python -m benchmarks.fusion` measures on others):

| set | hands | network | IK | fused | |
|---|---|---|---|---|---|
{chr(10).join(rows)}

Made on {machine["processor"]}, with the network whose `network.onnx` has the SHA-256 {network_digest}.
"""


if __name__ == "__main__":
    main()
