"""Rendering of the panes without a window: overlays, disagreement colours and late frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import cv2
import numpy as np
import pytest
from app_fakes import found, hand_state, nothing, plain_image

from app.palette import rgb
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputCause, OutputReason
from app.pipeline.output_selector import OutputHand
from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.worker import MissingReason, PathUpdate
from app.rendering.disagreement import (
    COLOR_STOPS,
    LARGEST_MM,
    disagreement_colors,
    vertex_distances_mm,
)
from app.rendering.hand_mesh import HandMeshBuilder, Scene
from app.rendering.pane_renderer import Display, OwnDrawing, PaneName, ScreenPainter
from hand.camera import project
from hand.embedded import load_embedded_model
from hand.types import Frame, HandState, PathId, PathResult

SIZE = (480, 360)


@pytest.fixture(scope="module")
def meshes() -> HandMeshBuilder:
    return HandMeshBuilder(load_embedded_model())


@pytest.fixture
def frame() -> Frame:
    return Frame(0, 1, plain_image(), IntrinsicsChoice().intrinsics_for(320, 240), "x")


def painter_for(meshes: HandMeshBuilder, *panes: PaneName, **plan: object) -> ScreenPainter[Scene | None]:
    names: tuple[PaneName, ...] = ("network", "ik", "combined", "output")
    painter: ScreenPainter[Scene | None] = ScreenPainter(meshes, {name: lambda scene: scene for name in names})
    painter.change(picture_sizes_px=dict.fromkeys(panes, SIZE), **plan)
    return painter


def network_hand(frame: Frame, offset_m: float = 0.01) -> HandState:
    return replace(hand_state(frame, "right", offset_m), origin="network")


def compose(
    painter: ScreenPainter[Scene | None],
    results: Mapping[PathId, PathResult],
    missing: Mapping[PathId, MissingReason] | None = None,
    *,
    late: bool = False,
) -> dict[PaneName, Display[Scene | None]]:
    frame = next(iter(results.values())).frame
    updates: dict[PathId, PathUpdate[OwnDrawing[Scene | None]]] = {
        path_id: PathUpdate(result, painter.prepare(result), 0, 0) for path_id, result in results.items()
    }
    outputs = tuple(
        OutputHand(state, OutputReason(OutputCause.ONLY_PATH))
        for result in results.values()
        for state in result.states[:1]
    )[:1]
    return painter.compose(JoinedResult(frame, dict(results), outputs, missing or {}, late), updates)


def both(frame: Frame) -> dict[PathId, PathResult]:
    return {"network": PathResult(frame, "network", (network_hand(frame),)), "ik": found(frame)}


def near(mask: np.ndarray) -> np.ndarray:
    """Grown by two pixels: smoothing for the screen draws finger tips and outlines in by about a millimetre."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)


@pytest.mark.parametrize("overlay", ["skeleton", "mesh"])
def test_overlay_lies_on_the_hand_and_nowhere_else(meshes: HandMeshBuilder, frame: Frame, overlay: str) -> None:
    pane = compose(painter_for(meshes, "ik", overlay=overlay), {"ik": found(frame)})["ik"]
    bare = compose(painter_for(meshes, "ik", overlay=overlay), {"ik": nothing(frame)})["ik"]
    changed = (pane.picture.image_bgra != bare.picture.image_bgra).any(2)
    scale = pane.picture.placement.scale
    assert scale == pytest.approx(1.5)
    state = found(frame).states[0]
    joints = (project(np.asarray(state.joints_m, float), frame.intrinsics) + 0.5) * scale - 0.5
    for x, y in joints.round().astype(int):
        if 0 <= x < changed.shape[1] and 0 <= y < changed.shape[0]:
            assert near(changed)[y, x]
    vertices = (project(np.asarray(state.vertices_m, float), frame.intrinsics) + 0.5) * scale - 0.5
    rows, columns = np.nonzero(changed)
    margin = 12  # strokes, dots and circles reach that far beyond the hand
    assert columns.min() > vertices[:, 0].min() - margin
    assert columns.max() < vertices[:, 0].max() + margin
    assert rows.min() > vertices[:, 1].min() - margin


def test_mesh_overlay_covers_the_hands_silhouette(meshes: HandMeshBuilder, frame: Frame) -> None:
    pane = compose(painter_for(meshes, "ik", overlay="mesh"), {"ik": found(frame)})["ik"]
    assert pane.picture.drawings[0].label.startswith("Right hand")
    changed = (pane.picture.image_bgra[:, :, :3] != 90).any(2)
    vertices = (project(np.asarray(found(frame).states[0].vertices_m, float), frame.intrinsics) + 0.5) * 1.5 - 0.5
    inside = vertices[(vertices > 6).all(1) & (vertices[:, 0] < 470) & (vertices[:, 1] < 350)].round().astype(int)
    assert near(changed)[inside[:, 1], inside[:, 0]].mean() > 0.98


