"""How fast pictures are made, on one core, beside a ray caster that draws the same mesh in the same run.

    OMP_NUM_THREADS=1 python -m benchmarks.render

Prints milliseconds (median over repetitions, processor time, so that a busy machine affects none of them) and pictures
per second and core. Whole pictures are timed by their mean: some have a second hand or an object in them and cost more,
which a median would not show. The peer is Open3D's RaycastingScene with one thread: it builds its tree, casts one ray
for each pixel and interpolates a colour, which is what any ray caster must do for a new pose.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Int

from app.machine import describe_machine
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.normals import vertex_normals
from hand.raster import Rasterizer
from hand.shading import MeshRenderer
from trainer.synthetic.camera_placement import facing_camera
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import CROP_SETTINGS
from trainer.synthetic.surface import HandSurface

TARGETS = {"crop 128 x 128 with labels": 60.0}
"""Smallest number of pictures per second and core."""


def milliseconds(
    work: Callable[[int], object], repetitions: int, average: Callable[[list[float]], float] = statistics.median
) -> float:
    """Average processor time of one call; the work is given the number of the call and warmed up first."""
    for index in range(3):
        work(index)
    times = []
    for index in range(repetitions):
        start = time.process_time()
        work(index)
        times.append(time.process_time() - start)
    return average(times) * 1000.0


def cast_rays(
    vertices_m: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    colors: Float[np.ndarray, "V 3"],
    intrinsics: Intrinsics,
) -> Float[np.ndarray, "height width 3"]:
    """The peer: the same picture by Open3D's ray caster, without anti-aliasing."""
    import open3d

    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(open3d.core.Tensor(vertices_m.astype(np.float32)), open3d.core.Tensor(faces.astype(np.uint32)))
    y, x = np.mgrid[0 : intrinsics.height_px, 0 : intrinsics.width_px].astype(np.float32)
    directions = np.stack(
        [(x - intrinsics.cx_px) / intrinsics.fx_px, (y - intrinsics.cy_px) / intrinsics.fy_px, np.ones_like(x)], -1
    )
    rays = np.concatenate([np.zeros_like(directions), directions], -1).astype(np.float32)
    answer = scene.cast_rays(open3d.core.Tensor(rays))
    hit = np.isfinite(answer["t_hit"].numpy())
    corner = faces[answer["primitive_ids"].numpy()[hit]]
    second, third = answer["primitive_uvs"].numpy()[hit].T
    picture = np.zeros((*hit.shape, 3), np.float32)
    picture[hit] = (
        colors[corner[:, 0]] * (1.0 - second - third)[:, None]
        + colors[corner[:, 1]] * second[:, None]
        + colors[corner[:, 2]] * third[:, None]
    )
    return picture


def compare_drawing(name: str, levels: int, size: tuple[int, int], repetitions: int) -> None:
    """The bare drawing of one mesh, this rasteriser against the ray caster."""
    surface = HandSurface(load_embedded_model(), levels)
    vertices = surface.rest_m[: surface.hand_count] @ facing_camera(surface.rest_joints_m).T
    vertices = vertices - vertices.mean(0) + np.array([0.0, 0.0, 0.50])
    faces = surface.subdivision.faces
    intrinsics = Intrinsics.from_fov(*size, 45.0)
    colors = np.abs(vertex_normals(vertices, faces)).astype(np.float32)

    def draw(rasterizer: Rasterizer) -> Float[np.ndarray, "height width 3"]:
        rasterizer.clear()
        rasterizer.draw(project(vertices, intrinsics), vertices[:, 2], faces, colors, cull_back_faces=True)
        return rasterizer.image().values

    smooth, plain = (Rasterizer(*size, samples=samples) for samples in (2, 1))
    two = milliseconds(lambda _: draw(smooth), repetitions)
    one = milliseconds(lambda _: draw(plain), repetitions)
    peer = milliseconds(lambda _: cast_rays(vertices, faces, colors, intrinsics), max(repetitions // 4, 8))
    theirs = cast_rays(vertices, faces, colors, intrinsics)
    difference = np.abs(draw(plain) - theirs).max(-1)[theirs.any(-1)]
    print(
        f"{name:22s} {len(faces):6d} faces: 4 samples a pixel {two:6.2f} ms, 1 sample {one:6.2f} ms; "
        f"ray caster, 1 sample, {peer:6.1f} ms = {peer / one:5.1f} times; on the hand the two pictures differ by "
        f"{np.median(difference):.1e} (median), by over 0.02 in {np.mean(difference > 0.02):.2%} of pixels"
    )


def time_live_view(repetitions: int) -> None:
    """Light, project, draw and blend the shipped hand, as the window does without OpenGL."""
    model = load_embedded_model()
    turn = facing_camera(HandSurface(model, 0).rest_joints_m)
    vertices = (model.v_template_m @ turn.T).astype(np.float32)
    vertices = vertices - vertices.mean(0) + np.array([0.0, 0.0, 0.50], np.float32)
    intrinsics = Intrinsics.from_fov(480, 360, 45.0)
    background = np.full((360, 480, 3), 30, np.uint8)
    for samples in (2, 1):
        renderer = MeshRenderer(model.faces, 480, 360, samples=samples)

        def draw(_: int, renderer: MeshRenderer = renderer) -> None:
            renderer.draw_over(background.copy(), vertices, intrinsics)

        spent = milliseconds(draw, repetitions)
        print(f"lit mesh over a 480 x 360 picture, {samples * samples} samples a pixel: {spent:.2f} ms")
    normals = milliseconds(lambda _: vertex_normals(vertices, model.faces), repetitions)
    print(f"smooth normals of {len(vertices)} vertices: {normals:.3f} ms")


def time_pictures(repetitions: int) -> bool:
    """Finished training pictures with labels; returns whether every target was reached."""
    model = load_embedded_model()
    crops, frames = SceneRenderer(model, 1, levels=1), SceneRenderer(model, 1, levels=2)
    alone = replace(CROP_SETTINGS, held_share=0.0, front_share=0.0, second_share=0.0)
    # backgrounds, skins and clothes are made once per process, at their first use: not counted
    for index in range(1000, 1000 + repetitions):
        crops.crop(index)
        frames.frame(index)
    reached = True
    for name, work in (
        ("crop 128 x 128 with labels", lambda index: crops.crop(1000 + index)),
        ("  the same, hand alone", lambda index: crops.crop(1000 + index, 128, alone)),
        ("crop 224 x 224 with labels", lambda index: crops.crop(1000 + index, 224)),
        ("frame 640 x 480 with labels", lambda index: frames.frame(1000 + index)),
    ):
        spent = milliseconds(work, repetitions, statistics.fmean)
        rate = 1000.0 / spent
        wanted = TARGETS.get(name)
        reached &= wanted is None or rate >= wanted
        print(
            f"{name:28s} {spent:7.2f} ms  {rate:7.1f} a second and core" + (f" (target {wanted:.0f})" if wanted else "")
        )
    return reached


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Time the renderer.")
    parser.add_argument("--repetitions", type=int, default=120)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    machine = describe_machine()
    print(f"{machine['processor']}, Python {machine['python']}, NumPy {np.__version__}")
    compare_drawing("live view 480 x 360", 0, (480, 360), arguments.repetitions)
    compare_drawing("frame 640 x 480", 2, (640, 480), arguments.repetitions)
    time_live_view(arguments.repetitions)
    print("targets reached" if time_pictures(arguments.repetitions) else "A TARGET WAS MISSED")


if __name__ == "__main__":
    main()
