"""Where the second camera stands, from a hand that moves before both: no board is needed.

Joints of both views at the same moments are point correspondences. A robust essential matrix (Nister 2004 with RANSAC,
OpenCV) gives the start, bundle adjustment with constant bone lengths the result, and one known length of the hand the
scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float

from app.two_views.bone_lengths import mean_lengths
from app.two_views.bundle_adjustment import EDGES, Correspondences, adjust, edge_lengths
from app.two_views.camera_pair import CameraPair
from app.two_views.evidence import PATHS, ViewTrack
from app.two_views.observer_noise import HIDDEN_ERROR, ObserverNoise, hand_size_px, measure_noise, relative_sigma
from app.two_views.triangulation import Sightings, linear_points, triangulate
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import ConfigError
from hand.layer import HandLayer
from hand.metrics import best_similarity

FEWEST_FRAMES: Final = 40
"""Frames in which both views show the hand."""

FRAMES_USED: Final = 80
"""Of all frames, so many that differ most are adjusted: more cost time and hardly change the result."""

LEAST_ANGLE_DEG: Final = 12.0
"""Cameras with nearly the same view of the hand determine its depth poorly."""

GOOD_MM: Final = 8.0
USABLE_MM: Final = 14.0

_FRAMES_OF_START: Final = 25
_PROPORTIONS_SHARE: Final = 0.2
_EQUAL_NOISE: Final = ObserverNoise({path: np.full(21, 0.03) for path in PATHS})

PALM_LENGTH_JOINTS: Final = (0, 9)
PALM_WIDTH_JOINTS: Final = (5, 17)


@dataclass(frozen=True, slots=True)
class KnownLength:
    """The length that gives a calibration its scale.

    Attributes:
        joints: the two joints.
        metres: the distance.
        source: where it is from, for people.
        uncertainty: standard deviation as a share.
    """

    joints: tuple[int, int]
    metres: float
    source: str
    uncertainty: float


@dataclass(frozen=True, slots=True, eq=False)
class PairCalibration:
    """Two calibrated cameras and how good that is.

    Attributes:
        pair: the cameras.
        length: what gave the scale.
        frames: how many it was solved over.
        epipolar_px: median distance of a pixel from the epipolar line of the other view's.
        angle_deg: between the two views at the hand.
        hand_m: where the hand was, first camera's axes.
        palm_m: length of the palm as triangulated, joints 0 to 9.
        repeat_mm: how far joints move in the hand between calibrations from two halves of the frames, median over 2.
        place_repeat_mm: how far the whole hand moves between them, median over 2.
        joint_mm: median expected error of a triangulated joint with the cameras taken as exact.
        noise: standard deviation of each path's joints.
        late_s: how much later the second view's clock is, see ``app.two_views.time_pairing``.
    """

    pair: CameraPair
    length: KnownLength
    frames: int
    epipolar_px: float
    angle_deg: float
    hand_m: Float[np.ndarray, "3"]
    palm_m: float
    repeat_mm: float
    place_repeat_mm: float
    joint_mm: float
    noise: ObserverNoise
    late_s: float = 0.0

    @property
    def expected_mm(self) -> float:
        """Expected error of a joint in the triangulated hand, the calibration's own included."""
        return float(np.hypot(self.joint_mm, self.repeat_mm))

    @property
    def place_mm(self) -> float:
        """Expected error of where the whole hand is; a wrong scale brings it nearer or farther."""
        distance_mm = float(np.linalg.norm(self.hand_m)) * 1000.0
        return float(np.hypot(self.length.uncertainty * distance_mm, self.place_repeat_mm))

    @property
    def quality(self) -> str:
        if self.expected_mm <= GOOD_MM:
            return "good"
        return "usable" if self.expected_mm <= USABLE_MM else "poor"

    def describe(self) -> str:
        """One sentence for people."""
        return (
            f"{self.quality.capitalize()}: joints in the hand are expected within {self.expected_mm:.1f} mm, the whole "
            f"hand within {self.place_mm:.0f} mm (calibrations from two halves of the movement differ by "
            f"{2.0 * self.repeat_mm:.1f} and {2.0 * self.place_repeat_mm:.0f} mm); the views are "
            f"{self.angle_deg:.0f} degrees apart and agree to {self.epipolar_px:.1f} px over {self.frames} frames; the "
            f"scale is from {self.length.source} and certain to {self.length.uncertainty:.0%}."
        )


