"""Hands of both paths beside the truth, as :mod:`benchmarks.fusion` and the fit of the fusion's weights need them.

Both paths process each picture as an unrelated one. Renderings have ground truth in 3D; photographs have labels
in the picture, made from several copies (``main_v2.py predict --looks``). Everything is kept as a right hand's: left
ones are mirrored, with their camera.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from app.pipeline.paths.path_factories import SHIPPED_NETWORK_DIR, ik_path_factory, network_path_factory
from app.sources.picture_files import read_picture
from benchmarks.corrected_landmarks import CorrectedLandmarks
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.mirror import Side, mirror_pixels, mirror_points, mirror_pose, other_side
from hand.types import Frame, HandState, PathResult
from inference.hand_matching import SAME_PLACE
from trainer.samples.prediction_file import intrinsics_of
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.sample import SyntheticSample, mirror_sample
from trainer.synthetic.scene import SceneRenderer
from trainer.synthetic.scene_description import FRAME_SETTINGS, SceneSettings

SETTINGS = {
    "ordinary": FRAME_SETTINGS,
    "wild": replace(FRAME_SETTINGS, pose="free", view="any", held_share=0.3),
}
"""Renderings as a webcam shows hands; and with fingers bent anyhow, from any side, more often with something in the
hand."""

RENDERED_SETS = {
    f"{kind}_corrected" if corrected else kind: (kind, corrected) for corrected in (False, True) for kind in SETTINGS
}
"""By name: which settings, and whether landmarks are read as exactly as on photographs (``corrected_landmarks.py``)."""

CORRECTED_SETS = tuple(name for name, (_, corrected) in RENDERED_SETS.items() if corrected)

FRAME_SIZE_PX = (480, 360)


@dataclass(frozen=True, slots=True, eq=False)
class PathHand:
    """One path's hand, as a right one.

    Attributes:
        state: with pose, joints and evidence of a right hand.
        side: of the hand in the picture, from the path.
    """

    state: HandState
    side: Side


@dataclass(frozen=True, slots=True, eq=False)
class FusionCase:
    """One hand in one picture.

    Attributes:
        name: of the picture.
        intrinsics: of the picture, or of its mirror image for a left hand.
        network: None where the path does not see the hand.
        ik: the same.
        side: that the picture shows.
        joints_px: true joints in the picture.
        joints_m: true joints in camera axes; None where there is no truth in 3D.
        pose_rad: true pose, 48 numbers; None where there is no truth in 3D.
        visible: of each joint, whether nothing covers it; all true where that is not known.
    """

    name: str
    intrinsics: Intrinsics
    network: PathHand | None
    ik: PathHand | None
    side: Side
    joints_px: np.ndarray
    joints_m: np.ndarray | None
    pose_rad: np.ndarray | None
    visible: np.ndarray


class BothPaths:
    """Both paths on unrelated pictures; close it, or use it with ``with``."""

    def __init__(self, network_dir: Path = SHIPPED_NETWORK_DIR, max_hands: int = 1) -> None:
        """Loads the engines."""
        model = load_embedded_model()
        self._network = network_path_factory(network_dir, model, max_hands, still=True)()
        self._ik = ik_path_factory(model, max_hands, still=True)()

    def __enter__(self) -> BothPaths:
        return self

    def __exit__(self, *_: object) -> None:
        self._network.close()
        self._ik.close()

    def results(self, frame: Frame) -> tuple[PathResult, PathResult]:
        """The results of the network and of MediaPipe + IK for a picture."""
        return self._network.process(frame), self._ik.process(frame)


def gathered_cases(seeds: Mapping[str, int], options: argparse.Namespace) -> dict[str, list[FusionCase]]:
    """The paths' results for renderings and photographs, by the name of the set; read where they were kept.

    Args:
        seeds: of the renderings, by the names of :data:`SETTINGS`; with corrected landmarks they are the same.
        options: ``pictures`` of each set; ``labels`` of ``photographs``, the folder these were written for; ``cases``,
            the folder where cases are kept.
    """
    kept = {} if options.cases is None else {path.stem: path for path in options.cases.glob("*.npz")}
    found: dict[str, list[FusionCase]] = {}
    with BothPaths() as paths:
        for name in (*RENDERED_SETS, "photographs"):
            if name in kept:
                found[name] = load_cases(kept[name])
                continue
            if name in RENDERED_SETS:
                kind, corrected = RENDERED_SETS[name]
                found[name] = list(
                    rendered_cases(paths, SETTINGS[kind], seeds[kind], options.pictures, corrected=corrected)
                )
            elif options.labels is not None and options.photographs is not None:
                photographs = labelled_cases(paths, options.labels, options.photographs, 0.5, options.pictures)
                found[name] = list(photographs)
            else:
                continue
            if options.cases is not None:
                save_cases(found[name], options.cases / f"{name}.npz")
    return found


def both_states(case: FusionCase) -> tuple[HandState, HandState] | None:
    """The hands of both paths, where both see the true side."""
    if case.network is None or case.ik is None:
        return None
    states = case.network.state, case.ik.state
    return states if all(state.side == "right" for state in states) else None


def rendered_cases(
    paths: BothPaths, settings: SceneSettings, seed: int, count: int, *, corrected: bool = False
) -> Iterator[FusionCase]:
    """Renderings, every other one a left hand.

    Args:
        paths: both.
        settings: of the scenes.
        seed: of the scenes and of the backgrounds.
        count: of renderings.
        corrected: landmarks are read as exactly as on photographs.
    """
    renderer = SceneRenderer(load_embedded_model(), seed, backgrounds=BackgroundPool(seed))
    with CorrectedLandmarks() if corrected else nullcontext() as landmarks:
        for index in tqdm(range(count), unit="picture", mininterval=5.0):
            sample = renderer.frame(index, *FRAME_SIZE_PX, settings)
            shown = mirror_sample(sample) if index % 2 else sample
            if landmarks is not None:
                landmarks.show(shown)
            yield rendered_case(paths, shown)


def rendered_case(paths: BothPaths, sample: SyntheticSample) -> FusionCase:
    """Both paths on one rendered picture."""
    frame = Frame(sample.index, 0, np.ascontiguousarray(sample.image_rgb), sample.intrinsics, str(sample.index))
    hands = [_nearest(result, sample.joints_px, sample.intrinsics) for result in paths.results(frame)]
    left = sample.side == "left"
    width_px = sample.intrinsics.width_px
    return FusionCase(
        str(sample.index),
        sample.intrinsics.mirrored() if left else sample.intrinsics,
        *(None if state is None else as_right(state, sample.side, width_px) for state in hands),
        sample.side,
        mirror_pixels(sample.joints_px, width_px) if left else sample.joints_px,
        np.asarray(mirror_points(sample.joints_m) if left else sample.joints_m, np.float64),
        np.asarray(mirror_pose(sample.pose_rad) if left else sample.pose_rad, np.float64),
        sample.joint_visible,
    )


def labelled_cases(paths: BothPaths, labels: Path, pictures: Path, least: float, most: int) -> Iterator[FusionCase]:
    """Photographs with labels in the picture.

    Args:
        paths: both.
        labels: a file that ``predict --looks`` wrote.
        pictures: the folder it was written for.
        least: confidence from which a label counts.
        most: pictures, spread evenly.
    """
    images = [
        image
        for image in json.loads(labels.read_text(encoding="utf-8"))["images"]
        if sum(hand["confidence"] >= least for hand in image["hands"]) == 1
    ]
    chosen = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).round().astype(int))
    for number in tqdm(chosen, unit="picture", mininterval=5.0):
        image = images[number]
        label = next(hand for hand in image["hands"] if hand["confidence"] >= least)
        picture = read_picture(pictures / image["file"])
        camera = intrinsics_of(image)
        joints_px = np.array([[np.nan, np.nan] if one is None else one for one in label["joints_px"]], np.float64)
        if not np.isfinite(joints_px).all():
            continue
        frame = Frame(int(number), 0, picture, camera, image["file"])
        side: Side = label["side"]
        hands = [_nearest(result, joints_px, camera) for result in paths.results(frame)]
        yield FusionCase(
            image["file"],
            camera.mirrored() if side == "left" else camera,
            *(None if state is None else as_right(state, side, camera.width_px) for state in hands),
            side,
            mirror_pixels(joints_px, camera.width_px) if side == "left" else joints_px,
            None,
            None,
            np.ones(21, bool),
        )


def as_right(state: HandState, side: Side, width_px: int) -> PathHand:
    """A path's hand in the world in which the true hand is a right one.

    Where the path takes it for the other hand, its pose is that of a left hand there; only its joints can be compared.
    """
    if side == "right":
        return PathHand(state, state.side)
    seen = None if state.seen_px is None else mirror_pixels(state.seen_px, width_px)
    return PathHand(
        replace(
            state,
            pose_rad=mirror_pose(state.pose_rad),
            camera_translation_m=mirror_points(state.camera_translation_m),
            joints_m=mirror_points(state.joints_m),
            vertices_m=mirror_points(state.vertices_m),
            seen_px=seen,
            side="right" if state.side == "left" else "left",
        ),
        state.side,
    )


def _nearest(result: PathResult, joints_px: np.ndarray, camera: Intrinsics) -> HandState | None:
    """The path's hand that lies on the true one."""
    size = float(np.ptp(joints_px, axis=0).max())
    gaps = [
        (float(np.linalg.norm(project(np.asarray(state.joints_m, float), camera) - joints_px, axis=1).mean()), k)
        for k, state in enumerate(result.states)
    ]
    gap, number = min(gaps, default=(np.inf, -1))
    return result.states[number] if gap < SAME_PLACE * size else None


