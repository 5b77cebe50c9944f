"""Snapshots: what is written is read back by other libraries."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from app_fakes import found, plain_image

from app.pipeline.output_reason import OutputCause, OutputReason
from app.pipeline.output_selector import OutputHand
from app.pipeline.result_synchronizer import JoinedResult
from app.snapshot import mesh_files
from app.snapshot.mesh_files import MESH_SUFFIXES, PlainMesh, show_meshes, write_meshes
from app.snapshot.snapshot import meshes_of, save_snapshot
from hand.camera import Intrinsics
from hand.embedded import load_embedded_model
from hand.errors import ConfigError, RecordingError
from hand.types import Frame

MODEL = load_embedded_model()


def joined() -> JoinedResult:
    image = plain_image()
    image[:, :, 0] = 200  # so that swapped red and blue channels are noticed
    frame = Frame(5, time.monotonic_ns(), image, Intrinsics.from_fov(320, 240), "Fake")
    left = found(frame, "left")
    return JoinedResult(frame, {"ik": left}, (OutputHand(left.states[0], OutputReason(OutputCause.ONLY_PATH)),))


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_snapshot_is_read_back(tmp_path: Path, suffix: str) -> None:
    taken = joined()
    files = save_snapshot(taken, MODEL, tmp_path, mesh_suffix=suffix, name="moment")
    picture = cv2.cvtColor(cv2.imread(str(files.picture)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(picture, taken.frame.image_rgb)
    content = json.loads(files.description.read_text())
    assert (content["schema"], content["version"], content["sequence"]) == ("handlive.snapshot", 1, 5)
    assert content["files"] == {"picture": "moment.png", "meshes": [path.name for path in files.meshes]}
    state = taken.outputs[0].state
    np.testing.assert_allclose(content["hands"][0]["joints_m"], state.joints_m, atol=1e-5)
    np.testing.assert_allclose(
        content["paths"]["ik"]["landmarks_px"][0], taken.results["ik"].observations[0].landmarks_px, atol=0.01
    )
    assert [path.name for path in files.meshes] == [f"moment_output_left{suffix}", f"moment_ik_left{suffix}"]
    for path in files.meshes:
        mesh = trimesh.load_mesh(path, process=False)
        vertices = np.asarray(mesh.vertices)
        assert len(vertices) == MODEL.vertex_count
        np.testing.assert_allclose(vertices * (1, -1, -1), state.vertices_m, atol=1e-5)
        assert mesh.volume > 0  # outwards, also for a left hand
    assert not list(tmp_path.glob("*.part*"))


OPEN3D_READS = """
import sys
import numpy, open3d
mesh = open3d.io.read_triangle_mesh(sys.argv[1])
numpy.savez(
    sys.argv[2],
    vertices=mesh.vertices, faces=mesh.triangles, colors=mesh.vertex_colors, normals=mesh.vertex_normals,
)
"""
"""In a process of its own, because Open3D brings another OpenGL along."""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_another_library_reads_the_same_mesh(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("open3d", reason="Open3D is not installed")
    vertices = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.2, 0.0], [0.0, 0.0, -0.3]])
    faces = np.array([[0, 1, 2], [0, 3, 1]])
    path, seen = tmp_path / f"mesh{suffix}", tmp_path / "seen.npz"
    write_meshes({path: PlainMesh(vertices, faces, (0.2, 0.4, 0.8))})
    subprocess.run([sys.executable, "-c", OPEN3D_READS, str(path), str(seen)], check=True, capture_output=True)
    with np.load(seen) as read:
        np.testing.assert_allclose(read["vertices"], vertices, atol=1e-6)
        np.testing.assert_array_equal(read["faces"], faces)
        np.testing.assert_allclose(read["colors"], np.tile((0.2, 0.4, 0.8), (4, 1)), atol=0.5 / 255 + 1e-6)
        np.testing.assert_allclose(np.linalg.norm(read["normals"], axis=1), 1.0, atol=1e-4)
        assert read["normals"][2] @ (0.0, 0.0, 1.0) > 0.99  # outwards, as its only triangle is turned


def test_missing_open3d_is_reported_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        mesh_files.importlib.util, "find_spec", lambda name: None if name == "open3d" else find_spec(name)
    )
    with pytest.raises(RecordingError, match=r"needs Open3D.*python main_v2\.py install open3d"):
        show_meshes({"hand": PlainMesh(np.eye(3), np.array([[0, 1, 2]]))}, "mesh")


def test_second_snapshot_of_the_same_second_gets_a_name_of_its_own(tmp_path: Path) -> None:
    frame = joined().frame
    empty = JoinedResult(frame, {})
    first, second = (save_snapshot(empty, MODEL, tmp_path, name="moment") for _ in range(2))
    assert (first.description.name, second.description.name) == ("moment.json", "moment_2.json")
    assert first.meshes == ()


def test_both_hands_of_one_side_are_kept() -> None:
    taken = joined()
    twice = JoinedResult(taken.frame, {}, (*taken.outputs, *taken.outputs))
    assert list(meshes_of(twice, MODEL)) == ["output_left", "output_left_2"]


def test_unknown_format_and_unwritable_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not as '\.fbx'"):
        save_snapshot(joined(), MODEL, tmp_path, mesh_suffix=".fbx")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingError, match="cannot be written"):
        save_snapshot(joined(), MODEL, tmp_path / "file")
    mesh = PlainMesh(np.eye(3), np.array([[0, 1, 2]]))
    with pytest.raises(RecordingError, match=r"lost\.ply cannot be written"):
        write_meshes({tmp_path / "file" / "lost.ply": mesh, tmp_path / "kept.ply": mesh})
    assert (tmp_path / "kept.ply").is_file()
