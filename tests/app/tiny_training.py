"""A network and sessions so small that a real training process is through with them in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.joints import BONES
from hand.layer import HandLayer
from hand.recording import RecordedHand, SessionInfo
from hand.recording_writer import RecordingWriter
from hand.types import Frame
from trainer.run_folder import FineTuneRequest

CAMERA = Intrinsics.from_fov(160, 120)


def write_session(folder: Path, frames: int, seed: int) -> None:
    """A session of stick hands with live IK labels that are true."""
    rng = np.random.default_rng(seed)
    model = load_embedded_model()
    layer = HandLayer(model, np.float64)
    with RecordingWriter(folder, SessionInfo("test", CAMERA, False, model.name, model.digest)) as writer:
        for index in range(frames):
            pose = rng.normal(0.0, 0.2, 48)
            pose[:3] = rng.normal((np.pi / 2, 0.0, 0.0), 0.3)
            translation = np.array([-0.1, 0.0, 0.5])
            joints = layer(pose, np.zeros(10), translation).joints_m
            picture = np.full((120, 160, 3), 60, np.uint8)
            places = project(joints, CAMERA).round().astype(int).tolist()
            for start, end in BONES:
                cv2.line(picture, places[start], places[end], (200, 150, 120), 3)
            hand = RecordedHand("right", "ik", 0.9, pose, np.zeros(10), translation, joints)
            writer.add(Frame(index, index * 100_000_000, picture, CAMERA, "test"), [hand])


def write_network(folder: Path) -> None:
    """An exported network that was never trained."""
    import torch

    from trainer.export import ExportFacts, export_network
    from trainer.fit import build_network
    from trainer.networks.hand_network import NetworkConfig

    torch.manual_seed(3)
    model = load_embedded_model()
    network = build_network(NetworkConfig("mobilenet_v3_small", "mlp", 64, width=32), model)
    curve = {"offset": -1.0, "slope": 1.0}
    export_network(network, ExportFacts("tiny", model.name, model.digest, 1.6, curve, {}), folder)


def tiny_request(folder: Path, **values: Any) -> FineTuneRequest:
    """A request that names the network and the sessions in a folder, which are made."""
    write_network(folder / "base")
    for number in (1, 2, 3):
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
