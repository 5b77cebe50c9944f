"""Everything the window's panes show of a frame, made in the paths' threads so that the window only has to paint it.

What belongs to one path alone is drawn as soon as that path has a result; what needs both (colours by disagreement,
both hands in one view, the output hand) is drawn by whichever path's result comes last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, TypeVar

import numpy as np

from app.pipeline.result_synchronizer import JoinedResult
from app.pipeline.worker import MissingReason, PathUpdate
from app.rendering.disagreement import disagreement_colors, vertex_distances_mm
from app.rendering.display import ScaledFrames, ShownPicture, with_skeletons
from app.rendering.hand_mesh import HandMesh, HandMeshBuilder, Scene, SmoothHand
from app.rendering.mesh_picture import MeshPainter
from app.rendering.orbit import FocusFollower
from app.rendering.skeleton import draw_hands
from hand.types import PATH_IDS, Frame, HandState, PathId, PathResult
from inference.hand_matching import pair_hands

M = TypeVar("M")

PaneName = Literal["network", "ik", "combined", "output"]
Overlay = Literal["skeleton", "mesh"]


GHOST_RGB = (0.52, 0.70, 1.0)
"""The hand of MediaPipe + IK where both hands share a view."""

_OVERLAY_OPACITY = 0.88


@dataclass(frozen=True, slots=True)
class ScreenPlan:
    """What is to be drawn; replaced as a whole, so that a path's thread never reads a half change.

    Attributes:
        picture_sizes_px: size of the picture view of each pane that is on the screen.
        overlay: what is drawn over pictures.
        by_disagreement: meshes are coloured by the distance to the other path's mesh.
        landmarks: skeletons come with circles at the detector's landmarks.
    """

    picture_sizes_px: Mapping[PaneName, tuple[int, int]] = field(default_factory=dict)
    overlay: Overlay = "skeleton"
    by_disagreement: bool = False
    landmarks: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Display(Generic[M]):
    """Everything a pane shows of one frame.

    Attributes:
        frame: which.
        picture: with overlay; of the network, where there are two.
        other_picture: the same frame with the other path's overlay, for the wipe.
        scene: for the 3D view, in its own form.
        has_hand: whether there is a hand in the 3D view.
    """

    frame: Frame
    picture: ShownPicture
    other_picture: ShownPicture | None
    scene: M
    has_hand: bool


@dataclass(frozen=True, slots=True, eq=False)
class OwnDrawing(Generic[M]):
    """What a path's thread draws without the other path.

    Attributes:
        plan: it was drawn for.
        hands: the path's hands, smoothed, in the order of its states.
        picture: with the path's own overlay, None where no pane shows it.
        scene: for the path's own 3D view, None where it has to wait for the other path.
    """

    plan: ScreenPlan
    hands: tuple[SmoothHand | None, ...]
    picture: ShownPicture | None
    scene: M | None


class ScreenPainter(Generic[M]):
    """Draws for all panes. The GUI thread sets the plan, the paths' threads call the rest."""

    def __init__(self, meshes: HandMeshBuilder, prepare_scene: Mapping[PaneName, Callable[[Scene | None], M]]) -> None:
        """Prepares the renderer.

        Args:
            meshes: of the hand model the paths use.
            prepare_scene: each 3D view's share of the work, safe to call from any thread.
        """
        self._meshes = meshes
        self._prepare_scene = prepare_scene
        self._followers: dict[PaneName, FocusFollower] = {name: FocusFollower() for name in prepare_scene}
        self._frames = ScaledFrames()
        self._overlay_painters = {key: MeshPainter() for key in ("network", "ik", "output")}
        self._last_colors: dict[PathId, tuple[np.ndarray | None, ...]] = {}
        self._lock = threading.Lock()
        self._plan = ScreenPlan()

    @property
    def plan(self) -> ScreenPlan:
        """What is drawn from the next frame on."""
        with self._lock:
            return self._plan

    def change(self, **changes: object) -> None:
        """Replaces some fields of the plan."""
        with self._lock:
            self._plan = replace(self._plan, **changes)  # type: ignore[arg-type]

    def prepare(self, result: PathResult) -> OwnDrawing[M]:
        """What can be drawn of one path alone."""
        plan = self.plan
        size = plan.picture_sizes_px.get(result.path_id, plan.picture_sizes_px.get("combined"))
        hands = tuple(self._meshes.smooth(state) for state in result.states)
        picture = None if size is None else self._picture(result, hands, size, plan)
        scene = None
        if result.path_id in plan.picture_sizes_px and not plan.by_disagreement:
            mesh = self._meshes.assemble(hands, result.frame.capture_time_ns)
            scene = self._scene(result.path_id, mesh, None)
        return OwnDrawing(plan, hands, picture, scene)

    def compose(
        self, joined: JoinedResult, updates: Mapping[PathId, PathUpdate[OwnDrawing[M]]]
    ) -> dict[PaneName, Display[M]]:
        """What all panes show, from results of one frame and what was drawn of each alone."""
        plan = self.plan
        panes: dict[PaneName, Display[M]] = {}
        for path_id in PATH_IDS:
            if path_id in plan.picture_sizes_px:
                if path_id in updates:
                    panes[path_id] = self._own_pane(joined, updates[path_id])
                elif joined.missing.get(path_id, MissingReason.LATE) is not MissingReason.LATE:
                    panes[path_id] = self._bare_pane(path_id, joined.frame, plan)
        # a frame that only waits for the slower path comes again as a late one, with both
        if "combined" in plan.picture_sizes_px and MissingReason.LATE not in joined.missing.values():
            panes["combined"] = self._combined_pane(joined, updates, plan)
        if "output" in plan.picture_sizes_px and not joined.late:
            panes["output"] = self._output_pane(joined, updates, plan)
        return panes

    def _own_pane(self, joined: JoinedResult, update: PathUpdate[OwnDrawing[M]]) -> Display[M]:
        own, result = update.prepared, update.result
        plan = own.plan
        scene = own.scene
        if scene is None:
            colors = self._colors_of(result, joined) if plan.by_disagreement else ()
            mesh = self._meshes.assemble(own.hands, result.frame.capture_time_ns, colors)
            scene = self._scene(result.path_id, mesh, None)
        picture = own.picture or self._picture(result, own.hands, self._size(result.path_id), plan)
        return Display(result.frame, picture, None, scene, bool(result.states))

    def _colors_of(self, result: PathResult, joined: JoinedResult) -> tuple[np.ndarray | None, ...]:
        """Colours of a path's hands; while the other path is only late, those it had last."""
        if MissingReason.LATE in joined.missing.values():
            before = self._last_colors.get(result.path_id, ())
            return before if len(before) == len(result.states) else ()
        for path_id, one in joined.results.items():
            self._last_colors[path_id] = _colors(one, joined)
        return self._last_colors[result.path_id]

    def _bare_pane(self, pane: PaneName, frame: Frame, plan: ScreenPlan) -> Display[M]:
        picture = self._bare_picture(frame, plan.picture_sizes_px[pane])
        return Display(frame, picture, None, self._prepare_scene[pane](None), False)

    def _combined_pane(
        self, joined: JoinedResult, updates: Mapping[PathId, PathUpdate[OwnDrawing[M]]], plan: ScreenPlan
    ) -> Display[M]:
        pictures = []
        for path_id in PATH_IDS:
            own = updates[path_id].prepared if path_id in updates else None
            if own is not None and own.picture is not None:
                pictures.append(own.picture)
            else:
                pictures.append(self._bare_picture(joined.frame, plan.picture_sizes_px["combined"]))
        states = {path_id: result.states for path_id, result in joined.results.items()}
        smooth = self._smoother(updates)
        pairs = pair_hands(states.get("network", ()), states.get("ik", ()))
        solid, ghost = [], []
        colors: list[np.ndarray | None] = []
        for network, ik in pairs:
            if network is None or ik is None:
                solid += [smooth(hand) for hand in (network, ik) if hand is not None]
                colors.append(None)
                continue
            solid.append(smooth(network))
            colors.append(_pair_colors(network, ik) if plan.by_disagreement else None)
            hand = smooth(ik)
            if hand is not None:
                # with its wrist where the network's is: one camera hardly measures the distance of a hand
                ghost.append(hand.moved(network.joints_m[0] - ik.joints_m[0]))
        time_ns = joined.frame.capture_time_ns
        scene = self._scene(
            "combined",
            self._meshes.assemble(solid, time_ns, colors),
            self._meshes.assemble(ghost, time_ns, plain_rgb=GHOST_RGB),
        )
        return Display(joined.frame, pictures[0], pictures[1], scene, bool(pairs))

    def _output_pane(
        self, joined: JoinedResult, updates: Mapping[PathId, PathUpdate[OwnDrawing[M]]], plan: ScreenPlan
    ) -> Display[M]:
        frame = joined.frame
        states = tuple(output.state for output in joined.outputs)
        smooth = self._smoother(updates)
        hands = tuple(smooth(state) for state in states)
        picture = self._picture(
            PathResult(frame, "network", states), hands, plan.picture_sizes_px["output"], plan, who="output"
        )
        mesh = self._meshes.assemble(hands, frame.capture_time_ns)
        return Display(frame, picture, None, self._scene("output", mesh, None), bool(states))

    def _smoother(
        self, updates: Mapping[PathId, PathUpdate[OwnDrawing[M]]]
    ) -> Callable[[HandState], SmoothHand | None]:
        """Smooths hands, except those that a path's thread smoothed already."""
        known = {
            id(state): hand
            for update in updates.values()
            for state, hand in zip(update.result.states, update.prepared.hands, strict=True)
        }
        return lambda state: known[id(state)] if id(state) in known else self._meshes.smooth(state)

    def _scene(self, pane: PaneName, solid: HandMesh | None, ghost: HandMesh | None) -> M:
        if solid is None:
            return self._prepare_scene[pane](None)
        focus = self._followers[pane].follow(solid.vertices_m, solid.time_ns)
        return self._prepare_scene[pane](Scene(solid, ghost, focus))

    def _bare_picture(self, frame: Frame, size_px: tuple[int, int]) -> ShownPicture:
        return ShownPicture(*self._frames.picture(frame.image_rgb, size_px))

    def _picture(
        self,
        result: PathResult,
        hands: tuple[SmoothHand | None, ...],
        size_px: tuple[int, int],
        plan: ScreenPlan,
        who: str = "",
    ) -> ShownPicture:
        """The frame with the overlay of some hands; ``who`` has the painter, if not the result's path."""
        frame, drawings = result.frame, draw_hands(result)
        picture, placement = self._frames.picture(frame.image_rgb, size_px)
        if plan.overlay == "skeleton":
            return with_skeletons(picture, placement, drawings, landmarks=plan.landmarks)
        mesh = self._meshes.assemble(hands, frame.capture_time_ns)
        if mesh is not None:
            camera = frame.intrinsics.scaled_to(placement.width_px, placement.height_px)
            self._overlay_painters[who or result.path_id].draw(picture, mesh, camera, _OVERLAY_OPACITY)
        return ShownPicture(picture, placement, drawings)

    def _size(self, pane: PaneName) -> tuple[int, int]:
        sizes = self.plan.picture_sizes_px
        return sizes.get(pane) or next(iter(sizes.values()), (640, 480))


def _colors(result: PathResult, joined: JoinedResult) -> tuple[np.ndarray | None, ...]:
    """Colours of a path's hands by the distance to the other path's; plain where it has none."""
    others = [states.states for path_id, states in joined.results.items() if path_id != result.path_id]
    pairs = pair_hands(result.states, others[0] if others else ())
    return tuple(None if other is None else _pair_colors(own, other) for own, other in pairs if own is not None)


def _pair_colors(one: HandState, other: HandState) -> np.ndarray | None:
    """Colours by the distance of two hands; None where they are of different hand models."""
    if one.vertices_m.shape != other.vertices_m.shape:
        return None
    return disagreement_colors(vertex_distances_mm(one, other))