def save_cases(cases: Sequence[FusionCase], file: Path) -> None:
    """Keeps cases for another run, without the meshes."""
    rows: dict[str, list[np.ndarray]] = {}

    def put(name: str, value: object) -> None:
        rows.setdefault(name, []).append(np.asarray(value))

    for case in cases:
        camera = case.intrinsics
        put("camera", [camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px, camera.width_px, camera.height_px])
        put("name", case.name)
        put("left", case.side == "left")
        put("joints_px", case.joints_px)
        put("joints_m", np.full((21, 3), np.nan) if case.joints_m is None else case.joints_m)
        put("pose_rad", np.full(48, np.nan) if case.pose_rad is None else case.pose_rad)
        put("visible", case.visible)
        for path, hand in (("network", case.network), ("ik", case.ik)):
            state = None if hand is None else hand.state
            put(f"{path}_found", state is not None)
            put(f"{path}_right", state is not None and state.side == "right")
            put(f"{path}_pose", np.full(48, np.nan) if state is None else state.pose_rad)
            put(f"{path}_shape", np.full(10, np.nan) if state is None else state.shape)
            put(f"{path}_joints", np.full((21, 3), np.nan) if state is None else state.joints_m)
            put(f"{path}_translation", np.full(3, np.nan) if state is None else state.camera_translation_m)
            put(f"{path}_seen", np.full((21, 2), np.nan) if state is None else state.seen_px)
            unknown = state is None or state.seen_sigma_px is None
            put(f"{path}_sigma", np.full(21, np.nan) if unknown else state.seen_sigma_px)
            put(f"{path}_confidence", np.nan if state is None else state.confidence)
            put(f"{path}_reprojection", np.nan if state is None else state.reprojection_px)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **{name: np.stack(values) for name, values in rows.items()})