def length_of_shape(shape: Float[np.ndarray, "10"], source: str, uncertainty: float) -> KnownLength:
    """The palm's length of a hand shape of the embedded model.

    Args:
        shape: coefficients.
        source: of the shape, for people.
        uncertainty: standard deviation as a share.
    """
    joints = _joints_of_shape(shape)
    one, other = PALM_LENGTH_JOINTS
    return KnownLength(PALM_LENGTH_JOINTS, float(np.linalg.norm(joints[one] - joints[other])), source, uncertainty)


def average_length() -> KnownLength:
    """The average hand's, where nothing is known of this one: adults' differ by about 6 %."""
    return length_of_shape(np.zeros(10), "the average hand", 0.06)


def _joints_of_shape(shape: Float[np.ndarray, "10"]) -> Float[np.ndarray, "21 3"]:
    """Joints of the embedded model's flat hand of a shape."""
    return HandLayer(load_embedded_model())(np.zeros(48), shape).joints_m.astype(np.float64)


def calibrate_pair(
    first: ViewTrack,
    second: ViewTrack,
    first_intrinsics: Intrinsics,
    second_intrinsics: Intrinsics,
    length: KnownLength | None = None,
    *,
    late_s: float = 0.0,
) -> PairCalibration:
    """Calibrates two cameras from a hand that moved before both.

    Args:
        first: the hand in the first view.
        second: the hand in the second view at the same moments, see ``app.two_views.time_pairing``.
        first_intrinsics: known, or assumed and then refined.
        second_intrinsics: likewise.
        length: gives the scale; the average hand's when left out.
        late_s: kept in the result.

    Raises:
        ConfigError: too few frames show the hand in both views, or they fit no two cameras; with what to do.
    """
    known = length or average_length()
    seen = {path: _both(first, second, path) for path in PATHS if path in first.joints_px and path in second.joints_px}
    enough = {path: found for path, found in seen.items() if len(found) >= FEWEST_FRAMES}
    if not enough:
        most = max((len(found) for found in seen.values()), default=0)
        raise ConfigError(
            f"Two cameras are calibrated from at least {FEWEST_FRAMES} moments with the hand in both views, not "
            f"{most}; move the open hand slowly about before both cameras for half a minute."
        )
    chosen = {path: _spread(first, found, path) for path, found in enough.items()}
    pair = _best_start(first, second, first_intrinsics, second_intrinsics, enough, chosen, known)
    for _ in range(2):
        noise = measure_noise(pair, first, second)
        pair, _ = _adjusted(pair, first, second, chosen, noise, known)
    noise = measure_noise(pair, first, second)
    halves = [
        _adjusted(pair, first, second, {path: _part(found, half) for path, found in chosen.items()}, noise, known)[0]
        for half in (0, 1)
    ]
    return _assessed(pair, halves, first, second, noise, known, sum(len(found) for found in chosen.values()), late_s)


def assess_pair(pair: CameraPair, first: ViewTrack, second: ViewTrack, length: KnownLength) -> PairCalibration:
    """A pair of cameras that was calibrated elsewhere, with the precision of the paths before it.

    Args:
        pair: exact cameras, to scale.
        first: the hand in the first view.
        second: the hand in the second view at the same moments.
        length: what the scale is from.

    Raises:
        ConfigError: too few moments show the hand in both views.
    """
    noise = measure_noise(pair, first, second)
    frames = max((len(_both(first, second, path)) for path in noise.share), default=0)
    if frames < FEWEST_FRAMES:
        raise ConfigError(
            f"How exactly the hand is seen is measured over at least {FEWEST_FRAMES} moments in which both cameras see "
            f"it, not {frames}; show the hand after the board."
        )
    return _assessed(pair, [pair, pair], first, second, noise, length, frames, 0.0, exact=True)


def _both(first: ViewTrack, second: ViewTrack, path: str) -> np.ndarray:
    """Frames with the hand in both views of a path."""
    return np.flatnonzero(
        np.isfinite(first.joints_px[path]).all((1, 2)) & np.isfinite(second.joints_px[path]).all((1, 2))
    )


def _spread(first: ViewTrack, found: np.ndarray, path: str) -> np.ndarray:
    """Frames with hands that differ most from each other (farthest point sampling), in order of time."""
    if len(found) <= FRAMES_USED:
        return found
    places = first.joints_px[path][found].reshape(len(found), -1)
    taken = [0]
    distance = np.linalg.norm(places - places[0], axis=1)
    while len(taken) < FRAMES_USED:
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(places - places[taken[-1]], axis=1))
    return np.sort(found[taken])


