"""The trained network as a path: each hand is cropped where its own joints were, and found again when it is lost.

The crop of a frame comes from the network's joints in the frame before, so that a hand stays followed where the hand
detector loses it. The detector follows the hands as well, each from its own landmarks of the frame before: the network
gets its landmarks for the cost of their inference alone, independent of a crop that drifted. Where an IK path runs as
well, the detections of that path serve both; until they arrive the network computes its features of the picture. The
network's own search, and a detector that does not follow hands, run only while fewer hands are followed than requested;
frames in which that happened have a ``detector`` among their timings.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from app.pipeline.finite_hands import is_finite
from app.pipeline.paths.hand_path import HandDetectorProtocol
from app.pipeline.paths.network_pose import NetworkHand, NetworkPoser, RefitState
from app.pipeline.paths.shared_detections import SharedDetections
from hand.crop import SquareCrop, crop_around_hand
from hand.landmark_distance import landmark_distance
from hand.landmark_reading import LandmarkReading
from hand.mirror import Side, mirror_pixels, other_side
from hand.model import HandModel
from hand.types import Frame, HandObservation, HandState, PathResult
from inference.runtime import CropFeatures, CropPrediction, NetworkRuntime, log_odds
from inference.test_time_augmentation import predict_augmented

PRESENCE_TO_START = 0.6
"""Probability of a hand from which a found hand is followed."""

PRESENCE_TO_KEEP = 0.35
"""Probability of a hand below which a followed one is given up; the gap keeps it from flickering."""

RELIABLE_CONFIDENCE = 0.3
"""A followed hand below this is looked for by the detector too: a crop that went astray would never come back alone."""

SEARCH_EVERY_FRAMES = 8
"""Frames between searches for a missing or doubted hand beside a followed one: each search costs a detector's run."""

STEADY_SHIFT = 0.04
"""A crop stays where it is while the hand's box moves less than this share of its side..."""

STEADY_SCALE = 1.08
"""...and grows or shrinks less than this factor: the same picture then gives the same answer, without creeping."""

STEADY_TURN_RAD = 0.12
"""...and turns less than this."""

SAME_HAND_DISTANCE = 0.35
"""Hands with joints closer than this on average, over the smaller hand's size, are one hand."""

SIDE_MEMORY = 0.9
"""Weight of the past in a hand's handedness."""

SIDE_AGAIN = 0.5
"""Handedness after the other side was tried and scored lower."""

OVERRULING_LOG_ODDS = 6.0
"""A hand of uncertain side is predicted as both; from this difference on the network overrules the detector's side.

A single prediction is weak evidence: a network may be wrong about the side of one hand frame after frame. On rendered
hands from all sides (``benchmarks/sides.py``) the rule raises the share of correct sides; a lower threshold would raise
it more, but photographs of fists that face the camera would then be turned wrongly.
"""


@dataclass(slots=True)
class _Track:
    """One followed hand.

    Attributes:
        joints_px: where it was last.
        rightness: handedness over the last frames, -1 (left) to 1 (right).
        crop: the square for the next frame, not flipped.
        hand: the network's last prediction; None before the first.
        seen: the network's features of the crop of the last frame in which it had to wait for landmarks.
        fresh: found by the detector and not yet confirmed by the network.
        refit_state: of the poser, from frame to frame.
    """

    joints_px: Float[np.ndarray, "21 2"]
    rightness: float
    crop: SquareCrop
    hand: NetworkHand | None = None
    seen: CropFeatures | None = None
    fresh: bool = True
    refit_state: RefitState = field(default_factory=RefitState)

    @property
    def side(self) -> Side:
        return "right" if self.rightness >= 0.0 else "left"


