"""Meshes into files, and into a window of Open3D's in a child process.

Open3D takes seconds and hundreds of megabytes to load, and its window needs an event loop of its own; in a child
process it costs the live view nothing, and its failures stay there.
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from app.child_process import PRODUCT_FOLDER, child_environment, python_command
from app.optional_parts.parts import OPEN3D
from hand.atomic_file import write_bytes_atomically
from hand.errors import RecordingError

MESH_SUFFIXES: Final = (".glb", ".obj", ".ply")

_CHILD: Final = "app.snapshot.open3d_child"


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
    """Writes each mesh with colour and normals in the format of its file's suffix, one of ``MESH_SUFFIXES``.

    Raises:
        RecordingError: a file cannot be written; the meshes that could be are there.
    """
    problems: dict[str, str] = {}
    for path, mesh in meshes.items():
        try:
            write_bytes_atomically(path, _encoded(mesh, path.suffix))
        except OSError as error:
            problems[path.name] = error.strerror or str(error)
    if problems:
        raise RecordingError(
            f"The meshes {', '.join(problems)} cannot be written ({', '.join(sorted(set(problems.values())))}); "
            "choose another folder."
        )


def show_meshes(meshes: Mapping[str, PlainMesh], title: str) -> subprocess.Popen[bytes]:
    """Opens a window to turn, zoom and measure meshes in a process of its own, which may outlive the program.

    Args:
        meshes: by a name for people.
        title: of the window.

    Returns:
        The process; it ends when its window is closed, with another code than 0 where no window can be opened.

    Raises:
        RecordingError: Open3D is not installed, or no process can be started.
    """
    if importlib.util.find_spec("open3d") is None:
        raise RecordingError(
            f"The inspection window needs Open3D, which is not installed; run  {OPEN3D.command}  in the program's "
            "folder, or save the mesh and open that in another program."
        )
    try:
        process = subprocess.Popen(
            python_command(_CHILD, title),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=PRODUCT_FOLDER,
            env=child_environment(),
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
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _encoded(mesh: PlainMesh, suffix: str) -> bytes:
    # imported here: it takes a quarter of a second, and the live window does without it
    import trimesh

    whole: Any = trimesh.Trimesh(  # its hints leave most of it open
        mesh.vertices_m,
        mesh.faces,
        vertex_colors=np.append(np.round(np.array(mesh.color) * 255.0), 255.0).astype(np.uint8),
        process=False,  # which would merge and reorder vertices
    )
    kind = suffix.removeprefix(".")
    normals = "vertex_normal" if kind == "ply" else "include_normals"
    content = whole.export(file_type=kind, **{normals: True})
    return content.encode() if isinstance(content, str) else bytes(content)
