"""The child process of ``app.snapshot.mesh_files``: reads meshes from its input and shows them."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import numpy as np


def main() -> int:
    """Takes the window's title; the exit code is 0 when a window could be opened."""
    (title,) = sys.argv[1:]
    data = sys.stdin.buffer.read()  # first: the parent waits for it if it writes more than a pipe holds
    open3d: Any = importlib.import_module("open3d")  # its type hints do not match what it takes
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        meshes = [_mesh(open3d, arrays, index) for index in range(len(arrays["names"]))]
    return _show(open3d, meshes, title)


def _mesh(open3d: Any, arrays: Any, index: int) -> Any:
    mesh = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(arrays[f"vertices_{index}"]),
        open3d.utility.Vector3iVector(arrays[f"faces_{index}"]),
    )
    mesh.paint_uniform_color(arrays[f"color_{index}"])
    mesh.compute_vertex_normals()
    return mesh


def _show(open3d: Any, meshes: list[Any], title: str) -> int:
    window = open3d.visualization.Visualizer()
    if not window.create_window(window_name=title, width=960, height=720):
        return 1
    for mesh in meshes:
        window.add_geometry(mesh)
    options = window.get_render_option()
    options.mesh_show_back_face = True
    options.mesh_shade_option = open3d.visualization.MeshShadeOption.Color
    window.run()
    window.destroy_window()
    return 0


if __name__ == "__main__":
    sys.exit(main())