class NetworkPath:
    """Follows up to two hands with the network. Belongs to the thread that made it."""

    def __init__(
        self,
        runtime: NetworkRuntime,
        model: HandModel,
        detectors: Sequence[HandDetectorProtocol],
        *,
        max_hands: int = 1,
        still: bool = False,
        detect_every_frame: bool = False,
        network_now: Callable[[], NetworkRuntime] | None = None,
        note: Callable[[], str] = str,
        shared: SharedDetections | None = None,
        hand_shape: Float[np.ndarray, "10"] | None = None,
    ) -> None:
        """Takes the parts; it closes the detectors.

        Args:
            runtime: the network.
            model: right-hand model of the user.
            detectors: find hands that are not followed; each runs only where those before it found nothing that the
                network confirms as a hand.
            max_hands: 1 or 2.
            still: pictures are unrelated; nothing is carried from one to the next.
            detect_every_frame: the first detector follows hands through a video and reads their landmarks, so it runs
                on every frame for which ``shared`` is not there.
            network_now: returns the network to use, called before each frame; always the same when None.
            note: message about how the network runs; a sentence, or empty.
            shared: detections of a path beside this one.
            hand_shape: of the user, as two cameras measured it; it is taken for the pictures of cameras, since files
                show other people.

        Raises:
            CheckpointError: the network was trained for a hand model that is not here.
        """
        self._runtime = runtime
        self._model = model
        self._poser = NetworkPoser(model, runtime.hand_model_digest)
        self._network_now = network_now
        self._note = note
        self._shared = shared
        self._hand_shape = hand_shape
        self._detected: tuple[HandObservation, ...] | None = None
        self._detectors = tuple(detectors)
        self._max_hands = max_hands
        self._still = still
        self._detect_every_frame = detect_every_frame
        self._tracks: list[_Track] = []
        self._frames_since_search = 0

    def process(self, frame: Frame) -> PathResult:
        """Follows the hands into a frame, and searches those that are missing."""
        if self._network_now is not None:
            self.swap(self._network_now())
        started_s = time.perf_counter()
        timings = {"network": 0.0}
        if self._still:
            self.reset()
        if self._shared is not None:
            self._look_ahead(frame)
            looked_s = time.perf_counter()
            self._detected = self._shared.of(frame)
            timings["network"] = (looked_s - started_s) * 1e3
            timings["wait"] = (time.perf_counter() - looked_s) * 1e3
        elif self._detect_every_frame:
            self._detected = tuple(self._detectors[0].detect(frame.image_rgb))
            timings["network"] = (time.perf_counter() - started_s) * 1e3
        self._predict_all(frame, timings)
        if self._detected:
            self._take_up(self._detected)
            self._predict_all(frame, timings)
        if self._search_is_due():
            self._search(frame, timings)
        if self._still:
            # a picture has no next frame in which the crop would converge
            for track in self._tracks:
                track.hand = None
            self._predict_all(frame, timings, augmented=True)
        states, seen = self._describe(frame, timings)
        timings["total"] = (time.perf_counter() - started_s) * 1e3
        message = " ".join(filter(None, (self._note(), self._poser.note)))
        return PathResult(frame, "network", states, seen, timings, message)

    def swap(self, runtime: NetworkRuntime) -> None:
        """Changes to another network; followed hands stay followed. Call it in the path's own thread.

        Raises:
            CheckpointError: the network was trained for a hand model that is not here.
        """
        if runtime is self._runtime:
            return
        if runtime.hand_model_digest != self._runtime.hand_model_digest:
            self._poser = NetworkPoser(self._model, runtime.hand_model_digest)
            self.reset()
        self._runtime = runtime

    def reset(self) -> None:
        """Stops following all hands."""
        self._tracks = []
        self._frames_since_search = 0
        for detector in self._detectors:
            detector.reset()

    def close(self) -> None:
        """Frees the detectors."""
        self.reset()
        for detector in self._detectors:
            detector.close()

    def _search_is_due(self) -> bool:
        self._frames_since_search += 1
        if not self._tracks:
            return True
        wanted = len(self._tracks) < self._max_hands or any(_is_doubted(track) for track in self._tracks)
        return wanted and self._frames_since_search >= SEARCH_EVERY_FRAMES

    def _search(self, frame: Frame, timings: dict[str, float]) -> None:
        """Runs the detectors in turn, until one finds a hand that the network confirms."""
        self._frames_since_search = 0
        timings["detector"] = 0.0
        # a crop that drifted still lies near its hand, where a search is cheaper than in the whole picture
        doubted_px = [track.joints_px for track in self._tracks if _is_doubted(track)]
        # where there are detections, the first detector or one beside it has searched this frame already
        for detector in self._detectors if self._detected is None else self._detectors[1:]:
            started_s = time.perf_counter()
            seen = detector.detect(frame.image_rgb, doubted_px)
            self._take_up(seen)
            timings["detector"] += (time.perf_counter() - started_s) * 1e3
            self._predict_all(frame, timings)
            if any(_share_place(track, one.landmarks_px) for one in seen for track in self._tracks):
                return

    def _take_up(self, seen: Sequence[HandObservation]) -> None:
        """Corrects doubted tracks, and starts one for every hand that is not followed yet, as far as there is room.

        A doubted hand that the detector does not find either is left to the network.
        """
        for observation in seen:
            joints = observation.landmarks_px
            crop = self._crop_around(joints)
            astray = next((track for track in self._tracks if _is_doubted(track) and _share_place(track, joints)), None)
            if astray is not None:
                astray.joints_px, astray.crop, astray.hand = joints, crop, None
            elif (
                all(landmark_distance(joints, track.joints_px) >= SAME_HAND_DISTANCE for track in self._tracks)
                and len(self._tracks) < self._max_hands
            ):
                rightness = observation.score if observation.side == "right" else -observation.score
                self._tracks.append(_Track(joints, rightness, crop))

    def _predict_all(self, frame: Frame, timings: dict[str, float], *, augmented: bool = False) -> None:
        """Predicts every track that has no result for this frame, and drops those that are not hands any more."""
        started_s = time.perf_counter()
        kept: list[_Track] = []
        for track in self._tracks:
            if track.hand is not None and track.hand.sequence == frame.sequence:
                kept.append(track)
                continue
            if augmented:
                prediction = self._predict_augmented(track, frame)
            else:
                prediction = self._predict_as(track.side, track, frame)
            if track.fresh:
                mirrored = self._seen_as_other_side(prediction, track, frame, sureness=abs(track.rightness))
                if mirrored is not None:
                    track.rightness, prediction = -track.rightness, mirrored
            if not is_finite(prediction):
                continue  # this hand is unusable; the others of the frame go on
            if prediction.presence < (PRESENCE_TO_START if track.fresh else PRESENCE_TO_KEEP):
                continue
            self._follow(track, prediction, frame)
            if all(landmark_distance(track.joints_px, other.joints_px) >= SAME_HAND_DISTANCE for other in kept):
                kept.append(track)
        self._tracks = kept
        timings["network"] += (time.perf_counter() - started_s) * 1e3

    def _look_ahead(self, frame: Frame) -> None:
        """Computes the network's features of the followed hands while the other path still reads their landmarks."""
        for track in self._tracks:
            track.seen = self._runtime.encode(frame.image_rgb, _shown_as(track.side, track))

    def _predict_as(self, side: Side, track: _Track, frame: Frame) -> CropPrediction:
        return self._runtime.predict(
            frame.image_rgb, _shown_as(side, track), frame.intrinsics, self._reading_of(track), track.seen
        )

    def _predict_augmented(self, track: _Track, frame: Frame) -> CropPrediction:
        def predict(crop: SquareCrop) -> CropPrediction:
            return self._runtime.predict(frame.image_rgb, crop, frame.intrinsics)

        return predict_augmented(predict, _shown_as(track.side, track))

    def _reading_of(self, track: _Track) -> LandmarkReading | None:
        """The detector's reading of a track's hand in this frame, if it found that hand."""
        same = [seen for seen in self._detected or () if _share_place(track, seen.landmarks_px)]
        nearest = min(same, key=lambda seen: landmark_distance(track.joints_px, seen.landmarks_px), default=None)
        return None if nearest is None else nearest.reading

    def _seen_as_other_side(
        self, shown: CropPrediction, track: _Track, frame: Frame, sureness: float
    ) -> CropPrediction | None:
        """Predicts the hand as the other side too, and keeps that where it is more probable than the known side."""
        mirrored = self._predict_as(other_side(track.side), track, frame)
        against = log_odds(mirrored.right) - log_odds(shown.right)
        return mirrored if against > OVERRULING_LOG_ODDS * sureness else None

    def _follow(self, track: _Track, prediction: CropPrediction, frame: Frame) -> None:
        side = track.side
        width_px = frame.image_rgb.shape[1]
        joints = prediction.joints_px
        track.joints_px = mirror_pixels(joints, width_px) if side == "left" else joints
        track.hand = NetworkHand(frame.sequence, side, prediction, track.crop)
        track.fresh = False
        sign = 1.0 if side == "right" else -1.0
        handedness = SIDE_MEMORY * track.rightness + (1.0 - SIDE_MEMORY) * sign * (2.0 * prediction.right - 1.0)
        if handedness * sign < 0.0 and self._seen_as_other_side(prediction, track, frame, sureness=1.0) is None:
            handedness = sign * SIDE_AGAIN
        track.rightness = handedness
        track.crop = steady_crop(track.crop, self._crop_around(track.joints_px))

    def _crop_around(self, joints_px: Float[np.ndarray, "21 2"]) -> SquareCrop:
        return crop_around_hand(joints_px, self._runtime.crop_expansion, upright=self._runtime.upright)

    def _describe(
        self, frame: Frame, timings: dict[str, float]
    ) -> tuple[tuple[HandState, ...], tuple[HandObservation, ...]]:
        started_s = time.perf_counter()
        hand_shape = self._hand_shape if frame.live else None
        states, seen = [], []
        for track in self._tracks:
            if track.hand is None:
                continue
            state = self._poser.pose(track.hand, track.joints_px, frame.intrinsics, track.refit_state, hand_shape)
            states.append(state)
            seen.append(track.hand.observation(track.joints_px, state))
        timings["mesh"] = (time.perf_counter() - started_s) * 1e3
        return tuple(states), tuple(seen)


