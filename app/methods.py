"""Which paths a run has: what ``--method`` and ``--network`` mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from app.networks.device import DeviceChoice
from app.networks.live_network import LiveNetwork
from app.pipeline.paths.calibrated_ik_path import OwnHandWish
from app.pipeline.paths.hand_path import PathFactory, ik_path_factory
from app.pipeline.paths.path_factories import NetworkPathFactory
from app.pipeline.paths.shared_detections import SharedDetections
from app.pipeline.paths.smoothing import Smoothing, smoothed
from assets import ASSETS_DIR
from hand.errors import CheckpointError
from hand.model import HandModel
from hand.types import Provider
from ik_baseline.finder_choice import FinderKind
from inference.runtime import METADATA_FILE, read_metadata

Method = Literal["ik", "network", "both"]

SHIPPED_NETWORK_DIR = ASSETS_DIR / "network"

NO_CHECKPOINT_SENTENCE = (
    "No checkpoint of a trained network is installed, so --method network has nothing to run; use --method ik."
)
NO_SECOND_METHOD_SENTENCE = "No trained network is installed, so --method both runs ik alone."


def chosen_paths(
    method: Method,
    network_dir: Path | None,
    model: HandModel,
    max_hands: int,
    *,
    still: bool = False,
    forgiving: bool = False,
    every_frame: bool = False,
    looks: int = 1,
    finder: FinderKind = "built-in",
    own_hand: OwnHandWish | None = None,
    smoothing: Smoothing | None = None,
    live_network: LiveNetwork | None = None,
    device: DeviceChoice = "cpu",
    complain: Callable[[str], None],
) -> dict[Provider, PathFactory]:
    """The paths of a run, the first one first to be shown.

    Args:
        method: the user's choice.
        network_dir: folder of the network, None for the one that comes along.
        model: right-hand model of the user.
        max_hands: 1 or 2.
        still: every frame is a picture of its own, without a past.
        forgiving: with "both", a network that cannot be used is a path that says so, while the other one works.
        every_frame: every path works on every frame, so that one may wait for the other.
        looks: how often MediaPipe looks at a still picture.
        finder: whose hand detector.
        own_hand: what the IK path does about the user's own hand shape.
        smoothing: the filter behind each path; none when left out.
        live_network: holds the network, for whoever wants to swap it; then ``network_dir`` only says what was asked.
        device: what the network runs on, where ``live_network`` does not say it.
        complain: gets a sentence when "both" is only one.

    Raises:
        CheckpointError: the network is wanted and cannot be used.
    """
    folder = network_dir or SHIPPED_NETWORK_DIR
    if method != "ik" and network_dir is None and not has_network():
        if method == "network":
            raise CheckpointError(NO_CHECKPOINT_SENTENCE)
        complain(NO_SECOND_METHOD_SENTENCE)
        method = "ik"
    shared = SharedDetections(every_frame=every_frame) if method == "both" and finder == "built-in" else None
    paths: dict[Provider, PathFactory] = {}
    if method in ("network", "both"):
        try:
            read_metadata(folder)  # refused at once, not when the engine starts
        except CheckpointError:
            if method == "network" or not forgiving:
                raise
            # its worker says the same sentence in the network's place, and tries again
        live = live_network or LiveNetwork(folder, device)
        paths["network"] = NetworkPathFactory(live, model, max_hands, still, finder, shared)
    if method in ("ik", "both"):
        paths["ik"] = ik_path_factory(
            model, max_hands, still=still, looks=looks, finder=finder, own_hand=own_hand, shared=shared
        )
    if smoothing is None:
        return paths
    return {provider: smoothed(factory, model, smoothing) for provider, factory in paths.items()}


def has_network() -> bool:
    """Whether a trained network comes along."""
    return (SHIPPED_NETWORK_DIR / METADATA_FILE).is_file()
