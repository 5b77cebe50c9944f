"""Which paths a run has (``--method``, ``--network``), and the factories that make each in its worker thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.networks.device import DeviceChoice
from app.networks.live_network import LiveNetwork
from app.pipeline.paths.calibrated_ik_path import CalibratedIkPath, SubjectCalibrationOptions, measured_own_shape
from app.pipeline.paths.crop_search import SlidingWindowDetector
from app.pipeline.paths.hand_path import HandPath, PathFactory
from app.pipeline.paths.network_path import NetworkPath
from app.pipeline.paths.shared_detections import SharedDetections, announcing
from app.pipeline.paths.smoothing import Smoothing, smoothed
from assets import ASSETS_DIR
from hand.errors import CheckpointError
from hand.model import HandModel
from hand.types import PathId
from ik_baseline.detector import ALL_TILES, TILES_PER_FRAME
from ik_baseline.finder_choice import FinderKind, open_detector
from inference.runtime import METADATA_FILE, read_metadata

SQUARES_PER_SEARCH = 6
"""Squares that the network's own search classifies in one video frame..."""

LARGE_SQUARES_PER_SEARCH = 2
"""...and of a network with crops of more than 128 px, which take several times as long."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkPathFactory:
    """Makes network paths, with MediaPipe to find hands, and the network itself where MediaPipe finds none.

    Attributes:
        live: the network; swapping it there swaps it in the paths that were made.
        model: right-hand model of the user.
        max_hands: 1 or 2.
        still: every frame is a picture of its own, without a past.
        finder: which hand detector.
        shared: detections of an IK path that runs beside it.
        calibration: where the shape of the user's hand is kept; it is not used when left out.
    """

    live: LiveNetwork
    model: HandModel
    max_hands: int = 1
    still: bool = False
    finder: FinderKind = "built-in"
    shared: SharedDetections | None = None
    calibration: SubjectCalibrationOptions | None = None

    def __call__(self) -> HandPath:
        """A path; called in its worker thread.

        Raises:
            CheckpointError: the network cannot be loaded.
        """
        runtime = self.live.runtime
        affordable = SQUARES_PER_SEARCH if runtime.input_px <= 128 else LARGE_SQUARES_PER_SEARCH
        own_search = SlidingWindowDetector(self.live, squares_per_search=0 if self.still else affordable)
        # the built-in finder reads the landmarks that the network is given; another one only searches, and its state of
        # a search long ago would mislead it
        follows = self.finder == "built-in" and self.shared is None and not self.still
        tiles = ALL_TILES if self.still else TILES_PER_FRAME if follows else 0
        detector = open_detector(self.finder, self.max_hands, still=not follows, tiles_per_picture=tiles)
        return NetworkPath(
            runtime,
            self.model,
            (detector, own_search),
            max_hands=self.max_hands,
            still=self.still,
            detect_every_frame=follows,
            network_now=lambda: self.live.runtime,
            note=lambda: self.live.note,
            shared=self.shared,
            hand_shape=None if self.calibration is None else measured_own_shape(self.model, self.calibration.file),
        )


def network_path_factory(folder: Path, model: HandModel, max_hands: int, *, still: bool = False) -> NetworkPathFactory:
    """Paths that begin with the network in a folder; the arguments are those of :class:`NetworkPathFactory`."""
    return NetworkPathFactory(LiveNetwork(folder), model, max_hands, still)


PathChoice = Literal["ik", "network", "both", "fused"]
"""``fused`` runs both paths, as ``both`` does."""

SHIPPED_NETWORK_DIR = ASSETS_DIR / "network"

NO_CHECKPOINT_SENTENCE = (
    "No checkpoint of a trained network is installed, so --method network has nothing to run; use --method ik."
)
NO_SECOND_PATH_SENTENCE = "No trained network is installed, so --method both runs ik alone."


def chosen_paths(
    method: PathChoice,
    network_dir: Path | None,
    model: HandModel,
    max_hands: int,
    *,
    still: bool = False,
    tolerant: bool = False,
    every_frame: bool = False,
    looks: int = 1,
    finder: FinderKind = "built-in",
    calibration: SubjectCalibrationOptions | None = None,
    smoothing: Smoothing | None = None,
    live_network: LiveNetwork | None = None,
    device: DeviceChoice = "cpu",
    warn: Callable[[str], None],
) -> dict[PathId, PathFactory]:
    """The paths of a run, the first one first to be shown.

    Args:
        method: the user's choice.
        network_dir: folder of the network, None for the shipped one.
        model: right-hand model of the user.
        max_hands: 1 or 2.
        still: every frame is a picture of its own, without a past.
        tolerant: with "both", a network that cannot be used is a path with an error message, while the other one
            works.
        every_frame: every path works on every frame, so that one may wait for the other.
        looks: number of augmented copies of a still picture for MediaPipe.
        finder: which hand detector.
        calibration: to the bone lengths of the user's hand, see :class:`CalibratedIkPath`; the network takes the shape
            where two cameras have measured it. None when left out.
        smoothing: the filter behind each path; none when left out.
        live_network: holds the network, so that it can be swapped; then ``network_dir`` is only the requested folder.
        device: for the network, where ``live_network`` is not given.
        warn: called with a sentence when "both" is only one.

    Raises:
        CheckpointError: the network is required and cannot be used.
    """
    folder = network_dir or SHIPPED_NETWORK_DIR
    if method == "fused":
        method = "both"
    if method != "ik" and network_dir is None and not has_network():
        if method == "network":
            raise CheckpointError(NO_CHECKPOINT_SENTENCE)
        warn(NO_SECOND_PATH_SENTENCE)
        method = "ik"
    shared = SharedDetections(every_frame=every_frame) if method == "both" and finder == "built-in" else None
    paths: dict[PathId, PathFactory] = {}
    if method in ("network", "both"):
        try:
            read_metadata(folder)  # checked at once, not when the engine starts
        except CheckpointError:
            if method == "network" or not tolerant:
                raise
            # its worker reports the same error in the network's place, and tries again
        live = live_network or LiveNetwork(folder, device)
        paths["network"] = NetworkPathFactory(live, model, max_hands, still, finder, shared, calibration)
    if method in ("ik", "both"):
        paths["ik"] = ik_path_factory(
            model,
            max_hands,
            still=still,
            looks=looks,
            finder=finder,
            calibration=calibration,
            shared=shared,
        )
    if smoothing is None:
        return paths
    return {path_id: smoothed(factory, model, smoothing) for path_id, factory in paths.items()}


def has_network() -> bool:
    """Whether there is a shipped network."""
    return (SHIPPED_NETWORK_DIR / METADATA_FILE).is_file()


def ik_path_factory(
    model: HandModel,
    max_hands: int,
    *,
    still: bool = False,
    looks: int = 1,
    finder: FinderKind = "built-in",
    calibration: SubjectCalibrationOptions | None = None,
    shared: SharedDetections | None = None,
) -> PathFactory:
    """MediaPipe + inverse kinematics.

    Args:
        model: right-hand model that the solver poses.
        max_hands: 1 or 2; searching a second hand costs time on every frame.
        still: every frame is a picture of its own, without a past.
        looks: number of augmented copies of a still picture; where they disagree, confidence falls.
        finder: which hand detector.
        calibration: to the bone lengths of the user's hand; none when left out.
        shared: receives the detections, for a network path that runs as well.
    """

    def make() -> HandPath:
        # imported here: the solver is compiled when it is imported, and only the worker thread may wait for it
        from ik_baseline.tracker import IkTracker

        tracker = IkTracker(model, max_hands=max_hands, still=still, looks=looks, finder=finder, listener=shared)
        return tracker if calibration is None else CalibratedIkPath(tracker, model, calibration)

    return make if shared is None else announcing(make, shared)
