from __future__ import annotations

import json
from pathlib import Path

import pytest

from hand.atomic_file import write_atomically, write_json_atomically


def test_content_arrives_whole_in_a_folder_that_is_made(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.json"
    write_json_atomically(file, {"b": [1, 2.5]})
    assert json.loads(file.read_text()) == {"b": [1, 2.5]}
    assert list(file.parent.iterdir()) == [file]


def test_a_writer_that_breaks_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
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