def steady_crop(before: SquareCrop, wanted: SquareCrop) -> SquareCrop:
    """The crop for the next frame: the old one as long as the hand has hardly moved in it.

    Args:
        before: the crop the joints were found in.
        wanted: the crop around them.
    """
    shift = max(abs(wanted.center_x_px - before.center_x_px), abs(wanted.center_y_px - before.center_y_px))
    scale = max(wanted.size_px / before.size_px, before.size_px / wanted.size_px)
    turn = abs(math.remainder(wanted.angle_rad - before.angle_rad, math.tau))
    steady = shift < STEADY_SHIFT * before.size_px and scale < STEADY_SCALE and turn < STEADY_TURN_RAD
    return before if steady else wanted


def _shown_as(side: Side, track: _Track) -> SquareCrop:
    return replace(track.crop, flipped=side == "left")


def _is_doubted(track: _Track) -> bool:
    return track.hand is not None and track.hand.prediction.confidence < RELIABLE_CONFIDENCE


def _share_place(track: _Track, joints_px: Float[np.ndarray, "21 2"]) -> bool:
    """Whether a hand lies in a track's crop, however wrong the size of either may be."""
    middle = (joints_px.min(0) + joints_px.max(0)) / 2.0
    reach = max(track.crop.size_px, float(np.ptp(joints_px, axis=0).max())) / 2.0
    return bool(np.abs(middle - (track.crop.center_x_px, track.crop.center_y_px)).max() < reach)
