from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hand import atomic_file
from hand.atomic_file import (
    append_line,
    folder_as_a_whole,
    folder_renewed,
    make_new_folder,
    write_atomically,
    write_json_atomically,
)

posix = pytest.mark.skipif(os.name != "posix", reason="links and permission bits of POSIX systems")


def test_write_creates_a_missing_folder_and_leaves_only_the_target(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.json"
    write_json_atomically(file, {"b": [1, 2.5]})
    assert json.loads(file.read_text()) == {"b": [1, 2.5]}
    assert list(file.parent.iterdir()) == [file]


def test_failed_write_keeps_the_old_file_and_no_temporary_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def break_half_way(target: Path) -> None:
        target.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(file, break_half_way)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_nan_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json_atomically(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())


@posix
def test_planted_temporary_symlink_is_not_followed(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "shared"
    folder.mkdir()
    victim.write_text("untouched")
    for name in ("a.json.part", ".a.json.part"):
        (folder / name).symlink_to(victim)
    write_json_atomically(folder / "a.json", 1)
    assert victim.read_text() == "untouched"
    assert (folder / "a.json.part").is_symlink()


@posix
def test_symlink_at_the_target_is_replaced_and_its_target_is_unchanged(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "a.json"
    victim.write_text("untouched")
    file.symlink_to(victim)
    write_json_atomically(file, 1)
    assert victim.read_text() == "untouched"
    assert not file.is_symlink()
    assert json.loads(file.read_text()) == 1


@posix
def test_written_file_keeps_old_permissions_or_takes_the_process_default(tmp_path: Path) -> None:
    usual, file, private = tmp_path / "usual", tmp_path / "new", tmp_path / "private"
    usual.touch()
    write_json_atomically(file, 1)
    assert file.stat().st_mode == usual.stat().st_mode
    private.touch(mode=0o600)
    write_json_atomically(private, 1)
    assert private.stat().st_mode & 0o777 == 0o600


_REPEATED_WRITES = """
import sys
from pathlib import Path
from hand.atomic_file import append_line, make_new_folder, write_json_atomically
folder, name = Path(sys.argv[1]), sys.argv[2]
for turn in range(150):
    write_json_atomically(folder / "a.json", [name] * 500)
    append_line(folder / "lines", name * 300)
    (make_new_folder(folder / "made", "same") / name).touch()
"""


def test_concurrent_writers_lose_no_data(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json_atomically(file, ["c"] * 500)
    writers = [subprocess.Popen([sys.executable, "-c", _REPEATED_WRITES, str(tmp_path), name]) for name in "ab"]
    while any(writer.poll() is None for writer in writers):
        content = json.loads(file.read_text())
        assert content in ([name] * 500 for name in "abc"), "half of one file and half of another"
    assert [writer.returncode for writer in writers] == [0, 0], "a save failed"
    assert sorted((tmp_path / "lines").read_text().split()) == ["a" * 300] * 150 + ["b" * 300] * 150
    made = [[path.name for path in folder.iterdir()] for folder in (tmp_path / "made").iterdir()]
    assert sorted(made) == [["a"]] * 150 + [["b"]] * 150, "two processes were given one folder"
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_a_new_folder_is_numbered_where_its_name_is_taken(tmp_path: Path) -> None:
    assert [make_new_folder(tmp_path / "new", "a").name for _ in range(3)] == ["a", "a_2", "a_3"]


def test_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"

    def break_half_way() -> None:
        with folder_as_a_whole(out) as whole:
            (whole / "a").touch()
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        break_half_way()
    assert list(out.parent.iterdir()) == []
    out.mkdir()
    with folder_as_a_whole(out) as whole:
        (whole / "a").touch()
        assert list(out.iterdir()) == []
    assert list(out.parent.rglob("*")) == [out, out / "a"]
    with pytest.raises(OSError, match="not empty"), folder_as_a_whole(out) as whole:
        (whole / "b").touch()
    assert list(out.parent.rglob("*")) == [out, out / "a"]


def test_append_line_creates_the_file_and_keeps_existing_lines(tmp_path: Path) -> None:
    append_line(tmp_path / "new" / "lines", "a")
    append_line(tmp_path / "new" / "lines", "b")
    assert (tmp_path / "new" / "lines").read_text() == "a\nb\n"


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def _old_folder(parent: Path) -> Path:
    folder = parent / "network"
    (folder / "inside").mkdir(parents=True)
    for name in ("a", "b", "kept", "inside/kept"):
        (folder / name).write_text("old")
    return folder


def test_renewed_files_are_replaced_together_and_other_files_are_kept(tmp_path: Path) -> None:
    folder = _old_folder(tmp_path)
    with folder_renewed(folder) as new:
        (new / "a").write_text("new")
        (new / "b").write_text("new")
        assert _contents(folder)["a"] == "old"
    assert _contents(folder) == {"a": "new", "b": "new", "kept": "old", "inside/kept": "old"}
    assert list(tmp_path.iterdir()) == [folder]


def test_renewal_creates_a_missing_folder(tmp_path: Path) -> None:
    with folder_renewed(tmp_path / "deep" / "network") as new:
        (new / "a").write_text("new")
    assert _contents(tmp_path) == {"deep/network/a": "new"}


@pytest.mark.parametrize("exchange", [True, False])
def test_failed_renewal_keeps_the_old_folder(tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _old_folder(tmp_path)
    before = _contents(folder)

    def fail() -> None:
        with folder_renewed(folder) as new:
            (new / "a").write_text("new")
            if exchange:
                raise OSError("disk full")

    if not exchange:  # the second of two moves fails where names cannot be exchanged
        monkeypatch.setattr(atomic_file, "_exchanged_by_linux", lambda *_: False)
        move, moves = atomic_file._replace, []

        def break_second(source: Path, target: Path) -> None:
            moves.append(source)
            if len(moves) == 2:
                raise OSError("disk full")
            move(source, target)

        monkeypatch.setattr(atomic_file, "_replace", break_second)
    with pytest.raises(OSError, match="disk full"):
        fail()
    assert _contents(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def test_renewal_works_without_atomic_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_file, "_exchanged_by_linux", lambda *_: False)
    folder = _old_folder(tmp_path)
    with folder_renewed(folder) as new:
        (new / "a").write_text("new")
    assert _contents(folder) == {"a": "new", "b": "old", "kept": "old", "inside/kept": "old"}
    assert list(tmp_path.iterdir()) == [folder]


@posix
def test_renewal_follows_a_symlink_to_the_folder(tmp_path: Path) -> None:
    folder = _old_folder(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    with folder_renewed(tmp_path / "link") as new:
        (new / "a").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert _contents(folder)["a"] == "new"