def load_cases(file: Path) -> list[FusionCase]:
    """Reads cases that :func:`save_cases` kept; their hands have no meshes."""
    with np.load(file) as content:
        rows = {name: content[name] for name in content.files}
    return [_case(rows, k) for k in range(len(rows["name"]))]


def _case(rows: dict[str, np.ndarray], k: int) -> FusionCase:
    fx, fy, cx, cy, width, height = (float(value) for value in rows["camera"][k])
    side: Side = "left" if rows["left"][k] else "right"
    truth = bool(np.isfinite(rows["joints_m"][k]).all())
    return FusionCase(
        str(rows["name"][k]),
        Intrinsics(fx, fy, cx, cy, int(width), int(height)),
        _hand(rows, k, "network", side),
        _hand(rows, k, "ik", side),
        side,
        rows["joints_px"][k],
        rows["joints_m"][k] if truth else None,
        rows["pose_rad"][k] if truth else None,
        rows["visible"][k],
    )


def _hand(rows: dict[str, np.ndarray], k: int, path: Literal["network", "ik"], side: Side) -> PathHand | None:
    if not rows[f"{path}_found"][k]:
        return None
    as_true_side = bool(rows[f"{path}_right"][k])
    sigma = rows[f"{path}_sigma"][k]
    state = HandState(
        sequence=k,
        side="right" if as_true_side else "left",
        pose_rad=rows[f"{path}_pose"][k],
        shape=rows[f"{path}_shape"][k],
        camera_translation_m=rows[f"{path}_translation"][k],
        joints_m=rows[f"{path}_joints"][k],
        vertices_m=np.zeros((0, 3), np.float32),
        confidence=float(rows[f"{path}_confidence"][k]),
        origin=path,
        reprojection_px=float(rows[f"{path}_reprojection"][k]),
        seen_px=rows[f"{path}_seen"][k],
        seen_sigma_px=sigma if np.isfinite(sigma).all() else None,
    )
    return PathHand(state, side if as_true_side else other_side(side))