def _part(found: np.ndarray, half: int) -> np.ndarray:
    """Every other stretch of ten frames."""
    return found[(np.arange(len(found)) // 10) % 2 == half]


def _best_start(
    first: ViewTrack,
    second: ViewTrack,
    first_intrinsics: Intrinsics,
    second_intrinsics: Intrinsics,
    enough: dict[str, np.ndarray],
    chosen: dict[str, np.ndarray],
    length: KnownLength,
) -> CameraPair:
    """The start from which a short adjustment fits best: small hands make single starts ambiguous.

    Raises:
        ConfigError: no start fits.
    """
    starts: list[CameraPair] = []
    problem: ConfigError | None = None
    for some in (enough, *({path: found} for path, found in enough.items() if len(enough) > 1)):
        try:
            starts.append(_essential_start(first, second, first_intrinsics, second_intrinsics, some))
        except ConfigError as error:
            problem = problem or error
    starts += [
        _start_from_paths(first, second, first_intrinsics, second_intrinsics, path, found)
        for path, found in enough.items()
    ]
    few = {path: found[:: max(1, len(found) // _FRAMES_OF_START)] for path, found in chosen.items()}
    tried: list[tuple[float, int, CameraPair]] = []
    for start in starts:
        pair, cost = _adjusted(start, first, second, few, _EQUAL_NOISE, length, steps=15)
        tried.append((cost, len(tried), pair))
    best = min(tried)[2]
    # others fit worse, so that a wider angle among them would be an invention
    if best.angle_at(_middle(best, first, second, few)) < LEAST_ANGLE_DEG:
        raise problem or ConfigError(
            "The two cameras view the hand from nearly the same side; put them at least 30 degrees apart, better 60."
        )
    return best


def _middle(
    pair: CameraPair, first: ViewTrack, second: ViewTrack, frames: dict[str, np.ndarray]
) -> Float[np.ndarray, "3"]:
    """Mean of all triangulated joints, to start from."""
    points = [
        linear_points(
            pair,
            np.array([0, 1]),
            np.stack([first.joints_px[path][found], second.joints_px[path][found]]),
            np.ones((2, len(found), 21)),
        ).reshape(-1, 3)
        for path, found in frames.items()
    ]
    return np.asarray(np.median(np.concatenate(points), 0))


def _start_from_paths(
    first: ViewTrack,
    second: ViewTrack,
    first_intrinsics: Intrinsics,
    second_intrinsics: Intrinsics,
    path: str,
    found: np.ndarray,
) -> CameraPair:
    """Relative pose from a path's own 3D hands: rough, but of the right kind however small the hand is."""
    one, other = first.joints_m[path][found], second.joints_m[path][found]
    turned = best_similarity((one - one[:, :1]).reshape(-1, 3), (other - other[:, :1]).reshape(-1, 3), scale=False)
    rotation = np.asarray(turned.rotation)
    translation = np.median(other.mean(1) - one.mean(1) @ rotation.T, 0)
    return CameraPair(first_intrinsics, second_intrinsics, rotation, translation)


def _essential_start(
    first: ViewTrack,
    second: ViewTrack,
    first_intrinsics: Intrinsics,
    second_intrinsics: Intrinsics,
    frames: dict[str, np.ndarray],
) -> CameraPair:
    """Relative pose with a baseline of 1, from a robust essential matrix.

    Raises:
        ConfigError: no two cameras explain the pictures.
    """
    one = np.concatenate([first.joints_px[path][found].reshape(-1, 2) for path, found in frames.items()])
    other = np.concatenate([second.joints_px[path][found].reshape(-1, 2) for path, found in frames.items()])
    rays_one, rays_other = _normalised(one, first_intrinsics), _normalised(other, second_intrinsics)
    # 4 px of a typical webcam; joints are seen much less exactly than corners are
    threshold = 4.0 / min(first_intrinsics.fx_px, second_intrinsics.fx_px) * (first_intrinsics.width_px / 640.0)
    cv2.setRNGSeed(0)
    essential, inliers = cv2.findEssentialMat(rays_one, rays_other, np.eye(3), cv2.RANSAC, 0.9999, threshold)
    if essential is None or essential.shape[0] < 3:
        raise ConfigError("The two views fit no pair of cameras; check that both show the same hand at the same time.")
    count, rotation, translation, _ = cv2.recoverPose(essential[:3], rays_one, rays_other, np.eye(3), mask=inliers)
    if count < 0.25 * len(one):
        raise ConfigError(
            f"The two views fit no pair of cameras: only {count / len(one):.0%} of the joints agree; check that both "
            "show the same hand at the same time, and that neither picture is mirrored."
        )
    return CameraPair(first_intrinsics, second_intrinsics, np.asarray(rotation), np.asarray(translation).reshape(3))


def _normalised(points_px: Float[np.ndarray, "K 2"], intrinsics: Intrinsics) -> Float[np.ndarray, "K 2"]:
    return (points_px - [intrinsics.cx_px, intrinsics.cy_px]) / [intrinsics.fx_px, intrinsics.fy_px]


def _adjusted(
    start: CameraPair,
    first: ViewTrack,
    second: ViewTrack,
    frames: dict[str, np.ndarray],
    noise: ObserverNoise,
    length: KnownLength,
    steps: int = 60,
) -> tuple[CameraPair, float]:
    """The adjusted cameras, and the cost that is left."""
    hands = []
    for path, found in frames.items():
        one, other = first.joints_px[path][found], second.joints_px[path][found]
        size = np.maximum(hand_size_px(one), hand_size_px(other))
        doubt = np.maximum(relative_sigma(first, path)[found], relative_sigma(second, path)[found])
        hands.append(Correspondences(one, other, noise.share[path] * size[:, None] * doubt))
    average = _joints_of_shape(np.zeros(10))
    return adjust(
        start, hands, joints_of_length=length.joints, length_m=length.metres, proportions=average, steps=steps
    )


def _rescaled(pair: CameraPair, sightings: Sequence[Sightings], length: KnownLength) -> CameraPair:
    """The cameras in the scale of the known length.

    Adjusted joints are noisy, which makes every bone too long and so the cameras too near to each other; lengths that
    are freed of that give the scale. The known length counts most; the others are those of average proportions.
    """
    made = triangulate(pair, sightings)
    seen = mean_lengths(made.joints_m, made.covariance_m2)
    average = _joints_of_shape(np.zeros(10))
    one, other = length.joints
    expected = edge_lengths(average[None])[0] * length.metres / np.linalg.norm(average[one] - average[other])
    edge = int(np.flatnonzero((np.sort(EDGES, 1) == sorted(length.joints)).all(1))[0])
    # a bone whose noise exceeds its length has none that is freed of it
    logs = np.log(expected / np.where(seen > 0.0, seen, np.nan))
    others = float(np.nanmedian(np.delete(logs, edge)))
    known = others if not np.isfinite(logs[edge]) else float(logs[edge])
    scale = float(np.exp((1.0 - _PROPORTIONS_SHARE) * known + _PROPORTIONS_SHARE * others))
    return replace(pair, translation_m=pair.translation_m * scale)


def _assessed(
    pair: CameraPair,
    halves: Sequence[CameraPair],
    first: ViewTrack,
    second: ViewTrack,
    noise: ObserverNoise,
    length: KnownLength,
    frames: int,
    late_s: float,
    *,
    exact: bool = False,
) -> PairCalibration:
    path = noise.best_path
    found = _both(first, second, path)
    found = found[:: max(1, len(found) // 100)]
    one, other = first.joints_px[path][found], second.joints_px[path][found]
    size = np.stack([hand_size_px(one), hand_size_px(other)])
    sightings = [Sightings(v, (one, other)[v], noise.share[path] * size[v][:, None]) for v in (0, 1)]
    if not exact:
        pair, *halves = (_rescaled(one, sightings, length) for one in (pair, *halves))
    made = triangulate(pair, sightings)
    by_half = [triangulate(half, sightings).joints_m for half in halves]
    joints = made.joints_m
    hand = np.nanmedian(joints, (0, 1))
    apart = by_half[0] - by_half[1]
    apart = apart[np.isfinite(apart).all(-1).sum(1) >= 10]
    shift = np.nanmean(apart, 1, keepdims=True)
    angle = pair.angle_at(hand)
    if angle < LEAST_ANGLE_DEG:
        raise ConfigError(
            f"The two cameras view the hand from nearly the same side ({angle:.0f} degrees apart); put them at least "
            "30 degrees apart, better 60."
        )
    spread = np.sqrt(np.trace(made.covariance_m2, axis1=-2, axis2=-1))
    return PairCalibration(
        pair=pair,
        length=length,
        frames=frames,
        epipolar_px=float(np.nanmedian(np.abs(pair.epipolar_errors_px(one, other)))),
        angle_deg=angle,
        hand_m=hand,
        palm_m=float(np.nanmedian(np.linalg.norm(joints[:, 0] - joints[:, 9], axis=-1))),
        # each half's error is sqrt(2) times that of the whole, and they differ by sqrt(2) times that
        repeat_mm=float(np.nanmedian(np.linalg.norm(apart - shift, axis=-1))) * 500.0,
        place_repeat_mm=float(np.nanmedian(np.linalg.norm(shift, axis=-1))) * 500.0,
        joint_mm=float(np.nanmedian(spread)) * 1000.0 * HIDDEN_ERROR,
        noise=noise,
        late_s=late_s,
    )
