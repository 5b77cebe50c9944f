"""Everything in the program that reads a file, by a name, with a whole file for each.

A reader is given the folder that its file lies in and raises nothing but what the program shows as a sentence. Where a
damaged file lies among whole ones, the reader itself checks that these are still found.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from app.jobs.training import TrainingRuns
from app.networks.library import NetworkLibrary
from app.recording.sessions import list_sessions, summarize_sessions
from app.settings import Settings, load_settings, save_settings
from app.sources.calibration_store import saved_intrinsics
from app.sources.choose import SourceOptions, choose_source
from app.sources.picture_files import read_picture
from app.sources.video import VideoSource
from app.ui.training.report_view import read_report
from assets import ASSETS_DIR
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model, load_model
from hand.recording import SessionInfo
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.scoring import score_freihand
from hand.session_labels import read_session_labels
from hand.types import Frame
from ik_baseline.person import HandCalibration
from inference.runtime import read_metadata
from trainer.runs.run_folder import FineTuneRequest, read_request, write_request
from trainer.runs.run_history import RunHistory

NETWORK = ASSETS_DIR / "network"


class LostError(Exception):
    """Whole files were not found any more beside a damaged one."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One way into the program.

    Attributes:
        file: its file's name in the folder.
        make: writes a whole file, and what belongs to it, into the folder.
        read: reads the folder.
    """

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]


def _write(name: str, text: str | bytes) -> Callable[[Path], object]:
    data = text.encode() if isinstance(text, str) else text

    def write(folder: Path) -> object:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        return (folder / name).write_bytes(data)

    return write


def _session(folder: Path) -> None:
    model = load_embedded_model()
    camera = Intrinsics.from_fov(32, 24)
    with RecordingWriter(folder, SessionInfo("a", camera, False, model.name, model.digest), min_free_bytes=0) as writer:
        for number in range(3):
            writer.add(Frame(number, number * 33_000_000, np.full((24, 32, 3), 90, np.uint8), camera, "a"), [])


def _two_sessions(folder: Path) -> None:
    for name in ("good", "bad"):
        _session(folder / name)


def _list_sessions(folder: Path) -> None:
    if "good" not in [entry.folder.name for entry in list_sessions(folder) if not entry.problem]:
        raise LostError("the whole session is not listed")
    if "good" not in [row.folder.name for row in summarize_sessions(folder)]:
        raise LostError("the whole session is not offered for training")


def _read_session(folder: Path) -> None:
    recording = open_recording(folder)
    for frame in recording.frames:
        recording.picture(frame)
    read_session_labels(folder)


def _networks(folder: Path) -> None:
    for name in ("good", "bad"):
        (folder / "networks" / name).mkdir(parents=True)
        for part in ("network.json", "card.md"):
            shutil.copyfile(NETWORK / part, folder / "networks" / name / part)
    _write("networks/history.jsonl", json.dumps({"time_utc": "a", "folder": str(NETWORK), "name": "b", "reason": "c"}))(
        folder
    )


def _list_networks(folder: Path) -> None:
    library = NetworkLibrary(NETWORK, folder / "networks")
    if "good" not in [entry.folder.name for entry in library.entries()]:
        raise LostError("the whole network is not listed")
    library.history()
    library.last_live()


def _share(folder: Path) -> None:
    library = NetworkLibrary(NETWORK, folder / "networks")
    library.share(library.entry(NETWORK), folder / "a.handnet")


def _take_shared(folder: Path) -> None:
    library = NetworkLibrary(NETWORK, folder / "networks")
    try:
        library.add(folder / "a.handnet")
    finally:
        shutil.rmtree(folder / "networks", ignore_errors=True)


def _two_runs(folder: Path) -> None:
    for name in ("good", "bad"):
        write_request(folder / name, FineTuneRequest("base", "sessions"))
        _write(f"{name}/events.jsonl", json.dumps({"event": "step", "time": 1.0, "step": 3, "loss": 0.5}) + "\n")(
            folder
        )
        report = {"sentence": "a", "verdict": "better", "own": {}, "general": {}}
        _write(f"{name}/report/report.json", json.dumps(report))(folder)


def _list_runs(folder: Path) -> None:
    if "good" not in [run.folder.name for run in TrainingRuns(folder).refresh()]:
        raise LostError("the whole run is not listed")
    read_report(folder / "bad")
    RunHistory(folder / "bad").update()
    read_request(folder / "bad")


def _camera(folder: Path) -> None:
    content = {"schema": 1, "camera": "a", "intrinsics": asdict(Intrinsics.from_fov(640, 480))}
    _write("a.json", json.dumps(content))(folder)


def _picture(name: str) -> Callable[[Path], object]:
    return lambda folder: cv2.imwrite(str(folder / name), np.full((24, 32, 3), 90, np.uint8))


def _copy(source: Path, name: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copyfile(source, folder / name)


def _play(path: Path) -> None:
    source = VideoSource(path)
    try:
        source.open()
        for _ in range(3):
            source.read()
    finally:
        source.close()


def _score(folder: Path) -> None:
    score_freihand(folder / "pred.json", folder)


def _truth(folder: Path) -> None:
    hand = np.zeros((1, 21, 3)).tolist()
    _write("pred.json", json.dumps([hand, hand]))(folder)
    for kind in ("xyz", "verts"):
        _write(f"evaluation_{kind}.json", json.dumps(hand))(folder)


def _photographs(folder: Path) -> None:
    hand = {"confidence": 0.9, "joints_px": [[1.0, 2.0]] * 21, "pose_rad": [0.0] * 48, "shape": [0.0] * 10}
    hand |= {"joints_m": [[0.0, 0.0, 1.0]] * 21, "side": "right", "camera_translation_m": [0.0, 0.0, 1.0]}
    content = {"schema": 1, "images": [{"file": "a.jpg", "width": 32, "height": 24, "hands": [hand]}]}
    _write("pred.json", json.dumps(content))(folder)


def _read_recipe(folder: Path) -> None:
    from trainer.recipe.config import read_config

    read_config(folder / "a.yaml")


def _read_photographs(folder: Path) -> None:
    # here and not above, like the recipe: it brings torch along, which the program itself never loads
    from trainer.recipe.sources import PhotographSource
    from trainer.samples.photographs import read_pseudo_labels

    read_pseudo_labels(PhotographSource(path=str(folder / "pred.json"), pictures=str(folder)))


READERS: dict[str, Reader] = {
    "settings": Reader(
        "settings.json",
        lambda folder: save_settings(Settings(), folder / "settings.json"),
        lambda folder: load_settings(folder / "settings.json"),
    ),
    "camera calibration": Reader("a.json", _camera, lambda folder: saved_intrinsics("a", 640, 480, folder)),
    "hand calibration": Reader(
        "hand.json",
        lambda folder: HandCalibration.default(load_embedded_model()).save(folder / "hand.json"),
        lambda folder: HandCalibration.load(load_embedded_model(), folder / "hand.json"),
    ),
    "session, head": Reader("session.json", _session, _read_session),
    "session, labels": Reader("labels.jsonl", _session, _read_session),
    "session, end": Reader("COMPLETE", _session, _read_session),
    "session, picture": Reader("frames/00000001.jpg", _session, _read_session),
    "sessions, list": Reader("bad/session.json", _two_sessions, _list_sessions),
    "sessions, list of labels": Reader("bad/labels.jsonl", _two_sessions, _list_sessions),
    "network, metadata": Reader("network.json", _copy(NETWORK / "network.json", "network.json"), read_metadata),
    "networks, list": Reader("networks/bad/network.json", _networks, _list_networks),
    "networks, history": Reader("networks/history.jsonl", _networks, _list_networks),
    "network, shared": Reader("a.handnet", _share, _take_shared),
    "runs, list": Reader("bad/request.json", _two_runs, _list_runs),
    "run, events": Reader("bad/events.jsonl", _two_runs, _list_runs),
    "run, report": Reader("bad/report/report.json", _two_runs, _list_runs),
    "recipe": Reader(
        "a.yaml",
        _copy(ASSETS_DIR.parent / "configs" / "debug.yaml", "a.yaml"),
        _read_recipe,
    ),
    "picture, JPEG": Reader("a.jpg", _picture("a.jpg"), lambda folder: read_picture(folder / "a.jpg")),
    "picture, PNG": Reader("a.png", _picture("a.png"), lambda folder: read_picture(folder / "a.png")),
    "video": Reader("a.mp4", _copy(ASSETS_DIR / "demo" / "demo.mp4", "a.mp4"), lambda folder: _play(folder / "a.mp4")),
    "source": Reader("a.png", _picture("a.png"), lambda folder: choose_source(str(folder / "a.png"), SourceOptions())),
    "hand model": Reader(
        "a.npz",
        _copy(ASSETS_DIR / "hand_model" / "embedded_right.npz", "a.npz"),
        lambda folder: load_model(folder / "a.npz"),
    ),
    "hand model, pickle": Reader(
        "a.pkl",
        _copy(ASSETS_DIR / "hand_model" / "embedded_right.npz", "a.pkl"),
        lambda folder: load_model(folder / "a.pkl"),
    ),
    "prediction, scored": Reader("pred.json", _truth, _score),
    "prediction, learned from": Reader("pred.json", _photographs, _read_photographs),
}
