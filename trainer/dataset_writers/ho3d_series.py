"""A rendered series in the layout of HO-3D v3 (Hampali et al., CVPR 2020).

    train.txt, evaluation.txt                   lines of SEQUENCE/FRAME
    {train,evaluation}/SEQUENCE/rgb/FRAME.jpg   full pictures
    {train,evaluation}/SEQUENCE/meta/FRAME.pkl  camMat, handPose 48, handBeta 10, handTrans 3, handJoints3D 21 x 3
    evaluation_xyz.json, evaluation_verts.json  what evaluation leaves out, as its owners published it

Axes are OpenGL's, joints in MANO order with the tips behind, fingers absolute. Evaluation gives the wrist and a box
alone. There are no objects and no depth pictures; README.txt beside the files states it.
"""

from __future__ import annotations

import json
import pickle
from typing import Any, Final

import numpy as np

from hand.embedded import load_embedded_model
from hand.frame_change import OPENGL_TO_OPENCV
from hand.joints import to_mano_order
from hand.layer import HandLayer
from hand.model import HandModel
from hand.recording import single_precision_list
from trainer.dataset_writers.label_lines import write_whole
from trainer.dataset_writers.series import SeriesWriter, claim, content_settings, jpeg_bytes, make_folder
from trainer.synthetic.sample import SyntheticSample

_SEQUENCES: Final = 10
"""How many sequences a series has, if it has so many samples."""

_BOX_MARGIN: Final = 0.1
_TO_OPENGL: Final = OPENGL_TO_OPENCV.inverse()


class Ho3dSeries(SeriesWriter):
    """Writes a series as HO-3D."""

    @property
    def part(self) -> str:
        return "evaluation" if self.series.split == "evaluation" else "train"

    def prepare(self) -> None:
        """Makes the folders and README.txt."""
        series, model = self.series, load_embedded_model()
        # the number of samples determines the sequences, so a series cannot grow
        settings = {"format": "ho3d", "count": series.count, **content_settings(series, model)}
        claim(series.out / f"{self.part}_synthesis.json", settings, series.out.glob(f"{self.part}*"))
        for name in {self._name(index).split("/")[0] for index in range(series.count)}:
            make_folder(series.out / self.part / name / "rgb")
            make_folder(series.out / self.part / name / "meta")
        write_whole(series.out / "README.txt", _readme(model).encode())

    def draw(self, index: int) -> dict[str, Any]:
        """Renders a frame and writes picture and annotation."""
        series, name = self.series, self._name(index)
        sample = self._renderer.frame(index, series.width_px, series.height_px)
        sequence, frame = name.split("/")
        folder = series.out / self.part / sequence
        write_whole(folder / "rgb" / f"{frame}.jpg", jpeg_bytes(sample.image_rgb))
        meta = ho3d_meta(sample, self._layer)
        if series.split == "evaluation":
            meta = evaluation_meta(meta, sample)
        # protocol 2, as the set's own Python 2 files have
        write_whole(folder / "meta" / f"{frame}.pkl", pickle.dumps(meta, protocol=2))
        return {
            "name": name,
            "xyz": single_precision_list(_TO_OPENGL.points(to_mano_order(sample.joints_m))),
            "verts": single_precision_list(_TO_OPENGL.points(sample.vertices_m)),
        }

    def finish(self) -> None:
        """Writes the list of frames, and the ground truth of evaluation."""
        lines = [json.loads(text) for text in self.labels_path.read_text(encoding="utf-8").splitlines()]
        names = "".join(line["name"] + "\n" for line in lines)
        if self.series.split == "evaluation":
            for key in ("xyz", "verts"):
                content = json.dumps([line[key] for line in lines])
                write_whole(self.series.out / f"evaluation_{key}.json", content.encode())
        write_whole(self.series.out / f"{self.part}.txt", names.encode())

    def _name(self, index: int) -> str:
        """SEQUENCE/FRAME; the last digit of a sequence is its camera, and here there is one."""
        length = max(self.series.count // _SEQUENCES, 1)
        return f"R{index // length:02d}0/{index % length:04d}"


def ho3d_meta(sample: SyntheticSample, layer: HandLayer) -> dict[str, Any]:
    """A frame's annotation.

    Args:
        sample: a right hand.
        layer: of the model it was drawn from.
    """
    root = layer.shaped(sample.shape).joints_m[0]
    return {
        "camMat": sample.intrinsics.matrix(),
        "handPose": _TO_OPENGL.pose(sample.pose_rad.astype(np.float64)),
        "handBeta": sample.shape.astype(np.float64),
        "handTrans": _TO_OPENGL.translation(sample.translation_m.astype(np.float64), root),
        "handJoints3D": _TO_OPENGL.points(to_mano_order(sample.joints_m.astype(np.float64))),
    }


def evaluation_meta(meta: dict[str, Any], sample: SyntheticSample) -> dict[str, Any]:
    """What evaluation gives of an annotation: the camera, the wrist and a box."""
    low, high = sample.joints_px.min(0), sample.joints_px.max(0)
    margin = _BOX_MARGIN * float((high - low).max())
    box = [float(side) for side in (*(low - margin), *(high + margin))]
    return {"camMat": meta["camMat"], "handJoints3D": meta["handJoints3D"][0], "handBoundingBox": box}


def _readme(model: HandModel) -> str:
    return f"""Rendered hands in the layout of HO-3D v3, made by: python -m trainer synthesize --format ho3d

Not HO-3D's own data. Different from it:
- The hand model is "{model.name}" (digest {model.digest[:16]}): {model.vertex_count} vertices where MANO has 778.
  Its finger tips are vertices {", ".join(map(str, model.tip_vertices))} (thumb to little finger).
- Frames of a sequence are no film, and each has a camera of its own.
- No depth pictures, no objects (obj*), no segmentations; every frame is annotated.
- *_labels.jsonl holds joints and vertices line by line, in this set's order and axes.
"""