def test_scene_is_prepared_per_path_except_with_disagreement_colours(meshes: HandMeshBuilder, frame: Frame) -> None:
    plain = painter_for(meshes, "network", "ik")
    assert plain.prepare(found(frame)).scene is not None
    colored = painter_for(meshes, "network", "ik", by_disagreement=True)
    assert colored.prepare(found(frame)).scene is None
    panes = compose(colored, both(frame))
    assert set(panes) == {"network", "ik"}
    coolest = np.array(rgb(COLOR_STOPS[0][1])) / 255.0
    for name in ("network", "ik"):
        scene = panes[name].scene  # type: ignore[index]
        assert scene is not None
        assert scene.solid is not None
        np.testing.assert_allclose(
            scene.solid.colors_rgb, np.broadcast_to(coolest, scene.solid.colors_rgb.shape), atol=2e-3
        )


def test_combined_view_aligns_the_ghost_at_the_wrist(meshes: HandMeshBuilder, frame: Frame) -> None:
    pane = compose(painter_for(meshes, "combined"), both(frame))["combined"]
    scene = pane.scene
    assert scene is not None
    assert scene.solid is not None
    assert scene.ghost is not None
    # the two hands differ by a translation only
    np.testing.assert_allclose(scene.ghost.vertices_m, scene.solid.vertices_m, atol=1e-6)
    assert pane.other_picture is not None
    assert (pane.picture.image_bgra != pane.other_picture.image_bgra).any()


def test_combined_view_shows_a_single_hand_without_a_ghost(meshes: HandMeshBuilder, frame: Frame) -> None:
    painter = painter_for(meshes, "combined")
    pane = compose(painter, {"ik": found(frame)}, {"network": MissingReason.DISABLED})["combined"]
    assert pane.scene is not None
    assert pane.scene.solid is not None
    assert pane.scene.ghost is None
    # while a path is late nothing is drawn; the frame is composed again with both results
    assert compose(painter, {"ik": found(frame)}, {"network": MissingReason.LATE}) == {}
    assert set(compose(painter, both(frame), late=True)) == {"combined"}


def test_pane_of_a_disabled_path_shows_the_picture_without_a_hand(meshes: HandMeshBuilder, frame: Frame) -> None:
    painter = painter_for(meshes, "network", "ik")
    panes = compose(painter, {"ik": found(frame)}, {"network": MissingReason.DISABLED})
    assert panes["network"].scene is None
    assert not panes["network"].has_hand
    assert panes["network"].frame is panes["ik"].frame
    assert set(compose(painter, {"ik": found(frame)}, {"network": MissingReason.LATE})) == {"ik"}


def test_output_pane_shows_the_output_alone(meshes: HandMeshBuilder, frame: Frame) -> None:
    panes = compose(painter_for(meshes, "output"), both(frame))
    scene = panes["output"].scene
    assert scene is not None
    assert scene.solid is not None
    assert len(panes["output"].picture.drawings) == 1
    assert compose(painter_for(meshes, "output"), both(frame), late=True) == {}


def test_disagreement_is_measured_from_wrist_to_wrist(frame: Frame) -> None:
    one = hand_state(frame)
    moved = network_hand(frame, 0.04)
    np.testing.assert_allclose(vertex_distances_mm(one, moved), 0.0, atol=1e-3)
    bent = replace(one, vertices_m=one.vertices_m + np.eye(len(one.vertices_m), 3, -8, dtype=np.float32) * 0.012)
    distances = vertex_distances_mm(one, bent)
    assert distances[8] == pytest.approx(12.0, abs=1e-3)
    assert distances[0] == 0.0


def test_colours_follow_their_stops() -> None:
    stops = np.array([share for share, _ in COLOR_STOPS]) * LARGEST_MM
    wanted = np.array([rgb(color) for _, color in COLOR_STOPS]) / 255.0
    np.testing.assert_allclose(disagreement_colors(stops), wanted, atol=1e-6)
    np.testing.assert_allclose(disagreement_colors(np.array([500.0]))[0], wanted[-1], atol=1e-6)
    middle = disagreement_colors(stops[:1] / 2.0 + stops[1:2] / 2.0)[0]
    np.testing.assert_allclose(middle, wanted[:2].mean(0), atol=1e-6)
