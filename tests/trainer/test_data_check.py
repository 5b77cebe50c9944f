"""``data check``: its counts, the faults that it names, and its contact sheet."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the training part is not installed")

import cv2
import numpy as np

from hand.embedded import load_embedded_model
from hand.errors import DataError
from trainer.__main__ import main
from trainer.data import _parser
from trainer.datasets.crops import SetCrops, data_set_jitter
from trainer.datasets.freihand import FreihandSet, read_labels
from trainer.datasets.pose_fit import fitter_for
from trainer.samples.labelled_crop import LabelledCrop


def test_examples_in_the_help_can_be_parsed(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["check"], ["pack"]):
        with pytest.raises(SystemExit) as left:
            main(["data", *arguments, "--help"])
        assert left.value.code == 0
    shown = capsys.readouterr().out
    examples = [
        line.split(" -m trainer data ", 1)[1]
        for line in shown.splitlines()
        if line.startswith("    python -m trainer data ")
    ]
    parsed = {_parser().parse_args(shlex.split(example)).command for example in examples}
    assert parsed == {"check", "pack"}


def check(folder: Path, out: Path, *options: str) -> int:
    return main(["data", "check", str(folder), "--out", str(out), *options])


@pytest.mark.parametrize("kind", ["freihand", "ho3d", "interhand"])
def test_a_whole_set_is_recognised_and_drawn(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(request.getfixturevalue(f"{kind}_set"), tmp_path) == 0
    shown = capsys.readouterr().out
    report = json.loads((tmp_path / "check.json").read_text())
    assert shown.splitlines()[-len(report) :] == [f"Verdict on {title}: it can be used." for title in report]
    for title, part in report.items():
        assert title in shown
        assert part["refusal"] == ""
        assert part["looked_at"] == part["count"]
        assert part["broken_pictures"] == {}
        assert part["beyond_limit"] == []
        assert max(part["residual_mm"].values(), default=0.0) < 0.05
    assert sum(len(part["residual_mm"]) for part in report.values()) >= 3
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[1] > 2000
    assert sheet.std() > 20


def test_broken_pictures_and_wrong_poses_are_counted_and_named(
    freihand_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(freihand_set, tmp_path / "copy"))
    read_labels.cache_clear()
    hands = FreihandSet(copy, "training")
    picture = copy / "training" / "rgb" / f"{hands.file_number(1):08d}.jpg"
    picture.write_bytes(b"")
    mano = json.loads((copy / "training_mano.json").read_text())
    mano[int(hands.samples[0])][0][10] += 0.4
    (copy / "training_mano.json").write_text(json.dumps(mano))
    read_labels.cache_clear()
    assert check(copy, tmp_path / "out") == 1
    captured = capsys.readouterr()
    verdict = next(line for line in captured.out.splitlines() if line.startswith("Verdict on FreiHAND v2, training"))
    assert "training would refuse it. 1 pictures cannot be used" in verdict
    assert hands.hand(1).name in verdict
    assert "Verdict on FreiHAND v2, evaluation: it can be used." in captured.out
    report = json.loads((tmp_path / "out" / "check.json").read_text())["FreiHAND v2, training"]
    assert list(report["broken_pictures"]) == [hands.hand(1).name]
    # all four versions of the sample
    assert len(report["beyond_limit"]) == 4
    assert hands.hand(0).name in report["beyond_limit"]
    assert "4 of 12 beyond 1 mm" in captured.out
    assert (tmp_path / "out" / "sheet.png").exists()


def test_the_sheet_shows_each_hand_with_the_mesh_on_it(freihand_set: Path, tmp_path: Path) -> None:
    """The mesh changes a part of the picture the size of a hand and none of its upper edge."""
    assert check(freihand_set, tmp_path) == 0
    sheet = cv2.imread(str(tmp_path / "sheet.png")).astype(int)
    plain, meshed = sheet[44 : 44 + 256, 6 : 6 + 256], sheet[44 : 44 + 256, 6 + 256 : 6 + 512]
    changed = np.abs(plain - meshed).max(2) > 12
    assert 0.08 < changed.mean() < 0.7
    assert not changed[:4].any()


def test_set_that_training_refuses_gets_a_verdict_and_exit_code_1(
    freihand_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def first_crop(folder: Path) -> LabelledCrop:
        hands = FreihandSet(folder, "training")
        return SetCrops(hands, fitter_for(hands, load_embedded_model()), 64, 0, data_set_jitter(0.0))[0]

    def refused_by_both(folder: Path, words: str) -> None:
        read_labels.cache_clear()
        assert check(folder, tmp_path / "out") == 1
        verdict = capsys.readouterr().out.splitlines()[-3]
        assert verdict.startswith("Verdict on FreiHAND v2, training: training would refuse it. ")
        assert words in verdict
        with pytest.raises(DataError) as refused:
            first_crop(folder)
        assert words in str(refused.value)

    bent = Path(shutil.copytree(freihand_set, tmp_path / "bent"))
    poses = json.loads((bent / "training_mano.json").read_text())
    for entry in poses:
        entry[0][10] += 0.4
    (bent / "training_mano.json").write_text(json.dumps(poses))
    refused_by_both(bent, "The poses of FreiHAND v2 should give its joints within 1 mm")
    half = Path(shutil.copytree(freihand_set, tmp_path / "half"))
    (half / "training_xyz.json").unlink()
    refused_by_both(half, "training_xyz.json (joints) is missing")


def test_report_and_sheet_are_written_before_anything_is_printed(
    freihand_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []
    monkeypatch.setattr(
        "builtins.print", lambda *_, **__: written.append((tmp_path / "check.json").is_file() & sheet.is_file())
    )
    sheet = tmp_path / "sheet.png"
    assert check(freihand_set, tmp_path) == 0
    assert written
    assert all(written)


def test_folder_without_a_data_set_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, tmp_path / "out") == 2
    assert "should be the folder of a data set (FreiHAND v2, HO-3D, InterHand2.6M)" in capsys.readouterr().err
    assert check(tmp_path, tmp_path / "out", "--kind", "freihand") == 1
    assert "training_K.json (camera matrices) is missing" in capsys.readouterr().out
