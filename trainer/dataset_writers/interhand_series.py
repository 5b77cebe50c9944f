"""A rendered series in the layout of InterHand2.6M (Moon et al., ECCV 2020) with MANO fits.

    annotations/SPLIT/InterHand2.6M_SPLIT_{data,camera,joint_3d,MANO_NeuralAnnot}.json
    images/SPLIT/Capture0/rendered/cam400000/image0.jpg

SPLIT is train, val or test. Hands stand in a world frame in the view of two cameras at different places; right, left
and two hands take turns. See ``trainer.datasets.interhand`` for what the numbers mean.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.frame_change import FrameChange
from hand.layer import HandLayer
from hand.mirror import Side, mirror_points, mirror_pose
from hand.model import HandModel
from hand.rotations import matrix_from_axis_angle
from trainer.dataset_writers.label_lines import write_whole
from trainer.dataset_writers.series import SeriesWriter, claim, content_settings, jpeg_bytes, make_folder
from trainer.datasets.interhand import PARTS, in_set_order
from trainer.synthetic.sample import SyntheticSample, mirror_sample
from trainer.synthetic.scene_description import FRAME_SETTINGS, Scene

CAMERAS: Final = ("400000", "400001")
_CAPTURE: Final = "0"
_SEQUENCE: Final = "rendered"
_MILLIMETRES: Final = 1000.0
_SIDES: Final[tuple[Side, Side]] = ("right", "left")
_FIELD_OF_VIEW_DEG: Final = 50.0
_ALONE: Final = replace(FRAME_SETTINGS, second_share=0.0, field_of_view_deg=(_FIELD_OF_VIEW_DEG, _FIELD_OF_VIEW_DEG))
_TOGETHER: Final = replace(_ALONE, second_share=1.0, held_share=0.0, front_share=0.0)


class InterHandSeries(SeriesWriter):
    """Writes a series as InterHand2.6M."""

    @property
    def part(self) -> str:
        return PARTS[self.series.split]

    def prepare(self) -> None:
        """Makes the folders and README.txt."""
        series, model = self.series, load_embedded_model()
        settings = {"format": "interhand", **content_settings(series, model)}
        claim(series.out / f"{self.part}_synthesis.json", settings, series.out.glob(f"*/{self.part}"))
        make_folder(self._annotations)
        for camera in CAMERAS:
            make_folder(self._pictures / self._folder(camera))
        write_whole(series.out / "README.txt", _readme(model).encode())

    def draw(self, index: int) -> dict[str, Any]:
        """Renders a picture and writes it."""
        series, renderer = self.series, self._renderer
        together = index % 3 == 2
        scene = renderer.frame_scene(index, series.width_px, series.height_px, _TOGETHER if together else _ALONE)
        if scene.second is not None:
            # a second right hand has no place in this set, and one that hides the first no use
            scene = renderer.without_hiding_distractors(scene if scene.second.mirrored else replace(scene, second=None))
        sample = renderer.render(scene, index)
        samples: dict[Side, SyntheticSample] = {"right": sample}
        if scene.second is not None:
            samples["left"] = self._second(scene.second, sample)
        elif index % 3 == 1:
            sample = mirror_sample(sample)
            samples = {"left": sample}
        file = f"{self._folder(self._camera(index))}/image{index}.jpg"
        write_whole(self._pictures / file, jpeg_bytes(sample.image_rgb))
        world = self._world(self._camera(index))
        fits = {side: _in_world(each, world, self._layer) for side, each in samples.items()}
        return {"frame": index, "camera": self._camera(index), "file": file, "hands": fits}

    def finish(self) -> None:
        """Writes the four annotation files."""
        lines = [json.loads(text) for text in self.labels_path.read_text(encoding="utf-8").splitlines()]
        size = {"width": self.series.width_px, "height": self.series.height_px}
        lens = Intrinsics.from_fov(size["width"], size["height"], _FIELD_OF_VIEW_DEG)
        worlds = {camera: self._world(camera) for camera in CAMERAS}
        cameras = {
            "campos": {camera: (world.shift_m * _MILLIMETRES).tolist() for camera, world in worlds.items()},
            "camrot": {camera: world.rotation.T.tolist() for camera, world in worlds.items()},
            "focal": {camera: [lens.fx_px, lens.fy_px] for camera in CAMERAS},
            "princpt": {camera: [lens.cx_px, lens.cy_px] for camera in CAMERAS},
        }
        contents = {
            "data": {"images": [_image(line) | size for line in lines], "annotations": [_note(line) for line in lines]},
            "camera": {_CAPTURE: cameras},
            "joint_3d": {_CAPTURE: {str(line["frame"]): _joints(line["hands"]) for line in lines}},
            "MANO_NeuralAnnot": {_CAPTURE: {str(line["frame"]): _fits(line["hands"]) for line in lines}},
        }
        for name, content in contents.items():
            path = self._annotations / f"InterHand2.6M_{self.part}_{name}.json"
            write_whole(path, json.dumps(content, separators=(",", ":")).encode())

    def _second(self, scene: Scene, beside: SyntheticSample) -> SyntheticSample:
        """The labels of the left hand in the picture of a right one; its scene is given for the mirror image."""
        posed = self._layer(scene.pose_rad, scene.shape, scene.translation_m)
        mirrored = replace(
            beside,
            intrinsics=beside.intrinsics.mirrored(),
            pose_rad=scene.pose_rad,
            shape=scene.shape,
            translation_m=scene.translation_m,
            joints_m=posed.joints_m,
            joints_px=project(posed.joints_m, beside.intrinsics.mirrored()),
            vertices_m=posed.vertices_m,
        )
        return mirror_sample(mirrored)

    def _world(self, camera: str) -> FrameChange:
        """From a camera's axes to the world."""
        rng = np.random.default_rng((self.series.split_seed, 15487469, CAMERAS.index(camera)))
        return FrameChange(matrix_from_axis_angle(rng.normal(0.0, 1.2, 3)), rng.normal(0.0, 0.9, 3))

    @staticmethod
    def _camera(index: int) -> str:
        return CAMERAS[index % len(CAMERAS)]

    @staticmethod
    def _folder(camera: str) -> str:
        return f"Capture{_CAPTURE}/{_SEQUENCE}/cam{camera}"

    @property
    def _annotations(self) -> Path:
        return self.series.out / "annotations" / self.part

    @property
    def _pictures(self) -> Path:
        return self.series.out / "images" / self.part


