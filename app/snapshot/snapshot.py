"""A snapshot: the picture as the source gave it, the mesh of every hand, and a JSON file that describes both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from app.outputs.messages import hand_content, hands_message
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.scene_view import as_seen_by_camera
from app.snapshot.mesh_files import MESH_SUFFIXES, PlainMesh, write_meshes
from hand.atomic_file import write_json_atomically
from hand.errors import ConfigError, RecordingError
from hand.model import HandModel
from hand.picture_file import write_picture
from hand.types import HandState

SCHEMA_VERSION: Final = 1
MESH_AXES: Final = "x right, y up, z towards the viewer (camera axes with y and z negated), metres"

_TO_VIEWER = np.array([1.0, -1.0, -1.0])


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """What was written.

    Attributes:
        picture: PNG.
        description: JSON.
        meshes: one per hand and path that found it.
    """

    picture: Path
    description: Path
    meshes: tuple[Path, ...]


def save_snapshot(
    joined: JoinedResult, model: HandModel, folder: Path, *, mesh_suffix: str = ".glb", name: str | None = None
) -> SnapshotFiles:
    """Writes a snapshot; takes some seconds, so call it from a worker thread.

    Args:
        joined: the frame and the results of all paths.
        model: hand model of the poses.
        folder: where to; it is made.
        mesh_suffix: format of the meshes, one of ``MESH_SUFFIXES``.
        name: beginning of the files' names; date and time when left out.

    Raises:
        ConfigError: unsupported format of the meshes.
        RecordingError: something cannot be written.
    """
    if mesh_suffix not in MESH_SUFFIXES:
        raise ConfigError(f"A mesh is saved as {', '.join(MESH_SUFFIXES)}, not as {mesh_suffix!r}.")
    stem = _free_stem(folder, name or f"hand_{datetime.now():%Y-%m-%d_%H-%M-%S}")
    joined = as_seen_by_camera(joined, picture=True)
    picture, description = folder / f"{stem}.png", folder / f"{stem}.json"
    meshes = {folder / f"{stem}_{label}{mesh_suffix}": mesh for label, mesh in meshes_of(joined, model).items()}
    content = snapshot_content(joined, model)
    content["files"] = {"picture": picture.name, "meshes": [path.name for path in meshes]}
    try:
        write_picture(picture, cv2.cvtColor(joined.frame.image_rgb, cv2.COLOR_RGB2BGR))
        write_json_atomically(description, content)
    except OSError as error:
        raise RecordingError(
            f"The snapshot cannot be written to {folder}: {error.strerror or error}; choose another folder."
        ) from None
    write_meshes(meshes)
    return SnapshotFiles(picture, description, tuple(meshes))


def snapshot_content(joined: JoinedResult, model: HandModel) -> dict[str, Any]:
    """Every number of a frame: the output hands as in a live stream, and the hands of each path."""
    return {
        **hands_message(joined, mesh=False),
        "schema": "handlive.snapshot",
        "version": SCHEMA_VERSION,
        "hand_model": {"name": model.name, "digest": model.digest},
        "mesh_axes": MESH_AXES,
        "paths": {
            path_id: {
                "hands": [hand_content(state, mesh=False) for state in result.states],
                "landmarks_px": [np.round(seen.landmarks_px, 2).tolist() for seen in result.observations],
                "timings_ms": {stage: round(value, 3) for stage, value in result.timings_ms.items()},
            }
            for path_id, result in joined.results.items()
        },
    }


def meshes_of(joined: JoinedResult, model: HandModel) -> dict[str, PlainMesh]:
    """The meshes of a frame by what they are: the output and each path, of each side."""
    faces = {model.side: np.asarray(model.faces)}
    faces |= {mirrored.side: np.asarray(mirrored.faces) for mirrored in [model.mirrored()]}
    labelled: list[tuple[str, HandState]] = [(f"output_{o.state.side}", o.state) for o in joined.outputs]
    for path_id, result in joined.results.items():
        labelled += [(f"{path_id}_{state.side}", state) for state in result.states]
    meshes: dict[str, PlainMesh] = {}
    for label, state in labelled:
        # two hands of one side are possible while paths disagree
        free = next(name for name in (label, *(f"{label}_{k}" for k in range(2, 9))) if name not in meshes)
        meshes[free] = PlainMesh(state.vertices_m * _TO_VIEWER, faces[state.side])
    return meshes


def _free_stem(folder: Path, stem: str) -> str:
    """The name itself, or with a number after it: an earlier snapshot is never overwritten."""
    number, free = 1, stem
    while (folder / f"{free}.json").exists():
        number += 1
        free = f"{stem}_{number}"
    return free
