"""The synthesize command: its files, read by independent readers, and continuing after an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import FREIHAND_EVALUATION, FREIHAND_SAMPLES

from hand.camera import project
from hand.embedded import load_embedded_model
from hand.layer import HandLayer
from hand.recording_reader import open_recording
from trainer.__main__ import main
from trainer.dataset_writers.label_lines import LabelLines

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = 3


def synthesize(out: Path, *options: str, count: int = SAMPLES) -> int:
    """Runs the command in this process, on small pictures unless given otherwise."""
    return main(["synthesize", "--count", str(count), "--seed", "4", "--out", str(out), "--jobs", "1", *options])


def all_files(folder: Path) -> dict[str, bytes]:
    """Content of every file by its name within the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def children_of(parent: int) -> list[str]:
    """Process ids of the children, read from /proc because ps may not be installed."""
    children = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:  # it ended meanwhile
            continue
        if f"PPid:\t{parent}" in lines:
            children.append(status.parent.name)
    return children


def alive(process: str) -> bool:
    """Whether a process of this number exists."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    return True


def on_mask(mask: np.ndarray, points_px: np.ndarray, reach: int = 2) -> np.ndarray:
    """Whether the mask is set near each point."""
    grown = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    x, y = np.clip(np.rint(points_px), 0, [mask.shape[1] - 1, mask.shape[0] - 1]).astype(int).T
    return np.asarray(grown[y, x] > 127)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recording with crops."""
    folder = tmp_path_factory.mktemp("recording")
    assert synthesize(folder, "--size", "320x240", "--crops", "96") == 0
    return folder


def read_freihand(folder: Path, split: str) -> list[dict[str, np.ndarray]]:
    """A reader of FreiHAND's five files, written from their published description."""
    files = [
        json.loads((folder / f"{split}_{name}.json").read_text()) for name in ("K", "mano", "xyz", "verts", "scale")
    ]
    samples = []
    for k, mano, xyz, verts, scale in zip(*files, strict=True):
        numbers = np.array(mano)
        assert numbers.shape == (1, 61)
        pose, shape, root_px, weak = np.split(numbers[0], [48, 58, 60])
        samples.append(
            {
                "K": np.array(k),
                "pose": pose,
                "shape": shape,
                "root_px": root_px,
                "weak": weak,
                "xyz": np.array(xyz),
                "verts": np.array(verts),
                "scale": np.array(scale),
            }
        )
    return samples


def test_freihand_has_four_versions_of_each_sample_that_share_the_hand(freihand_set: Path) -> None:
    """File = sample + samples * version, 224 x 224; green first; the hand is the same and the background is not."""
    names = sorted(path.name for path in (freihand_set / "training" / "rgb").iterdir())
    assert names == [f"{number:08d}.jpg" for number in range(4 * FREIHAND_SAMPLES)]
    for sample in range(FREIHAND_SAMPLES):
        mask = cv2.imread(str(freihand_set / "training" / "mask" / f"{sample:08d}.jpg"), cv2.IMREAD_GRAYSCALE)
        versions = [
            cv2.imread(
                str(freihand_set / "training" / "rgb" / f"{sample + FREIHAND_SAMPLES * version:08d}.jpg")
            ).astype(int)
            for version in range(4)
        ]
        assert all(picture.shape == (224, 224, 3) for picture in versions)
        hand = cv2.erode(mask, np.ones((13, 13), np.uint8)) > 250
        # distractors are part of the scene, not of the background, so only medians are compared
        around = cv2.dilate(mask, np.ones((13, 13), np.uint8)) < 5
        assert hand.sum() > 100
        blue, green, red = np.median(versions[0][around], 0)
        assert green > 1.3 * max(red, blue)
        for version in range(1, 4):
            assert np.median(np.abs(versions[version] - versions[0])[hand]) < 4
            assert np.median(np.abs(versions[version] - versions[0])[around].max(-1)) > 15


