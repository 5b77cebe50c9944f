"""Verified copies, and runs that are restored from them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from hand.errors import DataError
from trainer.notebook.run_backup import RunBackup
from trainer.notebook.verified_copy import copy_tree_verified, copy_verified, unpack_verified


def test_a_copy_is_made_once_and_again_when_the_original_changes(tmp_path: Path) -> None:
    source, target = tmp_path / "a" / "file", tmp_path / "b" / "file"
    source.parent.mkdir()
    source.write_bytes(b"one")
    assert copy_verified(source, target)
    assert not copy_verified(source, target)
    source.write_bytes(b"two")
    os.utime(source, ns=(0, 0))
    assert copy_verified(source, target)
    assert target.read_bytes() == b"two"
    with pytest.raises(DataError, match="nothing is missing and should be copied to"):
        copy_verified(tmp_path / "nothing", target)


def test_a_copy_that_differs_is_refused_and_the_old_one_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "file", tmp_path / "copy"
    source.write_bytes(b"new content")
    target.write_bytes(b"old")
    # a drive that returns other bytes than were written
    monkeypatch.setattr("trainer.notebook.verified_copy._sha256", lambda path: "another")
    with pytest.raises(DataError, match="differs from it"):
        copy_verified(source, target)
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "file"]


def test_a_folder_is_copied_whole_and_an_empty_one_refused(tmp_path: Path) -> None:
    for name in ("x", "inner/y"):
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text(name)
    assert copy_tree_verified(tmp_path / "from", tmp_path / "to") == 2
    assert (tmp_path / "to" / "inner" / "y").read_text() == "inner/y"
    with pytest.raises(DataError, match="missing or empty"):
        copy_tree_verified(tmp_path / "nowhere", tmp_path / "to")


def test_an_archive_is_unpacked_with_its_wrapping_folder_and_a_damaged_one_refused(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("set/training/0.txt", "hand " * 100)
    assert unpack_verified(archive, tmp_path / "set") == tmp_path / "set" / "set"
    assert (tmp_path / "set" / "set" / "training" / "0.txt").read_text() == "hand " * 100
    data = bytearray(archive.read_bytes())
    data[60] ^= 255
    archive.write_bytes(data)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_verified(archive, tmp_path / "again")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "machine" / "run"
    run.mkdir(parents=True)
    for name in ("events.jsonl", "best.safetensors", "last.pt"):
        (run / name).write_text(name)
    return run


def test_a_run_is_copied_at_checkpoints_not_too_often_and_at_its_end(run: Path, tmp_path: Path) -> None:
    backup = RunBackup(run, tmp_path / "drive")
    backup({"event": "step"})
    assert not (tmp_path / "drive").exists()
    backup({"event": "checkpoint"})
    assert (tmp_path / "drive" / "last.pt").read_text() == "last.pt"
    (run / "last.pt").write_text("later")
    backup({"event": "checkpoint"})
    assert (tmp_path / "drive" / "last.pt").read_text() == "last.pt"
    backup({"event": "end"})
    assert (tmp_path / "drive" / "last.pt").read_text() == "later"


def test_missing_run_is_restored_and_an_existing_one_is_unchanged(run: Path, tmp_path: Path) -> None:
    RunBackup(run, tmp_path / "drive").copy()
    (run / "last.pt").write_text("later")
    assert RunBackup(run, tmp_path / "drive").bring_back() is None
    again = tmp_path / "other_machine" / "run"
    assert RunBackup(again, tmp_path / "nowhere", tmp_path / "drive").bring_back() == tmp_path / "drive"
    assert (again / "last.pt").read_text() == "last.pt"
    assert (again / "best.safetensors").is_file()


def test_unavailable_drive_does_not_stop_the_training(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    backup = RunBackup(run, tmp_path / "file" / "drive", tmp_path / "second")
    backup({"event": "end"})
    assert len(backup.troubles) == 1
    assert "No copy could be made in" in backup.troubles[0]
    assert (tmp_path / "second" / "last.pt").is_file()
