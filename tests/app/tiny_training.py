"""A network and sessions so small that a real training process takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.joints import BONES
from hand.layer import HandGeometry, HandLayer
from hand.recording import RecordedHand, SessionInfo
from hand.recording_writer import RecordingWriter
from hand.types import Frame
from trainer.runs.run_folder import FineTuneRequest

CAMERA = Intrinsics.from_fov(160, 120)


@dataclass(frozen=True, slots=True, eq=False)
class StickHand:
    """A frame with a stick hand in it, and the ground truth of that hand."""

    frame: Frame
    pose_rad: np.ndarray
    translation_m: np.ndarray
    geometry: HandGeometry


def stick_hands(frames: int, seed: int) -> Iterator[StickHand]:
    """A stick hand that moves slowly, ten frames a second."""
    rng = np.random.default_rng(seed)
    layer = HandLayer(load_embedded_model(), np.float64)
    middle, phase = rng.normal(0.0, 0.15, 48), rng.uniform(0.0, 2.0 * np.pi, 48)
    middle[0] += np.pi / 2
    translation = np.array([-0.1, 0.0, 0.5])
    for index in range(frames):
        pose = middle + 0.15 * np.sin(phase + 0.15 * index)
        hand = layer(pose, np.zeros(10), translation)
        picture = np.full((120, 160, 3), 60, np.uint8)
        places = project(hand.joints_m, CAMERA).round().astype(int).tolist()
        for start, end in BONES:
            cv2.line(picture, places[start], places[end], (200, 150, 120), 3)
        yield StickHand(Frame(index, index * 100_000_000, picture, CAMERA, "test"), pose, translation, hand)


def write_session(folder: Path, frames: int, seed: int) -> None:
    """Writes a session of stick hands with exact live IK labels."""
    model = load_embedded_model()
    with RecordingWriter(folder, SessionInfo("test", CAMERA, False, model.name, model.digest)) as writer:
        for shown in stick_hands(frames, seed):
            numbers = (shown.pose_rad, np.zeros(10), shown.translation_m, shown.geometry.joints_m)
            writer.add(shown.frame, [RecordedHand("right", "ik", 0.9, *numbers)])


def write_network(folder: Path) -> None:
    """Exports a network that was never trained."""
    import torch

    from trainer.export import ExportFacts, export_network
    from trainer.networks.building import build_network
    from trainer.networks.hand_network import NetworkConfig

    torch.manual_seed(3)
    model = load_embedded_model()
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, width=32), model)
    curve = {"offset": -1.0, "slope": 1.0}
    export_network(network, ExportFacts("tiny", model.name, model.digest, 1.6, curve, {}), folder)


def tiny_request(folder: Path, *, sessions: bool = True, **values: Any) -> FineTuneRequest:
    """Writes a network and, unless ``sessions`` is false, sessions to a folder; returns a request for them."""
    write_network(folder / "base")
    for number in (1, 2, 3) if sessions else ():
        write_session(folder / "sessions" / f"s{number}", 20, number)
    small = {"batch": 4, "steps": 8, "evaluate_every": 2, "evaluation_count": 4, "log_every": 1, "workers": 0}
    sources = [
        {"kind": "recordings", "share": 0.8, "floor": 0.05, "span": [0.0, 0.9]},
        {"kind": "rendered", "share": 0.2, "repeat": 2},
    ]
    return FineTuneRequest(
        base=str(folder / "base"),
        recordings=str(folder / "sessions"),
        name="tiny",
        general_crops=4,
        values={**small, "sources": sources, **values},
    )
