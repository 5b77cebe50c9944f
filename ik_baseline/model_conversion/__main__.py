"""Makes ``assets/hand_finder`` again from MediaPipe's published models.

``python -m ik_baseline.model_conversion`` takes the models out of the wheel of mediapipe 0.10.21, the last release that
carries them; ``--wheel`` names a copy of it, otherwise pip downloads one. The package itself is neither installed nor
imported.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import struct
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assets import ASSETS_DIR
from hand.errors import DataError, HandliveError
from ik_baseline.model_conversion.onnx_graph import to_onnx
from ik_baseline.model_conversion.prelu import rewrite_prelu
from ik_baseline.model_conversion.tflite_graph import read_tflite

MEDIAPIPE: Final = "mediapipe==0.10.21"


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """One TFLite file of MediaPipe's wheel.

    Attributes:
        path: inside the wheel.
        sha256: of the file; another one is refused.
        onnx_file: what it becomes.
        outputs: names for the outputs, in the file's order.
    """

    path: str
    sha256: str
    onnx_file: str
    outputs: tuple[str, ...]


PALM: Final = PublishedModel(
    "mediapipe/modules/palm_detection/palm_detection_full.tflite",
    "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    "palm_detection.onnx",
    ("boxes", "scores"),
)
HAND: Final = PublishedModel(
    "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
    "hand_landmark.onnx",
    ("landmarks", "presence", "handedness", "world_landmarks"),
)
FACE_NEAR: Final = PublishedModel(
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    "face_short_range.onnx",
    ("boxes", "scores"),
)
FACE_FAR: Final = PublishedModel(
    "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
    "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    "face_full_range.onnx",
    ("boxes", "scores"),
)
MODELS: Final = (PALM, HAND, FACE_NEAR, FACE_FAR)

TASK_FILE: Final = "hand_landmarker.task"
TASK_MEMBERS: Final = {"hand_detector.tflite": PALM, "hand_landmarks_detector.tflite": HAND}
"""What MediaPipe's Tasks call the two models inside a bundle."""

_LOCAL_HEADER_BYTES, _EXTRA_HEADER_BYTES = 30, 4
_PADDING_FIELD = 0xD935
"""The extra field of a zip entry that Android's zipalign fills up with zeros."""


def main(arguments: list[str] | None = None) -> int:
    """Entry of the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ik_baseline.model_conversion", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--wheel", type=Path, help="wheel of mediapipe 0.10.21 (default: pip downloads it)")
    parser.add_argument("--out", type=Path, default=ASSETS_DIR / "hand_finder", help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            contents = published_models(options.wheel or download_wheel(Path(folder)))
        options.out.mkdir(parents=True, exist_ok=True)
        for model in MODELS:
            (options.out / model.onnx_file).write_bytes(converted(model, contents[model]))
        (options.out / TASK_FILE).write_bytes(task_bundle(contents))
        for path in (*(model.onnx_file for model in MODELS), TASK_FILE):
            content = (options.out / path).read_bytes()
            print(f"{path:24} {len(content):9,} bytes  sha256 {hashlib.sha256(content).hexdigest()}")
    except HandliveError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def download_wheel(folder: Path) -> Path:
    """Lets pip fetch the wheel of any one platform, since the models in it are the same.

    Raises:
        DataError: pip could not.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
    ]
    platform = ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"]
    done = subprocess.run([*command, *platform, MEDIAPIPE], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        cause = done.stderr.strip().splitlines() or ["pip gave no reason"]
        raise DataError(
            f"The wheel of {MEDIAPIPE} could not be downloaded ({cause[-1]}); name a copy of it with --wheel."
        )
    return wheels[0]


def published_models(wheel: Path) -> dict[PublishedModel, bytes]:
    """The contents of the four models in a wheel.

    Raises:
        DataError: it is no wheel, lacks a model, or has another one than the one that was converted before.
    """
    contents = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for model in MODELS:
                contents[model] = archive.read(model.path)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{wheel} is not the wheel of {MEDIAPIPE}: {error}.") from error
    for model, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if found != model.sha256:
            raise DataError(f"{model.path} has the SHA-256 {found}; that of {MEDIAPIPE} is {model.sha256}.")
    return contents


def converted(model: PublishedModel, content: bytes) -> bytes:
    """The ONNX file of a TFLite model."""
    return bytes(
        rewrite_prelu(to_onnx(read_tflite(content), "image", model.outputs)).SerializeToString(deterministic=True)
    )


def task_bundle(contents: dict[PublishedModel, bytes]) -> bytes:
    """The two hand models in the form that MediaPipe's Tasks require: a zip without compression and without dates.

    Each model begins at a multiple of 16 bytes, because it is used where it lies in the file and not copied.
    """
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_STORED) as archive:
        for name, model in TASK_MEMBERS.items():
            entry = zipfile.ZipInfo(name)
            begin = bundle.tell() + _LOCAL_HEADER_BYTES + len(name.encode())
            padding = -(begin + _EXTRA_HEADER_BYTES) % 16
            entry.extra = struct.pack("<HH", _PADDING_FIELD, padding) + bytes(padding)
            archive.writestr(entry, contents[model])
    return bundle.getvalue()


if __name__ == "__main__":
    sys.exit(main())
