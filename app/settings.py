"""The user's preferences, kept between starts in one small JSON file that may be lost or damaged without harm."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from filelock import FileLock, Timeout

from app.pipeline.paths.smoothing import DEFAULT_STRENGTH
from app.snapshot.mesh_files import MESH_SUFFIXES
from hand.atomic_file import write_json_atomically
from hand.checked_files import FILE_FAULTS, fault_of, read_json

SCHEMA: Final = 1

Colors = Literal["system", "dark", "light"]
View = Literal["side by side", "three", "combined", "network", "ik", "output"]
Output = Literal["fused", "network-first", "network", "ik"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "theme": get_args(Colors),
    "view": get_args(View),
    "output": get_args(Output),
    "mesh_suffix": MESH_SUFFIXES,
}
_LONGEST_TEXT = 20_000
_LARGEST_BYTES = 1 << 20
_LOCK_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What is kept.

    Attributes:
        theme: colours.
        view: which panes.
        output: which hand the output follows, a value of ``app.pipeline.output_reason.OutputMode``.
        smoothing: strength of the filter, 0 to 1.
        geometry: size and place of the window, as Qt writes it, in base64.
        panels: which panels are where, likewise.
        mesh_suffix: format of a snapshot's meshes.
        guided: the first steps were read.
        second_source: the second camera, address or video that was opened last.
        palm_length_mm: of the user's hand, as typed.
    """

    theme: Colors = "system"
    view: View = "side by side"
    output: Output = "fused"
    smoothing: float = DEFAULT_STRENGTH
    geometry: str = ""
    panels: str = ""
    mesh_suffix: str = MESH_SUFFIXES[0]
    guided: bool = False
    second_source: str = ""
    palm_length_mm: str = ""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and what was wrong with their file: one sentence, or empty."""

    settings: Settings
    sentence: str = ""


def load_settings(file: Path) -> LoadedSettings:
    """Reads settings; what is missing or not usable keeps its default."""
    if not file.exists():
        return LoadedSettings(Settings())
    try:
        content = read_json(file, _LARGEST_BYTES)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError("it is of another version")
    except FILE_FAULTS as error:
        reason = fault_of(error)
        return LoadedSettings(
            Settings(), f"Your settings in {file} cannot be read ({reason}); the usual ones are in use."
        )
    return LoadedSettings(Settings(**{name: value for name, value in content.items() if _is_usable(name, value)}))


def save_settings(settings: Settings, file: Path) -> None:
    """Writes settings.

    Raises:
        OSError: the file cannot be written.
    """
    write_json_atomically(file, {"schema": SCHEMA, **asdict(settings)})


def save_changes(before: Settings, now: Settings, file: Path) -> None:
    """Writes what was changed since the settings were loaded, and leaves the rest as another window has saved it.

    Args:
        before: as they were loaded.
        now: as they are to be kept.
        file: of the settings.

    Raises:
        OSError: the file cannot be written.
    """
    changed = {field.name: getattr(now, field.name) for field in fields(Settings)}
    changed = {name: value for name, value in changed.items() if value != getattr(before, name)}
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    # a window ends what it does at the lock: two saves at once lose one change at most, never the file
    with suppress(Timeout, NotImplementedError):
        lock.acquire(timeout=_LOCK_PATIENCE_S)
    try:
        there = load_settings(file)
        save_settings(now if there.sentence or not file.is_file() else replace(there.settings, **changed), file)
    finally:
        lock.release()


def _is_usable(name: str, value: Any) -> bool:
    if name not in {field.name for field in fields(Settings)}:
        return False
    if name in _CHOICES:
        return isinstance(value, str) and value in _CHOICES[name]
    if name == "guided":
        return isinstance(value, bool)
    if name == "smoothing":
        return type(value) in (int, float) and math.isfinite(value) and 0.0 <= value <= 1.0
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT
