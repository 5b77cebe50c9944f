"""Writes a recorded motion to the file that the user named."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app.motion.motion import Motion
from hand.errors import ConfigError, RecordingError

MOTION_SUFFIXES: Final = (".npz", ".bvh", ".glb")


def check_motion_file(file: Path) -> Path:
    """The file itself, if a motion can be saved under this name.

    Raises:
        ConfigError: another suffix.
    """
    if file.suffix.lower() not in MOTION_SUFFIXES:
        raise ConfigError(
            f"A motion is saved as .npz (arrays), .bvh (skeleton) or .glb (animated mesh), not as {file.name!r}."
        )
    return file


def save_motion(motion: Motion, file: Path) -> tuple[Path, ...]:
    """Writes a motion in the format that the file's suffix names.

    Returns:
        What was written; BVH takes a file per hand.

    Raises:
        ConfigError: a suffix that is none of :data:`MOTION_SUFFIXES`.
        RecordingError: the file cannot be written.
    """
    suffix = check_motion_file(file).suffix.lower()
    # imported here: SciPy and the glTF library take a moment to load, and most runs save no motion
    try:
        if suffix == ".bvh":
            from app.motion.bvh_file import write_bvh

            return write_bvh(motion, file)
        if suffix == ".glb":
            from app.motion.glb_file import write_glb

            write_glb(motion, file)
        else:
            from app.motion.npz_file import write_npz

            write_npz(motion, file)
    except OSError as error:
        raise RecordingError(
            f"The motion cannot be written to {file}: {error.strerror or error}; choose another place."
        ) from None
    return (file,)
