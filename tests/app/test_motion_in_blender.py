"""Blender opens exported files and moves the hand as the hand layer does; runs where ``bpy`` is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_motion import FRAMES, RATE, recorded, state_at

from app.motion.save import save_motion

bpy = pytest.importorskip("bpy")


def test_blender_plays_the_glb_as_the_hand_layer_poses_it(tmp_path: Path) -> None:
    (file,) = save_motion(recorded("right", "left"), tmp_path / "motion.glb")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = round(RATE)
    bpy.ops.import_scene.gltf(filepath=str(file))
    for sequence in (0, 7, FRAMES - 1):
        bpy.context.scene.frame_set(sequence)
        graph = bpy.context.evaluated_depsgraph_get()
        for side in ("right", "left"):
            (mesh,) = (o for o in bpy.data.objects if o.type == "MESH" and o.name.startswith(side))
            evaluated = mesh.evaluated_get(graph)
            found = np.array([evaluated.matrix_world @ vertex.co for vertex in evaluated.to_mesh().vertices])
            # Blender is z up: x right, y away from the viewer
            wanted = state_at(sequence, side).vertices_m[:, [0, 2, 1]] * (1.0, 1.0, -1.0)
            assert np.linalg.norm(found - wanted, axis=1).max() < 1e-4


def test_blender_reads_the_bvh(tmp_path: Path) -> None:
    (file,) = save_motion(recorded("right"), tmp_path / "motion.bvh")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_anim.bvh(filepath=str(file), update_scene_fps=True)
    (armature,) = bpy.data.objects
    assert len(armature.data.bones) == 16
    assert bpy.context.scene.render.fps == round(RATE)
