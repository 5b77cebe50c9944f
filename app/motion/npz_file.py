"""A motion as plain arrays: everything that was recorded, as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.machine import product_version
from app.motion.motion import Motion
from hand.atomic_file import write_atomically
from hand.joints import JOINT_NAMES, MANO_JOINT_NAMES

SCHEMA_VERSION: Final = 1


def write_npz(motion: Motion, file: Path) -> None:
    """Writes ``about`` (JSON) and, per side that was seen, arrays with the prefix ``right_`` or ``left_``.

    ``frame``, ``time_s``, ``pose_rad`` (T, 48), ``shape`` (T, 10), ``camera_translation_m`` (T, 3), ``joints_m``
    (T, 21, 3), ``confidence`` and ``method``, all in the conventions of ``hand.types.HandState``.

    Raises:
        OSError: the file cannot be written.
    """
    about = {
        "schema": "handlive.motion",
        "version": SCHEMA_VERSION,
        "program": f"handlive {product_version()}",
        "hand_model": {"name": motion.model.name, "digest": motion.model.digest},
        "source": motion.source,
        "frames_per_second": motion.frames_per_second,
        "joint_names": JOINT_NAMES,
        "mano_joint_names": MANO_JOINT_NAMES,
    }
    arrays: dict[str, Any] = {"about": np.array(json.dumps(about))}
    for track in motion.tracks:
        arrays |= {
            f"{track.side}_frame": track.frames,
            f"{track.side}_time_s": track.times_s,
            f"{track.side}_pose_rad": track.poses_rad.astype(np.float32),
            f"{track.side}_shape": track.shapes.astype(np.float32),
            f"{track.side}_camera_translation_m": track.translations_m.astype(np.float32),
            f"{track.side}_joints_m": track.joints_m.astype(np.float32),
            f"{track.side}_confidence": track.confidences.astype(np.float32),
            f"{track.side}_method": np.array(track.methods),
        }

    def write(target: Path) -> None:
        with target.open("wb") as stream:  # given a name, NumPy would add its own suffix
            np.savez_compressed(stream, **arrays)

    write_atomically(file, write)