def _in_world(sample: SyntheticSample, world: FrameChange, layer: HandLayer) -> dict[str, Any]:
    """One hand's joints (millimetres, this set's order) and MANO fit, in the world frame.

    Args:
        sample: a right hand, or a left one as :func:`mirror_sample` gives it.
        world: from camera axes.
        layer: of the right hand model.
    """
    model, left = layer.model, sample.side == "left"
    root, mean = layer.shaped(sample.shape).joints_m[0], model.mean_pose_rad.astype(np.float64)
    if left:
        root, mean = mirror_points(root), mirror_pose(np.concatenate([np.zeros(3), mean]))[3:]
    pose = world.pose(sample.pose_rad.astype(np.float64))
    pose[3:] -= mean
    size_px = np.array([sample.intrinsics.width_px, sample.intrinsics.height_px])
    in_picture = (sample.joints_px > -0.5) & (sample.joints_px < size_px - 0.5)
    return {
        "joints_mm": (world.points(in_set_order(sample.joints_m.astype(np.float64))) * _MILLIMETRES).tolist(),
        "in_picture": in_set_order(in_picture.all(1).astype(int)).tolist(),
        "box": [*sample.joints_px.min(0).tolist(), *np.ptp(sample.joints_px, axis=0).tolist()],
        "pose": pose.tolist(),
        "shape": sample.shape.tolist(),
        "trans": world.translation(sample.translation_m.astype(np.float64), root).tolist(),
    }


def _hand_type(hands: dict[str, Any]) -> str:
    return "interacting" if len(hands) == 2 else next(iter(hands))


def _image(line: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": line["frame"],
        "file_name": line["file"],
        "capture": int(_CAPTURE),
        "subject": 0,
        "seq_name": _SEQUENCE,
        "camera": line["camera"],
        "frame_idx": line["frame"],
    }


def _note(line: dict[str, Any]) -> dict[str, Any]:
    boxes = np.array([hand["box"] for hand in line["hands"].values()])
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return {
        "id": line["frame"],
        "image_id": line["frame"],
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "joint_valid": [valid for side in _SIDES for valid in _seen(line["hands"], side)],
        "hand_type": _hand_type(line["hands"]),
        "hand_type_valid": 1,
    }


def _seen(hands: dict[str, Any], side: Side) -> list[int]:
    """Which joints of a hand lie in the picture; none where it is not there."""
    return list(hands[side]["in_picture"]) if side in hands else [0] * 21


def _joints(hands: dict[str, Any]) -> dict[str, Any]:
    nowhere = np.ones((21, 3)).tolist()
    places = [hands[side]["joints_mm"] if side in hands else nowhere for side in _SIDES]
    return {
        "world_coord": places[0] + places[1],
        "joint_valid": [[int(side in hands)] for side in _SIDES for _ in range(21)],
        "hand_type": _hand_type(hands),
        "hand_type_valid": True,
    }


def _fits(hands: dict[str, Any]) -> dict[str, Any]:
    return {
        side: {key: hands[side][key] for key in ("pose", "shape", "trans")} if side in hands else None
        for side in _SIDES
    }


def _readme(model: HandModel) -> str:
    return f"""Rendered hands in the layout of InterHand2.6M, made by: python -m trainer synthesize --format interhand

Not InterHand2.6M's own data. Different from it:
- The hand model is "{model.name}" (digest {model.digest[:16]}). Fits refer to it: fingers relative to its hands_mean.
- Fits give the joints exactly; the real ones, made for annotated joints, miss them by some millimetres.
- Frames are no film, and each is seen by one of the two cameras. Joints outside a picture are not valid in its data.
"""
