"""A rendered series as a recording, the format that the program itself records and replays (hand.recording).

    session.json, frames/, labels.jsonl, COMPLETE    as in every recording; one camera for the whole series
    masks/00000000.png                               where the hand with its forearm is seen, 0 to 255
    vertices/00000000.npy                            the hand model's vertices in camera axes, metres, float32
    crops/00000000.jpg                               with --crops: the square a tracker would have cut out
    synthesis.json                                   what the series was made from

Lines of labels.jsonl carry more than a recording's: each hand its ``joints_px`` and ``joints_visible``, each frame the
``crop`` (its size and the affine map from frame to crop pixels, on which all 2D labels follow).
"""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from hand.camera import Intrinsics
from hand.crop import SquareCrop, crop_picture
from hand.embedded import load_embedded_model
from hand.recording import (
    COMPLETE_FILE,
    FRAMES_FOLDER,
    LABELS_FILE,
    SESSION_FILE,
    RecordedHand,
    SessionInfo,
    hand_to_json,
    picture_path,
    session_to_json,
    single_precision_list,
)
from trainer.dataset_writers.label_lines import write_whole
from trainer.dataset_writers.series import SeriesWriter, claim, content_settings, jpeg_bytes, make_folder
from trainer.synthetic.sample import SyntheticSample
from trainer.synthetic.scene_description import SceneSettings, tracker_square

FRAMES_PER_SECOND: Final = 30
_FIELD_OF_VIEW_DEG: Final = (50.0, 75.0)


class RecordedSeries(SeriesWriter):
    """Writes a series as a recording."""

    @property
    def labels_path(self) -> Path:
        return self.series.out / LABELS_FILE

    def prepare(self) -> None:
        """Makes the folders and session.json."""
        series, model = self.series, load_embedded_model()
        settings = {"format": "recording", **content_settings(series, model)}
        claim(series.out / "synthesis.json", settings, series.out.glob("*"))
        self._reopen()
        for name in (FRAMES_FOLDER, "masks", "vertices", *(["crops"] if series.crop_px else [])):
            make_folder(series.out / name)
        session = SessionInfo(
            source_id=f"rendered, seed {series.seed}",
            intrinsics=self._intrinsics(),
            mirrored=False,
            hand_model=model.name,
            hand_model_digest=model.digest,
            versions={"numpy": np.__version__, "opencv": cv2.__version__},
            # no real time passed: the same series has the same bytes whenever it is made
            started_utc="1970-01-01T00:00:00+00:00",
        )
        write_whole(series.out / SESSION_FILE, json.dumps(session_to_json(session), indent=1).encode() + b"\n")

    def draw(self, index: int) -> dict[str, Any]:
        """Renders a frame and writes its pictures."""
        out = self.series.out
        sample = self._renderer.frame(index, self.series.width_px, self.series.height_px, self._settings)
        line: dict[str, Any] = {
            "frame": index,
            "sequence": index,
            "capture_time_ns": index * 1_000_000_000 // FRAMES_PER_SECOND,
            "dropped_before": 0,
            "hands": [_hand(sample)],
        }
        write_whole(picture_path(out, index), jpeg_bytes(sample.image_rgb))
        write_whole(out / "masks" / f"{index:08d}.png", cv2.imencode(".png", sample.mask)[1].tobytes())
        vertices = io.BytesIO()
        np.save(vertices, sample.vertices_m.astype(np.float32))
        write_whole(out / "vertices" / f"{index:08d}.npy", vertices.getvalue())
        if self.series.crop_px:
            line["crop"] = self._write_crop(sample, self.series.crop_px)
        return line

    def finish(self) -> None:
        """Marks the recording complete."""
        content = {"frames": self.series.count, "dropped": 0}
        write_whole(self.series.out / COMPLETE_FILE, json.dumps(content, indent=1).encode() + b"\n")

    def _reopen(self) -> None:
        """Takes the mark of completion off a recording that is to become longer."""
        complete = self.series.out / COMPLETE_FILE
        try:
            promised = int(json.loads(complete.read_bytes())["frames"])
        except (OSError, ValueError, KeyError, TypeError):
            promised = 0
        if promised < self.series.count:
            complete.unlink(missing_ok=True)

    def _write_crop(self, sample: SyntheticSample, size_px: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.series.seed, 67867979, sample.index))
        square: SquareCrop = tracker_square(rng, sample.joints_px)
        path = self.series.out / "crops" / f"{sample.index:08d}.jpg"
        write_whole(path, jpeg_bytes(crop_picture(sample.image_rgb, square, size_px)))
        return {"size_px": size_px, "frame_to_crop_px": square.matrix(size_px).tolist()}

    def _intrinsics(self) -> Intrinsics:
        angle = float(np.random.default_rng((self.series.seed, 86028121)).uniform(*_FIELD_OF_VIEW_DEG))
        return Intrinsics.from_fov(self.series.width_px, self.series.height_px, angle)

    @cached_property
    def _settings(self) -> SceneSettings:
        camera = self._intrinsics()
        longer = max(camera.width_px, camera.height_px)
        angle = float(np.degrees(2.0 * np.arctan(0.5 * longer / camera.fx_px)))
        return SceneSettings(field_of_view_deg=(angle, angle))


def recorded_truth(sample: SyntheticSample) -> RecordedHand:
    """The hand of a rendered picture, as a recording keeps it."""
    return RecordedHand(
        side=sample.side,
        origin="truth",
        confidence=1.0,
        pose_rad=sample.pose_rad,
        shape=sample.shape,
        camera_translation_m=sample.translation_m,
        joints_m=sample.joints_m,
        reprojection_px=0.0,
    )


def _hand(sample: SyntheticSample) -> dict[str, Any]:
    content = hand_to_json(recorded_truth(sample))
    return {
        **content,
        "joints_px": single_precision_list(sample.joints_px),
        "joints_visible": sample.joint_visible.tolist(),
    }
