"""What the window's file dialogs have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from PyQt6.QtWidgets import QMessageBox, QWidget

from app.sources.picture_files import PICTURE_SUFFIXES
from app.sources.video import VIDEO_SUFFIXES


def agrees_to_replace(parent: QWidget, typed: Path, files: Iterable[Path]) -> bool:
    """Whether files may be written: none of them is there, or the user lets it be replaced.

    Qt asks about the name as it was typed only, not about the names that follow from it.

    Args:
        parent: owner of the question.
        typed: the name that Qt has asked about already.
        files: what is written.
    """
    there = [file.name for file in files if file != typed and file.exists()]
    if not there:
        return True
    verb, pronoun = ("exist", "them") if len(there) > 1 else ("exists", "it")
    question = f"{' and '.join(there)} already {verb} in {typed.parent}. Replace {pronoun}?"
    return QMessageBox.question(parent, "Replace files", question) == QMessageBox.StandardButton.Yes


def file_filter(kind: str, suffixes: Sequence[str]) -> str:
    """The filter of a dialog that opens files.

    Args:
        kind: of files, for people, such as "Videos".
        suffixes: such as ".mp4".
    """
    return f"{kind} ({' '.join(f'*{suffix}' for suffix in suffixes)});;All files (*)"


VIDEOS_AND_PICTURES: Final = file_filter("Videos and pictures", (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES))
"""The filter of dialogs that open whatever can be played."""
