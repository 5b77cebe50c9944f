"""Where sessions are kept, a summary of each, and how one is deleted for good."""

from __future__ import annotations

import logging
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from app.user_dirs import sessions_folder
from hand.atomic_file import make_new_folder
from hand.checked_files import FILE_FAULTS, fault_of, read_json
from hand.errors import RecordingError
from hand.recording import COMPLETE_FILE, SESSION_FILE
from hand.recording_reader import Recording, open_recording, session_order
from hand.session_labels import OFFLINE_FILE

logger = logging.getLogger(__name__)

_GOING = ".deleting-"
"""The name of a folder begins so while it is deleted."""

_UNSUITABLE = re.compile(r"[^\w-]+")


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """A session in a list.

    Attributes:
        folder: where it lies.
        name: for people.
        frames: how many it has.
        seconds: from the first to the last.
        dropped: frames that were not written.
        bytes: on the disk.
        labelled: the offline pass ran over it.
        problem: what is wrong with it, in one sentence; else empty.
        damaged: it cannot be opened at all.
    """

    folder: Path
    name: str
    frames: int
    seconds: float
    dropped: int
    bytes: int
    labelled: bool
    problem: str = ""
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session as its small files describe it; its frames and labels are not read.

    Attributes:
        folder: where it lies.
        title: for people.
        frames: how many; None while it is being recorded, or after a crash.
        labelled: the offline pass has labelled it.
    """

    folder: Path
    title: str
    frames: int | None
    labelled: bool


def new_session_folder(name: str, home: Path | None = None, now: datetime | None = None) -> Path:
    """Makes a folder that was not there yet, named after the time and the session.

    The folder is made at once, so that two programs that begin in the same second record into two folders.

    Args:
        name: given by the user; may be empty.
        home: where sessions lie; :func:`sessions_folder` when left out.
        now: the time; the present when left out.

    Raises:
        RecordingError: it cannot be made.
    """
    home = home or sessions_folder()
    stamp = (now or datetime.now()).strftime("%Y-%m-%d_%H-%M-%S")
    suitable = _UNSUITABLE.sub("-", name.strip()).strip("-")[:40]
    stem = f"{stamp}_{suitable}" if suitable else stamp
    try:
        return make_new_folder(home, stem)
    except OSError as error:
        raise RecordingError(
            f"The recording {home / stem} cannot be made ({error.strerror or error}); check the disk."
        ) from None


def next_number(home: Path) -> int:
    """The number of the next session: one more than the largest there is."""
    return 1 + max((session_order(path.parent)[0] for path in home.glob(f"*/{SESSION_FILE}")), default=0)


def list_sessions(home: Path | None = None) -> list[SessionEntry]:
    """All sessions, the newest first; one that cannot be opened is listed with the reason."""
    home = home or sessions_folder()
    if not home.is_dir():
        return []
    folders = [
        folder for folder in home.iterdir() if not folder.name.startswith(_GOING) and (folder / SESSION_FILE).is_file()
    ]
    return [_entry(folder) for folder in sorted(folders, key=session_order, reverse=True)]


def summarize_sessions(home: Path) -> list[SessionSummary]:
    """All sessions, the oldest first, quickly enough for the thread of the window; damaged ones are left out."""
    summaries = []
    for path in sorted(home.glob(f"*/{SESSION_FILE}"), key=lambda path: session_order(path.parent)):
        try:
            content = read_json(path)
            title = str(content.get("name") or path.parent.name)
        except FILE_FAULTS:
            continue
        try:
            frames: int | None = int(read_json(path.parent / COMPLETE_FILE)["frames"])
        except FILE_FAULTS:
            frames = None
        summaries.append(SessionSummary(path.parent, title, frames, (path.parent / OFFLINE_FILE).is_file()))
    return summaries


def delete_session(folder: Path) -> None:
    """Deletes a session with all its pictures; there is no way back.

    Raises:
        RecordingError: it is no session, or something of it cannot be deleted.
    """
    clear_away(set_aside(folder))


def set_aside(folder: Path) -> Path:
    """Takes a session out of the list at once, so that a deletion that is interrupted leaves no half session in it.

    Returns:
        The folder that is to be cleared away.

    Raises:
        RecordingError: it is no session, or may not be renamed.
    """
    if not (folder / SESSION_FILE).is_file():
        raise RecordingError(f"{folder} is not a recording, so it is not deleted.")
    try:
        return folder.rename(folder.with_name(_GOING + folder.name))
    except OSError as error:
        raise _cannot_delete(folder, error) from None


def clear_away(folder: Path) -> None:
    """Deletes what was set aside; 100,000 pictures take a while.

    Raises:
        RecordingError: something of it cannot be deleted.
    """
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise _cannot_delete(folder, error) from None


def clear_leftovers(home: Path) -> None:
    """Deletes what is left of deletions that the end of a program broke off."""
    with suppress(OSError):
        for folder in list(home.glob(f"{_GOING}*")):
            shutil.rmtree(folder, ignore_errors=True)  # another window may be at it


def _cannot_delete(folder: Path, error: OSError) -> RecordingError:
    return RecordingError(f"{folder} cannot be deleted ({error.strerror or error}); delete what is left of it by hand.")


def _entry(folder: Path) -> SessionEntry:
    size = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it may be deleted meanwhile
            size += path.stat().st_size if path.is_file() else 0
    labelled = (folder / OFFLINE_FILE).is_file()
    try:
        recording = open_recording(folder)
    except RecordingError as error:
        return SessionEntry(folder, folder.name, 0, 0.0, 0, size, labelled, str(error), damaged=True)
    except Exception as error:
        # one damaged session must not take the list of all others along
        logger.exception("session %s", folder)
        sentence = f"{folder} cannot be opened ({fault_of(error)}); restore a copy, or delete it."
        return SessionEntry(folder, folder.name, 0, 0.0, 0, size, labelled, sentence, damaged=True)
    name = recording.info.name or folder.name
    repairs = " ".join(recording.repairs)
    return SessionEntry(
        folder, name, len(recording.frames), _seconds(recording), recording.dropped, size, labelled, repairs
    )


def _seconds(recording: Recording) -> float:
    if not recording.frames:
        return 0.0
    return (recording.frames[-1].capture_time_ns - recording.frames[0].capture_time_ns) / 1e9
