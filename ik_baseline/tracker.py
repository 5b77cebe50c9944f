"""Tracks hands with MediaPipe's models and inverse kinematics: frames in, hand states out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics, project
from hand.crop import crop_around
from hand.landmark_distance import landmark_distance
from hand.layer import HandLayer
from hand.mirror import Side, other_side
from hand.model import HandModel
from hand.types import Frame, HandObservation, HandState, PathResult
from ik_baseline.augmented_detector import AugmentedDetector, Detector
from ik_baseline.detector import ALL_TILES, CROP_EXPANSION, TILES_PER_FRAME
from ik_baseline.finder_choice import FinderKind, open_detector
from ik_baseline.landmark_correction import measured_correction, photograph_correction
from ik_baseline.person import HandCalibration
from ik_baseline.solver import IkSolution, IkSolver
from ik_baseline.warm_start import WarmStart

SAME_TRACK_DISTANCE = 0.6
"""A hand is taken for last frame's when its landmarks moved less than this share of the hand's size on average."""

FORGET_AFTER_FRAMES = 5
"""Frames without a hand after which its track starts anew."""

SIDE_MEMORY = 0.9
"""Weight of the past in a track's handedness: one frame of a wrong side does not flip the mesh."""

LOST_FIT_M = 0.025
"""Mean distance to the world landmarks above which a followed hand is also solved from nothing, and the better kept."""


class DetectionListener(Protocol):
    """Callbacks about the tracker's detector, called in the tracker's thread."""

    def started(self, frame: Frame) -> None:
        """The detector starts on a frame."""

    def detected(self, frame: Frame, observations: tuple[HandObservation, ...]) -> None:
        """The detector is done with a frame: its observations before any correction; nothing where it failed."""


ObservationCorrection = Callable[[HandObservation, Intrinsics], HandObservation]


@dataclass(slots=True)
class _Track:
    """One followed hand.

    Attributes:
        observation: the last one.
        rightness: handedness over the last frames, -1 (left) to 1 (right).
        warm: start values and prior of the solver, for the side it was solved as.
        missed: frames since the last observation.
    """

    observation: HandObservation
    rightness: float
    warm: WarmStart | None = None
    missed: int = 0

    @property
    def side(self) -> Side:
        return "right" if self.rightness >= 0.0 else "left"


class IkTracker:
    """MediaPipe's hand models and inverse kinematics on a stream of frames, or on unrelated pictures.

    Belongs to the thread that made it. Close it, or use it with ``with``.
    """

    def __init__(
        self,
        model: HandModel,
        *,
        max_hands: int = 1,
        still: bool = False,
        looks: int = 1,
        finder: FinderKind = "built-in",
        calibration: HandCalibration | None = None,
        correct: ObservationCorrection = photograph_correction,
        listener: DetectionListener | None = None,
    ) -> None:
        """Starts the detector and warms the solver up, so that the first frame is not delayed.

        Args:
            model: hand model; the meshes of left hands are its mirror image.
            max_hands: 1 or 2; two cost more even while one is seen, see :class:`~ik_baseline.detector.HandDetector`.
            still: pictures are unrelated; nothing is carried from one to the next.
            looks: number of augmented copies of a still picture (``ik_baseline.augmented_detector``).
            finder: which hand detector.
            calibration: of the person; the average hand when left out.
            correct: removes the detector's systematic errors from observations, before they are solved.
            listener: receives the observations as soon as they are there.

        Raises:
            DetectorError: the detector's models are missing or damaged.
        """
        self._solver = IkSolver(model, calibration)
        right = self._solver.model
        self._layers: dict[Side, HandLayer] = {"right": HandLayer(right), "left": HandLayer(right.mirrored())}
        self._correct = correct
        self._listener = listener
        self._still = still
        self._max_hands = max_hands
        self._tracks: list[_Track] = []
        self._solver.warm_up()
        # loads, and compiles where necessary, what would otherwise delay the first hand
        measured_correction()
        for layer in self._layers.values():
            layer(np.zeros(48), np.zeros(10))
        tiles = ALL_TILES if still else TILES_PER_FRAME
        detector = open_detector(finder, max_hands, still=still, tiles_per_picture=tiles)
        several = still and looks > 1
        self._detector: Detector = AugmentedDetector(detector, looks, quarter_turns=True) if several else detector

    @property
    def solver(self) -> IkSolver:
        """The solver, for instance to exchange its calibration between two frames."""
        return self._solver

    def process(self, frame: Frame) -> PathResult:
        """Finds and solves the hands of one frame.

        Args:
            frame: the picture.

        Returns:
            At most ``max_hands`` states, the most certain first on the frame they appear and in steady order from then
            on.

        Raises:
            DetectorError: the tracker was closed.
        """
        started = time.perf_counter()
        observations = self._detect(frame)
        detected = time.perf_counter()
        if self._still:
            self._tracks = []
        self._associate(observations)
        states, seen = [], []
        timings = {"detector": (detected - started) * 1e3, "solver": 0.0, "mesh": 0.0}
        for track in self._tracks:
            if track.missed:
                continue
            state = self._solve(track, frame)
            states.append(state)
            seen.append(track.observation)
            for stage, milliseconds in state.timings_ms.items():
                timings[stage] += milliseconds
        timings["total"] = (time.perf_counter() - started) * 1e3
        return PathResult(frame, "ik", tuple(states), tuple(seen), timings)

    def reset(self) -> None:
        """Stops following all hands, as after a cut or another source."""
        self._tracks = []
        self._detector.reset()

    def close(self) -> None:
        """Frees the detector; closing twice is fine."""
        self._tracks = []
        self._detector.close()

    def __enter__(self) -> IkTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _detect(self, frame: Frame) -> tuple[HandObservation, ...]:
        if self._listener is None:
            return tuple(self._detector.detect(frame.image_rgb))
        self._listener.started(frame)
        observations: tuple[HandObservation, ...] = ()
        try:
            observations = tuple(self._detector.detect(frame.image_rgb))
        finally:
            self._listener.detected(frame, observations)
        return observations

    def _associate(self, observations: Sequence[HandObservation]) -> None:
        """Assigns every observation to the nearest track, nearest pairs first, and starts tracks for the rest."""
        for track in self._tracks:
            track.missed += 1
        pairs = sorted(
            (landmark_distance(track.observation.landmarks_px, observation.landmarks_px), t, o)
            for t, track in enumerate(self._tracks)
            for o, observation in enumerate(observations)
        )
        taken_tracks: set[int] = set()
        taken_observations: set[int] = set()
        for distance, t, o in pairs:
            if distance > SAME_TRACK_DISTANCE or t in taken_tracks or o in taken_observations:
                continue
            taken_tracks.add(t)
            taken_observations.add(o)
            _follow(self._tracks[t], observations[o])
        self._tracks = [track for track in self._tracks if track.missed <= FORGET_AFTER_FRAMES]
        for o, observation in enumerate(observations):
            if o not in taken_observations:
                rightness = observation.score if observation.side == "right" else -observation.score
                self._tracks.append(_Track(observation, rightness))
        # a lost hand makes room for a detected one
        self._tracks = sorted(self._tracks, key=lambda track: track.missed > 0)[: self._max_hands]

    def _solve(self, track: _Track, frame: Frame) -> HandState:
        started = time.perf_counter()
        # uncorrected: what is passed on and recorded is the detector's own observation
        observation = self._correct(track.observation, frame.intrinsics)
        solution = self._solver.solve(observation, frame.intrinsics, track.warm)
        if track.warm is not None and solution.world_residual_m.mean() > LOST_FIT_M:
            afresh = self._solver.solve(observation, frame.intrinsics)
            if afresh.world_residual_m.mean() < solution.world_residual_m.mean():
                solution = afresh
        track.warm = solution.warm
        solved = time.perf_counter()
        geometry = self._layers[solution.side](solution.pose_rad, solution.shape, solution.camera_translation_m)
        posed = time.perf_counter()
        return _state(frame, observation, solution, geometry.vertices_m, solved - started, posed - solved)


