"""Meshes into files and into a window of their own, by Open3D in a child process.

Open3D takes seconds and hundreds of megabytes to load, and its window wants an event loop of its own; in a child it
costs the live view nothing, and what goes wrong there stays there.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from hand.errors import RecordingError

MESH_SUFFIXES: Final = (".glb", ".obj", ".ply")
WRITE_TIMEOUT_S: Final = 60.0

_CHILD = "app.snapshot.open3d_child"
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, eq=False)
class PlainMesh:
    """A mesh as any program takes it.

    Attributes:
        vertices_m: y up, z towards the viewer.
        faces: triangles, counter-clockwise seen from outside.
        color: red, green and blue from 0 to 1.
    """

    vertices_m: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    color: tuple[float, float, float] = (0.83, 0.62, 0.50)


def write_meshes(meshes: Mapping[Path, PlainMesh]) -> None:
    """Writes each mesh in the format of its file's suffix; takes some seconds, so call it from a worker thread.

    Raises:
        RecordingError: a file cannot be written; the meshes that could be are there.
    """
    if not meshes:
        return
    # under another name first, so that a file is either whole or not there
    partial = {path: path.with_name(f"{path.stem}.part{path.suffix}") for path in meshes}
    data = _packed({str(partial[path]): mesh for path, mesh in meshes.items()})
    try:
        done = subprocess.run(
            [sys.executable, "-m", _CHILD, "write"], input=data, capture_output=True, timeout=WRITE_TIMEOUT_S, cwd=_ROOT
        )
        written = [path for path in meshes if partial[path].is_file()]
        for path in written:
            partial[path].replace(path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RecordingError(f"The meshes cannot be written ({error}); choose another folder.") from None
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)
    missing = [path.name for path in meshes if path not in written]
    if done.returncode or missing:
        raise RecordingError(
            f"The meshes {', '.join(missing) or 'of this snapshot'} cannot be written ({_last_line(done.stderr)}); "
            "choose another folder."
        )


def show_meshes(meshes: Mapping[str, PlainMesh], title: str) -> subprocess.Popen[bytes]:
    """Opens a window to turn, zoom and measure meshes; it lives on its own and may outlive the program.

    Args:
        meshes: by a name for people.
        title: of the window.

    Returns:
        The process; it ends when its window is closed, with another code than 0 where no window can be opened.

    Raises:
        RecordingError: no process can be started.
    """
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", _CHILD, "show", title],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
        )
        assert process.stdin is not None
        with process.stdin as stream:
            stream.write(_packed(meshes))
    except OSError as error:
        raise RecordingError(f"The inspection window cannot be opened ({error}); save a mesh and open that.") from None
    return process


def _packed(meshes: Mapping[str, PlainMesh]) -> bytes:
    names = list(meshes)
    arrays: dict[str, np.ndarray] = {"names": np.array(names)}
    for index, name in enumerate(names):
        mesh = meshes[name]
        arrays[f"vertices_{index}"] = np.asarray(mesh.vertices_m, np.float64)
        arrays[f"faces_{index}"] = np.asarray(mesh.faces, np.int32)
        arrays[f"color_{index}"] = np.array(mesh.color)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "Open3D gave no reason"
