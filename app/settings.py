"""What the user likes, kept between starts: one small JSON file that may be lost or damaged without harm."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

from app.pipeline.paths.smoothing import DEFAULT_STRENGTH
from app.snapshot.mesh_files import MESH_SUFFIXES
from hand.atomic_file import write_json_atomically

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
    """

    theme: Colors = "system"
    view: View = "side by side"
    output: Output = "fused"
    smoothing: float = DEFAULT_STRENGTH
    geometry: str = ""
    panels: str = ""
    mesh_suffix: str = MESH_SUFFIXES[0]
    guided: bool = False


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and what was wrong with their file: one sentence, or empty."""

    settings: Settings
    sentence: str = ""


def load_settings(file: Path) -> LoadedSettings:
    """Reads settings; what is missing or not usable is as it comes."""
    if not file.is_file():
        return LoadedSettings(Settings())
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError("it is of another version")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged or of another version"
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


def _is_usable(name: str, value: Any) -> bool:
    if name not in {field.name for field in fields(Settings)}:
        return False
    if name in _CHOICES:
        return value in _CHOICES[name]
    if name == "guided":
        return isinstance(value, bool)
    if name == "smoothing":
        return type(value) in (int, float) and math.isfinite(value) and 0.0 <= value <= 1.0
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT
