"""A rendered series in the layout of FreiHAND v2 (Zimmermann et al., ICCV 2019).

    training/rgb/%08d.jpg          file = sample + samples * version; versions gs, hom, sample, auto share the hand
    training/mask/%08d.jpg         one per sample: where the hand with its forearm is seen
    training_K.json                3 x 3 camera matrices
    training_mano.json             [[61]]: pose 48 (fingers relative to hands_mean), shape 10, root's pixel 2, scale 1
    training_xyz.json              21 x 3 joints in camera axes, metres
    training_verts.json            V x 3 vertices
    training_scale.json            distance of joints 9 and 10
    evaluation/rgb, evaluation_*   the same with one version and without masks

The hand model is the embedded one, so V is not MANO's 778; README.txt beside the files states it. What FreiHAND has no
place for (2D joints, their visibility) is in training_labels.jsonl, from which the files above are made in the end.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from hand.atomic_file import replaced_atomically
from hand.embedded import load_embedded_model
from hand.model import HandModel
from hand.pose_space import pose_in_convention
from hand.recording import single_precision_list
from trainer.dataset_writers.label_lines import cannot_write, write_whole
from trainer.dataset_writers.series import SeriesWriter, claim, content_settings, jpeg_bytes, make_folder
from trainer.datasets.freihand import VERSIONS
from trainer.synthetic.backgrounds import BackgroundPool
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene_description import CROP_SETTINGS

LABELS: Final = ("K", "mano", "xyz", "verts", "scale")
_ROOT: Final = 9


class FreihandSeries(SeriesWriter):
    """Writes a series as FreiHAND."""

    def prepare(self) -> None:
        """Makes the folders and README.txt."""
        series, model = self.series, load_embedded_model()
        # the number of samples is part of every file's name, so a series cannot grow
        settings = {"format": "freihand", "count": series.count, **content_settings(series, model)}
        others = series.out.glob(f"{series.split}*")
        claim(series.out / f"{series.split}_synthesis.json", settings, others)
        make_folder(series.out / series.split / "rgb")
        if series.split == "training":
            make_folder(series.out / series.split / "mask")
        write_whole(series.out / "README.txt", _readme(model).encode())

    def draw(self, index: int) -> dict[str, Any]:
        """Renders all versions of a sample and writes its pictures."""
        series, folder = self.series, self.series.out / self.series.split
        # green screen and three ways to replace it; here three other backgrounds
        versions = len(VERSIONS) if series.split == "training" else 1
        rng = np.random.default_rng((self.series.split_seed, 49979693, index))
        size = (series.height_px, series.width_px)
        backgrounds = [self._backgrounds.draw(rng, *size) for _ in range(max(versions - 1, 1))]
        if versions > 1:
            backgrounds.insert(0, _green_screen(rng, *size))
        scene = self._renderer.crop_scene(index, series.width_px, CROP_SETTINGS)
        samples = self._renderer.render_before(backgrounds, scene, index)
        for version, sample in enumerate(samples):
            write_whole(folder / "rgb" / f"{index + version * series.count:08d}.jpg", jpeg_bytes(sample.image_rgb))
        if series.split == "training":
            mask = np.repeat(samples[0].mask[..., None], 3, 2)
            write_whole(folder / "mask" / f"{index:08d}.jpg", jpeg_bytes(mask))
        return {"sample": index, **freihand_labels(samples[0], self._renderer.surface.model)}

    def finish(self) -> None:
        """Writes the five JSON files, one entry per sample."""
        paths = [self.series.out / f"{self.series.split}_{name}.json" for name in LABELS]
        try:
            with ExitStack() as stack:
                parts = [stack.enter_context(replaced_atomically(path)) for path in paths]
                files = [stack.enter_context(part.open("w", encoding="utf-8")) for part in parts]
                lines = stack.enter_context(self.labels_path.open(encoding="utf-8"))
                for number, text in enumerate(lines):
                    line = json.loads(text)
                    for name, file in zip(LABELS, files, strict=True):
                        file.write(("[" if number == 0 else ", ") + json.dumps(line[name]))
                for file in files:
                    file.write("]")
        except OSError as error:
            raise cannot_write(self.labels_path, error) from None

    @cached_property
    def _backgrounds(self) -> BackgroundPool:
        return BackgroundPool(self.series.split_seed, folder=self.series.backgrounds)


def freihand_labels(sample: SyntheticSample, model: HandModel) -> dict[str, Any]:
    """One sample's entries of the five files, and what FreiHAND has no place for.

    The root is joint 9, and its place is written as pixel and scale: root = (pixel - principal point, focal length) /
    scale, with the mean of both focal lengths (FreiHAND's ``recover_root``).

    Args:
        sample: a right hand.
        model: it was drawn from.
    """
    joints = sample.joints_m.astype(np.float64)
    camera = sample.intrinsics
    scale = 0.5 * (camera.fx_px + camera.fy_px) / joints[_ROOT, 2]
    root_px = joints[_ROOT, :2] * scale + [camera.cx_px, camera.cy_px]
    pose = pose_in_convention(model, sample.pose_rad.astype(np.float64), flat_hand_mean=False)
    return {
        "K": camera.matrix().tolist(),
        "mano": [np.concatenate([pose, sample.shape, root_px, [scale]]).tolist()],
        "xyz": single_precision_list(joints),
        "verts": single_precision_list(sample.vertices_m),
        "scale": float(np.linalg.norm(joints[9] - joints[10])),
        "uv": single_precision_list(sample.joints_px),
        "visible": sample.joint_visible.tolist(),
    }


def _green_screen(rng: np.random.Generator, height_px: int, width_px: int) -> Float[np.ndarray, "height width 3"]:
    """An unevenly lit green cloth, in linear light."""
    across, down = np.meshgrid(np.linspace(-1.0, 1.0, width_px), np.linspace(-1.0, 1.0, height_px))
    slope = rng.normal(0.0, 0.12, 2)
    light = np.exp(slope[0] * across + slope[1] * down + rng.normal(0.0, 0.15))
    green = np.array([0.05, 0.42, 0.10]) * np.exp(rng.normal(0.0, 0.1, 3))
    return np.asarray(light[..., None] * green, np.float32)


def _readme(model: HandModel) -> str:
    return f"""Rendered hands in the layout of FreiHAND v2, made by: python -m trainer synthesize --format freihand

Not FreiHAND's own data. Different from it:
- The hand model is "{model.name}" (digest {model.digest[:16]}): {model.vertex_count} vertices where MANO has 778.
  Its finger tips are vertices {", ".join(map(str, model.tip_vertices))} (thumb to little finger).
- *_mano.json refers to this model: fingers relative to its own hands_mean (flat_hand_mean False), its own shapes.
- Joints 9 and 10 give the scale, joint 9 is the root, exactly; there is no fitting error.
- Masks show hand and forearm where nothing covers them, 0 to 255 as a share of the pixel, and exist for training alone.
- *_labels.jsonl holds everything of the five files line by line, with 2D joints (uv) and which are seen (visible).
- A second hand in a picture has no labels.
"""
