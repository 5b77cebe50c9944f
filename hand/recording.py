"""The recording format: the files of a session.

    session.json        first: camera, hand model, versions
    frames/00000000.jpg one picture per frame
    labels.jsonl        one line per frame, appended and flushed at once; written after its picture
    COMPLETE            last: how many frames there are and how many were dropped

Two more files may stand beside them, ``offline.jsonl`` and ``review.jsonl``: labels computed and decided after
recording (``hand.session_labels``).

Every prefix of that is a valid recording, so a killed program loses at most the frame it was writing (an MP4 that is
not closed cannot be read at all). ``hand.recording_writer`` writes it, ``hand.recording_reader`` reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import numpy as np
from jaxtyping import Float

from hand.camera import Intrinsics
from hand.mirror import Side
from hand.types import HandObservation, HandOrigin, HandState

SCHEMA: Final = 1
SESSION_FILE: Final = "session.json"
LABELS_FILE: Final = "labels.jsonl"
COMPLETE_FILE: Final = "COMPLETE"
FRAMES_FOLDER: Final = "frames"
Recorded = Literal[HandOrigin, "truth", "two_views", "offline", "corrected"]
"""What a recorded hand comes from: a path of this product, the renderer of the picture, two cameras that triangulated
it, the pass over the whole session that comes after recording, or the user who corrected it."""

MEASURED: Final[tuple[Recorded, ...]] = ("truth", "two_views")
"""Origins with a measured depth; that of all others is estimated from one picture."""
_SIDES: Final = get_args(Side)
_RECORDED: Final = get_args(Recorded)
_NO_VERSIONS: Mapping[str, str] = MappingProxyType({})
_NO_TIMINGS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What holds for the whole session.

    Attributes:
        source_id: which camera or file it came from.
        intrinsics: of every picture.
        mirrored: the pictures are mirror images of the scene.
        hand_model: name of the model that poses and shapes refer to.
        hand_model_digest: ``HandModel.digest`` of its right hand.
        versions: of the program and its parts.
        started_utc: ISO 8601.
        name: given by the user; empty without one.
        number: sessions of one folder are counted, because clocks jump; 0 where they were not.
        pair: name of the take, where two cameras recorded it at once; the session of the other one has the same.
    """

    source_id: str
    intrinsics: Intrinsics
    mirrored: bool
    hand_model: str
    hand_model_digest: str
    versions: Mapping[str, str] = field(default_factory=lambda: _NO_VERSIONS)
    started_utc: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    name: str = ""
    number: int = 0
    pair: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedHand:
    """One hand of one frame, as ``hand.types.HandState`` without the mesh, which follows from pose and shape.

    Attributes:
        side: the hand the picture shows.
        origin: what made it.
        confidence: 0 to 1.
        pose_rad: absolute axis-angle.
        shape: shape coefficients.
        camera_translation_m: see ``HandState``.
        joints_m: 21 joints in camera axes.
        reprojection_px: NaN where unknown.
        landmarks_px: the detector's 2D landmarks, where there is an observation.
        world_landmarks_m: the same in metres.
    """

    side: Side
    origin: Recorded
    confidence: float
    pose_rad: Float[np.ndarray, "48"]
    shape: Float[np.ndarray, "10"]
    camera_translation_m: Float[np.ndarray, "3"]
    joints_m: Float[np.ndarray, "21 3"]
    reprojection_px: float = float("nan")
    landmarks_px: Float[np.ndarray, "21 2"] | None = None
    world_landmarks_m: Float[np.ndarray, "21 3"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RecordedFrame:
    """One frame of a recording.

    Attributes:
        index: number of its picture, from 0 without holes except where a picture was lost.
        sequence: number the source gave it.
        capture_time_ns: on the steady clock of the recording machine.
        hands: found in it.
        marker: what the user marked here while recording; mostly empty.
        timings_ms: milliseconds per path and stage, as ``"ik/solver"``.
    """

    index: int
    sequence: int
    capture_time_ns: int
    hands: tuple[RecordedHand, ...]
    marker: str = ""
    timings_ms: Mapping[str, float] = field(default_factory=lambda: _NO_TIMINGS)


def recorded_hand(state: HandState, observation: HandObservation | None = None) -> RecordedHand:
    """The recorded form of a hand state, with the observation it was made from if that is given."""
    return RecordedHand(
        side=state.side,
        origin=state.origin,
        confidence=float(state.confidence),
        pose_rad=state.pose_rad,
        shape=state.shape,
        camera_translation_m=state.camera_translation_m,
        joints_m=state.joints_m,
        reprojection_px=float(state.reprojection_px),
        landmarks_px=observation.landmarks_px if observation else None,
        world_landmarks_m=observation.world_landmarks_m if observation else None,
    )


def session_to_json(info: SessionInfo) -> dict[str, Any]:
    """The content of session.json."""
    content = {
        "schema": SCHEMA,
        "source_id": info.source_id,
        "started_utc": info.started_utc,
        "mirrored": info.mirrored,
        "hand_model": info.hand_model,
        "hand_model_digest": info.hand_model_digest,
        "intrinsics": asdict(info.intrinsics),
        "versions": dict(info.versions),
    }
    # older programs read sessions without these, and ignore them
    further = {"name": info.name, "pair": info.pair, "number": info.number}
    return content | {key: value for key, value in further.items() if value}


def session_from_json(content: dict[str, Any]) -> SessionInfo:
    """The inverse of :func:`session_to_json`.

    Raises:
        AttributeError, KeyError, TypeError, ValueError, IntrinsicsError: the content is something else.
    """
    return SessionInfo(
        source_id=str(content["source_id"]),
        intrinsics=Intrinsics(**content["intrinsics"]),
        mirrored=bool(content["mirrored"]),
        hand_model=str(content["hand_model"]),
        hand_model_digest=str(content["hand_model_digest"]),
        versions=MappingProxyType({str(key): str(text) for key, text in content["versions"].items()}),
        started_utc=str(content["started_utc"]),
        name=str(content.get("name", "")),
        number=max(int(content.get("number", 0)), 0),
        pair=str(content.get("pair", "")),
    )


def hand_to_json(hand: RecordedHand) -> dict[str, Any]:
    """One hand of a line of labels.jsonl; single-precision numbers come back as they were."""
    content: dict[str, Any] = {
        "side": hand.side,
        "provider": hand.origin,
        "confidence": hand.confidence,
        "reprojection_px": None if math.isnan(hand.reprojection_px) else hand.reprojection_px,
    }
    for name in ("pose_rad", "shape", "camera_translation_m", "joints_m", "landmarks_px", "world_landmarks_m"):
        array = getattr(hand, name)
        if array is not None:
            content[name] = single_precision_list(array)
    return content


def single_precision_list(array: Float[np.ndarray, "..."]) -> Any:
    """An array as (nested) lists of the shortest numbers that give the same single precision back."""
    flat = [float(str(number)) for number in np.asarray(array, np.float32).ravel()]
    return np.array(flat).reshape(np.shape(array)).tolist()


def frame_from_json(line: dict[str, Any]) -> RecordedFrame:
    """The frame of one line of labels.jsonl.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the line is something else.
    """
    return RecordedFrame(
        index=int(line["frame"]),
        sequence=int(line["sequence"]),
        capture_time_ns=int(line["capture_time_ns"]),
        hands=tuple(hand_from_json(hand) for hand in line["hands"]),
        marker=str(line.get("marker", "")),
        timings_ms=MappingProxyType({str(stage): float(spent) for stage, spent in line.get("timings_ms", {}).items()}),
    )


def hand_from_json(content: dict[str, Any]) -> RecordedHand:
    """The inverse of :func:`hand_to_json`.

    Raises:
        KeyError, TypeError, ValueError: the content is something else.
    """

    def array(name: str, *shape: int) -> np.ndarray:
        return np.array(content[name], np.float32).reshape(shape)

    if content["side"] not in _SIDES or content["provider"] not in _RECORDED:
        raise ValueError(f"side {content['side']!r}, provider {content['provider']!r}")
    reprojection = content["reprojection_px"]
    return RecordedHand(
        side=content["side"],
        origin=content["provider"],
        confidence=float(content["confidence"]),
        pose_rad=array("pose_rad", 48),
        shape=array("shape", 10),
        camera_translation_m=array("camera_translation_m", 3),
        joints_m=array("joints_m", 21, 3),
        reprojection_px=float("nan") if reprojection is None else float(reprojection),
        landmarks_px=array("landmarks_px", 21, 2) if "landmarks_px" in content else None,
        world_landmarks_m=array("world_landmarks_m", 21, 3) if "world_landmarks_m" in content else None,
    )


def picture_path(folder: Path, index: int) -> Path:
    """The file of one picture."""
    return folder / FRAMES_FOLDER / picture_name(index)


def picture_name(index: int) -> str:
    """File name of one picture."""
    return f"{index:08d}.jpg"