def _follow(track: _Track, observation: HandObservation) -> None:
    """Adds a new observation to a track and averages its handedness over frames."""
    before = track.side
    seen = observation.score if observation.side == "right" else -observation.score
    track.rightness = SIDE_MEMORY * track.rightness + (1.0 - SIDE_MEMORY) * seen
    if track.side != before or track.missed > 1:
        track.warm = None
    track.missed = 0
    if observation.side != track.side:
        crop = crop_around(observation.landmarks_px, CROP_EXPANSION, flipped=track.side == "left")
        observation = replace(observation, side=other_side(observation.side), score=1.0 - observation.score, crop=crop)
    track.observation = observation


def _state(
    frame: Frame,
    observation: HandObservation,
    solution: IkSolution,
    vertices_m: np.ndarray,
    solver_seconds: float,
    mesh_seconds: float,
) -> HandState:
    live = np.float32
    # the detector's landmarks lie a little beside the model's joints, by a known offset
    marked_px, joints_px = project(np.stack([solution.landmarks_m, solution.joints_m]), frame.intrinsics)
    beside_px = marked_px - joints_px
    return HandState(
        sequence=frame.sequence,
        side=solution.side,
        pose_rad=solution.pose_rad.astype(live),
        shape=solution.shape.astype(live),
        camera_translation_m=solution.camera_translation_m.astype(live),
        joints_m=solution.joints_m.astype(live),
        vertices_m=vertices_m,
        confidence=confidence_of(solution, observation),
        origin="ik",
        reprojection_px=float(solution.reprojection_px.mean()),
        timings_ms={"solver": solver_seconds * 1e3, "mesh": mesh_seconds * 1e3},
        seen_px=observation.landmarks_px - np.where(np.isfinite(beside_px), beside_px, 0.0),
    )


WORLD_HALF_M = 0.02
"""Median distance to the world landmarks that halves the confidence; a good fit to MediaPipe lies at 5 to 8 mm."""

PIXEL_HALF = 0.06
"""Median reprojection error over the hand's box at which the confidence is halved; a good fit lies at 0.01 to 0.02."""

PRESSED_SHARE = 0.5
"""Share of the confidence that a hand loses when all its joints press against their limits."""


def confidence_of(solution: IkSolution, observation: HandObservation) -> float:
    """The product of four factors, each 1 when nothing counts against the hand.

    MediaPipe's own score; how well the world landmarks are met; how well the picture is met (both fall as
    1 / (1 + (error / half)^2), of medians, so that one bad landmark does not decide); and how many joints had to be
    held back at their limits, which indicates that the landmarks describe no possible hand.
    """
    landmarks_px = observation.landmarks_px
    box_px = max(float((landmarks_px.max(0) - landmarks_px.min(0)).max()), 1.0)
    world = _median(solution.world_residual_m) / WORLD_HALF_M
    pixels = _median(solution.reprojection_px) / box_px / PIXEL_HALF
    held_back = 1.0 - PRESSED_SHARE * solution.pressed
    confidence = observation.score * held_back / ((1.0 + world**2) * (1.0 + pixels**2))
    return float(min(max(confidence, 0.0), 1.0))


def _median(values: Float[np.ndarray, "21"]) -> float:
    """The median of 21 values, which is one of them."""
    return float(np.sort(values)[10])