@pytest.mark.parametrize(("split", "count"), [("training", FREIHAND_SAMPLES), ("evaluation", FREIHAND_EVALUATION)])
def test_freihand_labels_agree_with_each_other_by_its_own_formulas(freihand_set: Path, split: str, count: int) -> None:
    """mano with hands_mean added poses xyz and verts up to a shift; root formula and scale hold; joints lie on it."""
    model = load_embedded_model()
    layer = HandLayer(model, np.float64)
    samples = read_freihand(freihand_set, split)
    assert len(samples) == count
    for number, sample in enumerate(samples):
        k, xyz = sample["K"], sample["xyz"]
        pose = sample["pose"].copy()
        pose[3:] += model.mean_pose_rad
        hand = layer(pose, sample["shape"])
        shift = xyz[9] - hand.joints_m[9]
        np.testing.assert_allclose(hand.joints_m + shift, xyz, atol=1e-5)
        np.testing.assert_allclose(hand.vertices_m + shift, sample["verts"], atol=1e-5)
        without_mean = layer(sample["pose"], sample["shape"])
        wrong = np.abs(without_mean.joints_m - without_mean.joints_m[9] - xyz + xyz[9]).max()
        assert wrong > 0.005, "hands_mean must matter for this test to be meaningful"
        # recover_root of the FreiHAND tools
        focal = (k[0, 0] + k[1, 1]) / 2.0
        root = np.append(sample["root_px"] - k[:2, 2], focal) / sample["weak"]
        np.testing.assert_allclose(root, xyz[9], atol=1e-5)
        assert sample["scale"] == pytest.approx(np.linalg.norm(xyz[9] - xyz[10]), abs=1e-6)
        assert 0.01 < sample["scale"] < 0.05
        pixels = xyz @ k.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        assert ((pixels > -40) & (pixels < 264)).all()
        line = json.loads((freihand_set / f"{split}_labels.jsonl").read_text().splitlines()[number])
        np.testing.assert_allclose(line["uv"], pixels, atol=0.01)
        if split == "training":
            mask = cv2.imread(str(freihand_set / "training" / "mask" / f"{number:08d}.jpg"), cv2.IMREAD_GRAYSCALE)
            visible = np.array(line["visible"])
            assert visible.sum() >= 6
            assert on_mask(mask, pixels[visible]).all()


def test_freihand_splits_are_different_hands_and_evaluation_has_one_version(freihand_set: Path) -> None:
    """No pose of one split is in the other; evaluation has as many pictures as samples, and no masks."""
    training, evaluation = read_freihand(freihand_set, "training"), read_freihand(freihand_set, "evaluation")
    distances = [np.abs(a["pose"] - b["pose"]).max() for a in training for b in evaluation]
    assert min(distances) > 0.05
    assert len(list((freihand_set / "evaluation" / "rgb").iterdir())) == FREIHAND_EVALUATION
    assert not (freihand_set / "evaluation" / "mask").exists()
    assert str(load_embedded_model().vertex_count) in (freihand_set / "README.txt").read_text()


