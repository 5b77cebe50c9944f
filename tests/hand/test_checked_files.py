"""Reading an untrusted file returns its values or raises an error with a one-line fault."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hand.checked_files import (
    DEEPEST,
    DamagedFileError,
    fault_of,
    finite_array,
    float_array,
    parse_json,
    parse_yaml,
    read_checked,
    read_json,
    read_yaml,
)

BILLION_LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{after}: &{after} [{', '.join(['*' + before] * 9)}]\n" for before, after in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{", "UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nests deeper"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nests deeper"),
        (b'{"a":' * 100_000, "nests deeper"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[" + b"9" * 5000 + b"]", "digits"),
    ],
)
def test_damaged_json_raises_an_error_naming_the_fault(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DamagedFileError, match=fault):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("value", [None, 3, -2.5, "ü", [1, [2, {"a": [True]}]], {"b": {"c": []}}])
def test_json_and_yaml_values_round_trip(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json("\ufeff".encode() + json.dumps(value).encode()) == value, (
        "Windows editors write a byte order mark"
    )
    assert parse_yaml(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.system ['true']", "not YAML"),
        ("a: 2020-99-99", "not YAML"),
        ("[" * 20_000 + "]" * 20_000, "nests deeper"),
        (BILLION_LAUGHS, "more than"),
        ("a: &a [*a]", "nests deeper"),
        ("\x00", "not YAML"),
    ],
)
def test_damaged_yaml_raises_an_error_naming_the_fault(tmp_path: Path, content: str, fault: str) -> None:
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(DamagedFileError, match=fault):
        read_yaml(tmp_path / "a.yaml")


def test_non_regular_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="folder"):
        read_checked(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(DamagedFileError, match="no regular file"):
                read_checked(path)
    with pytest.raises(FileNotFoundError):
        read_checked(tmp_path / "missing")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DamagedFileError, match="MiB"):
        read_checked(tmp_path / "zeros")


def test_faults_are_one_line() -> None:
    assert fault_of(OSError(28, "No space left on device")) == "No space left on device"
    assert fault_of(KeyError("schema")) == "it lacks 'schema'"
    assert fault_of(ValueError("a\n  b")) == "a b"
    assert fault_of(RecursionError()) == "it nests too deep"
    assert fault_of(EOFError()) == "EOFError"


@pytest.mark.parametrize("values", [[[1.0], [1.0, 2.0]], ["x"], {"a": 1}, [10**400], [None, {}]])
def test_non_numeric_values_convert_to_an_empty_array(values: object) -> None:
    assert float_array(values).shape == (0,)
    assert float_array([[1, 2], [3, 4.5]]).tolist() == [[1.0, 2.0], [3.0, 4.5]]


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 2.0, float("nan")], [[1.0, 2.0, 3.0]], "text", None])
def test_values_of_another_shape_or_that_are_not_finite_are_no_array(values: object) -> None:
    assert finite_array([1, 2, 3], (3,)).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises((ValueError, TypeError)):
        finite_array(values, (3,))
