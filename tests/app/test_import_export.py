"""Import and export: exported labels match their pictures, and faces are blurred."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from app_fakes import FakePath, write_clip, write_picture

from app.recording.exporting import export_freihand, export_webdataset, without_faces
from app.recording.importing import import_session
from hand.camera import Intrinsics, project
from hand.embedded import load_embedded_model
from hand.errors import RecordingError, SourceError
from hand.layer import HandLayer
from hand.mirror import Side, mirror_points, mirror_pose
from hand.recording import RecordedHand, SessionInfo
from hand.recording_reader import open_recording
from hand.recording_writer import RecordingWriter
from hand.session_labels import Verdict, append_verdicts
from hand.types import Frame

CAMERA = Intrinsics(400.0, 410.0, 150.0, 130.0, 320, 240)
MODEL = load_embedded_model()
FACE_CLIP = Path(__file__).resolve().parents[3] / "shared/real/clips/face_and_thumb_1280x720_25fps.mp4"


def _hand(side: Side) -> RecordedHand:
    pose, shape, place = np.full(48, 0.1), np.linspace(-1, 1, 10), np.array([-0.08, 0.0, 0.5])
    joints = HandLayer(MODEL, np.float64)(pose, shape, place).joints_m
    if side == "left":
        pose, place, joints = mirror_pose(pose), mirror_points(place), mirror_points(joints)
    return RecordedHand(side, "truth", 1.0, *(a.astype(np.float32) for a in (pose, shape, place, joints)))


def _session(folder: Path) -> Path:
    """A right hand, a left one, and a rejected one; a bright dot marks the tip of the index finger."""
    info = SessionInfo("test", CAMERA, False, MODEL.name, MODEL.digest, name="Exchange")
    with RecordingWriter(folder, info, min_free_bytes=0) as writer:
        for k, side in enumerate(("right", "left", "right")):
            hand = _hand(side)  # type: ignore[arg-type]
            picture = np.zeros((240, 320, 3), np.uint8)
            x, y = project(hand.joints_m.astype(float), CAMERA)[8]
            cv2.circle(picture, (round(x), round(y)), 4, (255, 255, 255), -1)
            writer.add(Frame(k, k * 33, picture, CAMERA, "test"), [hand])
    append_verdicts(folder, [Verdict(2, "rejected")])
    return folder


def test_freihand_labels_fit_their_pictures(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_freihand(_session(tmp_path / "s"), out, MODEL, None) == 2
    files = {name: json.loads((out / f"training_{name}.json").read_text()) for name in ("K", "mano", "xyz", "verts")}
    for number in range(2):
        picture = cv2.imread(str(out / "training" / "rgb" / f"{number:08d}.jpg"), cv2.IMREAD_GRAYSCALE)
        assert picture.shape == (224, 224)
        joints, camera = np.array(files["xyz"][number]), np.array(files["K"][number])
        tip = camera @ joints[8]
        brightest = np.argwhere(picture > 200).mean(0)[::-1]
        np.testing.assert_allclose(tip[:2] / tip[2], brightest, atol=1.5)
        numbers = np.array(files["mano"][number][0])
        assert numbers.shape == (61,)
        pose = numbers[:48].copy()
        pose[3:] += MODEL.mean_pose_rad
        np.testing.assert_allclose(pose, 0.1, atol=1e-6)  # the left hand is exported as a right one
        root = np.append(numbers[58:60] - camera[:2, 2], 0.5 * (camera[0, 0] + camera[1, 1])) / numbers[60]
        np.testing.assert_allclose(root, joints[9], atol=2e-3)
        posed = HandLayer(MODEL, np.float64)(pose, numbers[48:58], np.zeros(3))
        moved = posed.vertices_m - posed.joints_m[9] + joints[9]
        np.testing.assert_allclose(moved, np.array(files["verts"][number]), atol=1e-6)


def test_freihand_export_refuses_another_hand_model(tmp_path: Path) -> None:
    other = replace(MODEL, v_template_m=MODEL.v_template_m * np.float32(1.1), name="another")
    with pytest.raises(RecordingError, match="not another; export it with that model"):
        export_freihand(_session(tmp_path / "s"), tmp_path / "out", other, None)
    assert not (tmp_path / "out").exists()
    assert export_freihand(tmp_path / "s", tmp_path / "out", MODEL.mirrored(), None) == 2  # the same hand


def test_webdataset_shards_hold_pictures_and_labels(tmp_path: Path) -> None:
    assert export_webdataset(_session(tmp_path / "s"), tmp_path / "out", None) == 2
    (shard,) = (tmp_path / "out").iterdir()
    with tarfile.open(shard) as content:
        names = content.getnames()
        assert names == ["s-00000000-right.jpg", "s-00000000-right.json", "s-00000001-left.jpg", "s-00000001-left.json"]
        label = json.loads(content.extractfile(names[1]).read())  # type: ignore[union-attr]
    np.testing.assert_allclose(label["joints_px"], project(_hand("right").joints_m.astype(float), CAMERA), atol=1e-2)
    assert (label["status"], label["weight"], label["session"]) == ("kept", 1.0, "Exchange")
    with pytest.raises(RecordingError, match="not empty"):
        export_webdataset(tmp_path / "s", tmp_path / "out", None)


def test_a_hand_that_reaches_behind_the_camera_is_not_exported(tmp_path: Path) -> None:
    hand = _hand("right")
    info = SessionInfo("test", CAMERA, False, MODEL.name, MODEL.digest)
    with RecordingWriter(tmp_path / "s", info, min_free_bytes=0) as writer:
        for k, joints in enumerate((hand.joints_m, hand.joints_m - [0.0, 0.0, hand.joints_m[8, 2]])):
            behind = replace(hand, joints_m=joints.astype(np.float32))
            writer.add(Frame(k, k * 33, np.zeros((240, 320, 3), np.uint8), CAMERA, "test"), [behind])
    assert export_webdataset(tmp_path / "s", tmp_path / "out", None) == 1


class _OneFace:
    def find(self, image_rgb: np.ndarray) -> list[tuple[int, int, int, int]]:
        return [(20, 20, 120, 120)]


def test_faces_are_blurred_but_not_the_hand() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    joints = np.linspace((90.0, 90.0), (150.0, 150.0), 21)
    result = without_faces(picture, _OneFace(), joints)
    face = result[22:70, 22:70].astype(int)
    assert np.abs(np.diff(face, axis=1)).mean() < 4.0, "the pattern is still visible"
    np.testing.assert_array_equal(result[100:150, 100:150], picture[100:150, 100:150])
    np.testing.assert_array_equal(result[170:, :], picture[170:, :])
    assert (picture[22:70, 22:70] != result[22:70, 22:70]).mean() > 0.9


@pytest.mark.skipif(not FACE_CLIP.is_file(), reason="the real clips are not available")
def test_a_real_face_is_found() -> None:
    from ik_baseline.faces import FaceFinder

    capture = cv2.VideoCapture(str(FACE_CLIP))
    seen = 0
    with FaceFinder() as faces:
        for _ in range(5):
            for _ in range(12):
                good, bgr = capture.read()
            assert good
            seen += bool(faces.find(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)))
    capture.release()
    assert seen == 5


def test_a_video_becomes_a_session(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip)
    count = import_session(clip, tmp_path / "s", MODEL, [FakePath()])
    recording = open_recording(tmp_path / "s")
    assert count == len(recording.frames) > 0
    assert recording.complete
    assert recording.info.name == "clip"
    assert all(frame.hands for frame in recording.frames)


def test_pictures_of_several_sizes_become_one_session(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    write_picture(tmp_path / "pictures" / "a.png")
    cv2.imwrite(str(tmp_path / "pictures" / "b.png"), np.full((100, 50, 3), 200, np.uint8))
    (tmp_path / "pictures" / "c.png").write_text("no picture")
    assert import_session(tmp_path / "pictures", tmp_path / "s", MODEL, []) == 2
    recording = open_recording(tmp_path / "s")
    fitted = recording.picture(recording.frames[1])
    height, width = fitted.shape[:2]
    assert fitted[height // 2, width // 2].min() > 180
    assert fitted[height // 2, 2].max() < 20
    (tmp_path / "nothing").mkdir()
    with pytest.raises(SourceError, match="holds no picture"):
        import_session(tmp_path / "nothing", tmp_path / "t", MODEL, [])