def test_a_recording_is_read_by_the_programs_own_reader(recording: Path) -> None:
    """Complete, nothing repaired, and the recorded pose gives the joints, pixels, vertices and mask beside it."""
    opened = open_recording(recording)
    assert opened.complete
    assert opened.repairs == ()
    assert opened.info.hand_model_digest == load_embedded_model().digest
    layer = HandLayer(load_embedded_model(), np.float64)
    lines = [json.loads(line) for line in (recording / "labels.jsonl").read_text().splitlines()]
    assert len(opened.frames) == len(lines) == SAMPLES
    for frame, line in zip(opened.frames, lines, strict=True):
        assert opened.picture(frame).shape == (240, 320, 3)
        (found,) = frame.hands
        assert found.origin == "truth"
        hand = layer(found.pose_rad.astype(float), found.shape.astype(float), found.camera_translation_m.astype(float))
        np.testing.assert_allclose(hand.joints_m, found.joints_m, atol=1e-5)
        vertices = np.load(recording / "vertices" / f"{frame.index:08d}.npy")
        np.testing.assert_allclose(hand.vertices_m, vertices, atol=1e-5)
        pixels = project(hand.joints_m, opened.info.intrinsics)
        np.testing.assert_allclose(line["hands"][0]["joints_px"], pixels, atol=0.02)
        mask = cv2.imread(str(recording / "masks" / f"{frame.index:08d}.png"), cv2.IMREAD_GRAYSCALE)
        visible = np.array(line["hands"][0]["joints_visible"])
        assert visible.any()
        assert on_mask(mask, pixels[visible]).all()
        crop = cv2.imread(str(recording / "crops" / f"{frame.index:08d}.jpg"))
        matrix = np.array(line["crop"]["frame_to_crop_px"])
        assert crop.shape == (96, 96, 3)
        again = cv2.warpAffine(opened.picture(frame)[..., ::-1], matrix, (96, 96))
        assert np.abs(crop.astype(int) - again).mean() < 8  # the same cut, without the blur before shrinking
        in_crop = pixels @ matrix[:, :2].T + matrix[:, 2]
        assert ((in_crop > 0) & (in_crop < 95)).mean() > 0.8


@pytest.mark.parametrize("layout", ["recording", "freihand"])
def test_resumed_series_equals_an_uninterrupted_one(tmp_path: Path, layout: str) -> None:
    """A torn line, a part file and missing last files: the same command ends with the very same bytes."""
    options = ["--format", layout, *(["--size", "160x120"] if layout == "recording" else ["--size", "64x64"])]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert synthesize(whole, *options) == 0
    assert synthesize(stopped, *options) == 0
    labels = stopped / ("labels.jsonl" if layout == "recording" else "training_labels.jsonl")
    lines = labels.read_bytes().splitlines(keepends=True)
    labels.write_bytes(lines[0] + lines[1][:50])
    pictures = stopped / ("frames" if layout == "recording" else "training/rgb")
    (pictures / "00000002.jpg").unlink()
    (pictures / "00000001.jpg.part").write_bytes(b"half")
    for last in stopped.glob("COMPLETE" if layout == "recording" else "training_*.json"):
        if "synthesis" not in last.name:
            last.unlink()
    untouched = (pictures / "00000000.jpg").stat().st_mtime_ns
    assert synthesize(stopped, *options) == 0
    assert all_files(stopped) == all_files(whole)
    assert (pictures / "00000000.jpg").stat().st_mtime_ns == untouched


