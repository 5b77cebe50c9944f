"""The mediapipe package as the other hand detector: the same models in the same conventions."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from demo_clip import DEMO, demo_pictures

from hand.errors import DetectorError
from ik_baseline.finder_choice import open_detector
from ik_baseline.mediapipe_tasks import TASK_FILE

ROOT = Path(__file__).resolve().parents[2]


def test_bundled_models_are_stored_uncompressed_and_aligned() -> None:
    content = TASK_FILE.read_bytes()
    with zipfile.ZipFile(TASK_FILE) as bundle:
        assert [entry.filename for entry in bundle.infolist()] == [
            "hand_detector.tflite",
            "hand_landmarks_detector.tflite",
        ]
        for entry in bundle.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            begin = content.index(b"TFL3", entry.header_offset) - 4
            assert content[begin : begin + entry.file_size] == bundle.read(entry)
            assert begin % 16 == 0


def test_missing_package_raises_an_error_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", None)
    with pytest.raises(DetectorError, match=r"pip install -c constraints.txt '\.\[mediapipe\]'") as caught:
        open_detector("mediapipe", 1, still=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("still", [True, False])
def test_both_finders_detect_the_same_hands(still: bool) -> None:
    pytest.importorskip("mediapipe", reason="the optional mediapipe package is not installed")
    with (
        closing(open_detector("built-in", 1, still=still)) as ours,
        closing(open_detector("mediapipe", 1, still=still)) as theirs,
    ):
        for number, picture in enumerate(demo_pictures(range(40, 46))):
            for view in (picture, np.ascontiguousarray(picture[:, ::-1])):
                for detector in (ours, theirs):
                    detector.reset()
                (seen,), (other,) = ours.detect(view), theirs.detect(view)
                box = np.ptp(seen.landmarks_px, axis=0).max()
                assert np.linalg.norm(seen.landmarks_px - other.landmarks_px, axis=1).mean() < 0.05 * box, number
                assert seen.side == other.side
                assert np.linalg.norm(seen.world_landmarks_m - other.world_landmarks_m, axis=1).mean() < 0.01


@pytest.mark.parametrize(
    ("module", "detector"), [("detector", "HandDetector"), ("mediapipe_tasks", "MediaPipeTasksDetector")]
)
def test_engine_prints_nothing_to_stdout_or_stderr(module: str, detector: str) -> None:
    if module == "mediapipe_tasks":
        pytest.importorskip("mediapipe", reason="the optional mediapipe package is not installed")
    program = (
        "import sys, cv2\n"
        f"from ik_baseline.{module} import {detector}\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "capture = cv2.VideoCapture(sys.argv[1]); picture = capture.read()[1][:, :, ::-1]; capture.release()\n"
        f"with {detector}() as detector:\n    print(len(detector.detect(picture)))\n"
        "print('kept', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(DEMO / "demo.mp4")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
    assert done.stderr.strip() == "kept"
