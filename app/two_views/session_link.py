"""The link from a session of one camera to that of the other camera: ``two_views.json`` in its folder."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.two_views.camera_pair import CameraPair, pair_from_json, pair_to_json
from hand.atomic_file import write_json_atomically
from hand.checked_files import FILE_FAULTS, read_json
from hand.errors import IntrinsicsError, RecordingError

logger = logging.getLogger(__name__)

LINK_FILE: Final = "two_views.json"
SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class SessionLink:
    """The other session of a take, and where its camera stood.

    Attributes:
        view: 0 where this session is the first camera's, 1 where it is the second's.
        other: name of the other session's folder, which lies beside this one.
        pair: both cameras.
        late_s: a moment at t of the first session, from its first frame on, is at t + late_s of the second.
    """

    view: int
    other: str
    pair: CameraPair
    late_s: float


def write_links(first: Path, second: Path, pair: CameraPair, late_s: float) -> None:
    """Links two sessions of one take with each other.

    Args:
        first: session of the first camera.
        second: session of the second camera.
        pair: the cameras.
        late_s: see :class:`SessionLink`.

    Raises:
        RecordingError: a file cannot be written.
    """
    geometry = {"late_s": late_s, **pair_to_json(pair)}
    for view, (folder, other) in enumerate(((first, second), (second, first))):
        try:
            write_json_atomically(folder / LINK_FILE, {"schema": SCHEMA, "view": view, "other": other.name, **geometry})
        except OSError as error:
            raise RecordingError(
                f"{folder / LINK_FILE} cannot be written: {error.strerror or error}; check the disk."
            ) from None


def read_link(folder: Path) -> SessionLink | None:
    """The link of a session; None where it has none, or one that cannot be used.

    Args:
        folder: of the session.
    """
    file = folder / LINK_FILE
    if not file.is_file():
        return None
    try:
        return _parsed(read_json(file))
    except (*FILE_FAULTS, KeyError, TypeError, IntrinsicsError) as error:
        logger.warning("%s cannot be used (%s); the session is shown alone.", file, error)
        return None


def _parsed(content: Any) -> SessionLink:
    """A link from its file.

    Raises:
        KeyError, TypeError, ValueError, IntrinsicsError: it is something else.
    """
    view, other = content["view"], content["other"]
    if content["schema"] != SCHEMA or view not in (0, 1) or not isinstance(other, str):
        raise ValueError("it is of another version")
    # a name, and no way to another place
    if other in ("", ".", "..") or Path(other).name != other:
        raise ValueError("it names no session beside this one")
    late_s = float(content["late_s"])
    if not math.isfinite(late_s):
        raise ValueError("its clocks have no finite offset")
    return SessionLink(int(view), other, pair_from_json(content), late_s)