def test_a_recording_may_grow_and_is_never_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A larger count goes on; a smaller one is refused in one sentence and changes nothing."""
    options = ["--size", "96x64"]
    assert synthesize(tmp_path / "grown", *options, count=1) == 0
    assert synthesize(tmp_path / "grown", *options, count=3) == 0
    assert synthesize(tmp_path / "whole", *options, count=3) == 0
    before = all_files(tmp_path / "grown")
    assert before == all_files(tmp_path / "whole")
    capsys.readouterr()
    assert synthesize(tmp_path / "grown", *options, count=2) == 2
    assert "holds 3 samples" in capsys.readouterr().err
    assert all_files(tmp_path / "grown") == before


@pytest.mark.slow
def test_two_processes_write_what_one_writes(tmp_path: Path) -> None:
    """Byte by byte, in both layouts."""
    for options in (["--size", "96x64", "--crops", "32"], ["--format", "freihand", "--size", "48x48"]):
        one, two = tmp_path / f"one{len(options)}", tmp_path / f"two{len(options)}"
        assert synthesize(one, *options, count=2) == 0
        assert synthesize(two, *options, "--jobs", "2", count=2) == 0
        assert all_files(one) == all_files(two)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="finds the child processes in /proc")
def test_a_killed_run_leaves_only_whole_files_and_no_processes(tmp_path: Path) -> None:
    """Killed without warning in the middle; what has its own name can be read, and the same command finishes."""
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "trainer", "synthesize", "--count", "100000", "--seed", "4", "--size", "96x64"]
    process = subprocess.Popen(
        [*command, "--out", str(out), "--jobs", "2"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        labels = out / "labels.jsonl"
        while time.monotonic() < deadline and not (labels.exists() and labels.read_bytes().count(b"\n") >= 6):
            time.sleep(0.05)
        children = children_of(process.pid)
        assert len(children) >= 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    recording = open_recording(out)
    assert len(recording.frames) >= 6
    assert not recording.complete
    for frame in recording.frames:
        recording.picture(frame)
    for path in [*out.glob("frames/*.jpg"), *out.glob("masks/*.png")]:
        assert cv2.imread(str(path)) is not None, path
    while time.monotonic() < deadline and any(alive(child) for child in children):
        time.sleep(0.1)
    assert not any(alive(child) for child in children)
    done = len(recording.frames) + 2
    assert synthesize(out, "--size", "96x64", count=done) == 0
    fresh = tmp_path / "fresh"
    assert synthesize(fresh, "--size", "96x64", count=done) == 0
    killed = all_files(out)
    # pictures that were drawn ahead of their line are whole and the same as they will be, but not part of the series
    assert {name: killed[name] for name in all_files(fresh)} == all_files(fresh)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--format", "freihand", "--size", "224x200"], "square"),
        (["--format", "freihand", "--crops", "64"], "crops already"),
        (["--split", "evaluation"], "no splits"),
        (["--backgrounds", "/nowhere"], "should hold photographs"),
    ],
)
def test_incompatible_options_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    """Exit code 2, no traceback, nothing written."""
    assert synthesize(tmp_path / "out", *options) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_other_folders_and_other_series_are_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with other files, a series of another seed, and a file in the place of a folder."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert synthesize(tmp_path / "mine") == 2
    assert "not of a rendered series" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    assert synthesize(tmp_path / "series", "--size", "96x64", count=1) == 0
    capsys.readouterr()
    assert synthesize(tmp_path / "series", "--size", "96x64", "--seed", "5", count=1) == 2
    assert "seed 4" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert synthesize(tmp_path / "file") == 2
    assert "cannot be made" in capsys.readouterr().err


def test_invalid_values_exit_with_code_2(tmp_path: Path) -> None:
    """Invalid counts, sizes and formats."""
    for options in (["--size", "wide"], ["--jobs", "0"], ["--crops", "-3"], ["--format", "coco"]):
        with pytest.raises(SystemExit) as left:
            synthesize(tmp_path / "out", *options)
        assert left.value.code == 2


@pytest.mark.parametrize("layout", ["recording", "freihand"])
def test_second_start_changes_nothing_while_the_first_is_at_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    options = ["--format", layout, "--size", "64x64"]
    assert synthesize(tmp_path, *options) == 0
    labels = tmp_path / ("labels.jsonl" if layout == "recording" else "training_labels.jsonl")
    half = tmp_path / ("frames" if layout == "recording" else "training/rgb") / "00000003.jpg.part"
    half.write_bytes(b"half")
    before = all_files(tmp_path)
    with LabelLines(labels):
        assert synthesize(tmp_path, *options, *([] if layout == "freihand" else ["--count", "9"])) == 2
        assert "Another process is writing" in capsys.readouterr().err
        assert all_files(tmp_path) == before
        assert half.exists()


def test_lines_are_counted_and_a_torn_end_is_cut(tmp_path: Path) -> None:
    """As many lines as end in a line feed; going on starts right after the last whole one."""
    path = tmp_path / "labels.jsonl"
    with LabelLines(path) as lines:
        assert lines.count == 0
        lines.append({"a": 1})
        lines.append({"a": 2})
    path.write_bytes(path.read_bytes() + b'{"a": 3')
    with LabelLines(path) as lines:
        assert lines.count == 2
        lines.append({"a": 4})
    assert [json.loads(line)["a"] for line in path.read_text().splitlines()] == [1, 2, 4]
