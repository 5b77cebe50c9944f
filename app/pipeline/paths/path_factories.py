"""Makes network paths, in their worker's thread, with everything they need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.networks.live_network import LiveNetwork
from app.pipeline.paths.crop_search import CropSearch
from app.pipeline.paths.hand_path import HandPath
from app.pipeline.paths.network_path import NetworkPath
from app.pipeline.paths.shared_detections import SharedDetections
from hand.model import HandModel
from ik_baseline.detector import ALL_TILES
from ik_baseline.finder_choice import FinderKind, open_detector

SQUARES_PER_SEARCH = 6
"""Squares that the network's own search may look at in one video frame..."""

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
        finder: whose hand detector.
        shared: detections of an IK path that runs beside it.
    """

    live: LiveNetwork
    model: HandModel
    max_hands: int = 1
    still: bool = False
    finder: FinderKind = "built-in"
    shared: SharedDetections | None = None

    def __call__(self) -> HandPath:
        """A path; called in its worker thread.

        Raises:
            CheckpointError: the network cannot be loaded.
        """
        runtime = self.live.runtime
        affordable = SQUARES_PER_SEARCH if runtime.input_px <= 128 else LARGE_SQUARES_PER_SEARCH
        own_search = CropSearch(self.live, squares_per_search=0 if self.still else affordable)
        # searches are far apart, so what a detector remembers of the last one would only mislead it
        tiles = ALL_TILES if self.still else 0
        detector = open_detector(self.finder, self.max_hands, still=True, tiles_per_picture=tiles)
        return NetworkPath(
            runtime,
            self.model,
            (detector, own_search),
            max_hands=self.max_hands,
            still=self.still,
            network_now=lambda: self.live.runtime,
            note=lambda: self.live.note,
            shared=self.shared,
        )


def network_path_factory(folder: Path, model: HandModel, max_hands: int, *, still: bool = False) -> NetworkPathFactory:
    """Paths that begin with the network in a folder; the arguments are those of :class:`NetworkPathFactory`."""
    return NetworkPathFactory(LiveNetwork(folder), model, max_hands, still)
