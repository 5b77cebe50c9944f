"""Single pictures and folders of pictures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from app.sources.base import EndOfSource, Picture, ReadFailure, SourceFacts
from app.sources.files import file_signature, printable, printable_name
from app.sources.picture_files import PICTURE_SUFFIXES, read_picture
from app.sources.picture_listing import list_pictures
from hand.errors import SourceError

FOLDER_PICTURES_PER_SECOND = 2.0
"""Slow enough to view each picture."""

HELD_PICTURES_PER_SECOND = 10.0
"""A held single picture goes through the paths again and again, so that they converge as on a still hand."""


class PictureSource:
    """One picture, once or held."""

    def __init__(self, path: Path, *, hold: bool = False) -> None:
        """Opens nothing yet.

        Args:
            path: the picture.
            hold: give the same picture again and again.
        """
        self._path = path
        self._hold = hold
        self._image_rgb: np.ndarray | None = None
        self._given = False
        self._signature: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        return printable_name(self._path)

    def open(self) -> SourceFacts:
        """Reads the picture.

        Raises:
            SourceError: missing, or not a picture.
        """
        self._signature = file_signature(self._path)
        self._image_rgb, self._given = read_picture(self._path), False
        height, width = self._image_rgb.shape[:2]
        count = None if self._hold else 1
        return SourceFacts(self.name, "picture", width, height, HELD_PICTURES_PER_SECOND, frame_count=count)

    def read(self) -> Picture | EndOfSource | ReadFailure:
        """The picture, or the end when it was given and is not held."""
        if self._image_rgb is None or (self._given and not self._hold):
            return EndOfSource()
        self._given = True
        return Picture(self._image_rgb, time.monotonic_ns())

    def close(self) -> None:
        self._image_rgb = None

    def may_be_back(self) -> bool:
        """True once the file changed or appeared."""
        return file_signature(self._path) not in (None, self._signature)


class FolderSource:
    """The pictures of a folder in natural order; one that cannot be read is reported and skipped."""

    def __init__(
        self, folder: Path, *, loop: bool = False, frames_per_second: float | None = None, subfolders: bool = False
    ) -> None:
        """Opens nothing yet.

        Args:
            folder: with pictures in it.
            loop: start again at its end.
            frames_per_second: pictures per second.
            subfolders: play those of its subfolders too.
        """
        self._folder = folder
        self._subfolders = subfolders
        self.loops = loop
        self._frames_per_second = frames_per_second or FOLDER_PICTURES_PER_SECOND
        self._files: tuple[Path, ...] = ()
        self._next = self._failures_in_a_row = 0

    @property
    def length(self) -> int:
        """Number of pictures."""
        return len(self._files)

    @property
    def position(self) -> int:
        """Index of the picture that the next read gives."""
        return self._next

    def seek(self, index: int) -> None:
        """Goes to a picture."""
        self._next = max(0, min(index, len(self._files) - 1))

    @property
    def name(self) -> str:
        return printable_name(self._folder) or printable(self._folder)

    def open(self) -> SourceFacts:
        """Lists the pictures.

        Raises:
            SourceError: no such folder, or no picture in it.
        """
        if not self._folder.is_dir():
            raise SourceError(
                f"There is no folder at {printable(self._folder)}; check the path, or choose another source."
            )
        listing = list_pictures(self._folder, subfolders=self._subfolders)
        self._files, self._next, self._failures_in_a_row = listing.files, 0, 0
        if not self._files:
            kinds = ", ".join(suffix[1:] for suffix in PICTURE_SUFFIXES)
            sentence = f"There is no picture in the folder {printable(self._folder)}; expected files of type {kinds}."
            raise SourceError(f"{sentence} {listing.skipped}".rstrip())
        count = None if self.loops else len(self._files)
        return SourceFacts(self.name, "folder", 0, 0, self._frames_per_second, frame_count=count, note=listing.skipped)

    def read(self) -> Picture | EndOfSource | ReadFailure:
        """The next picture; a damaged one is a failure that is skipped, and a whole round of them the end."""
        if self._next >= len(self._files):
            if not self.loops or self._failures_in_a_row >= len(self._files):
                return EndOfSource()
            self._next = 0
        path, time_ns = self._files[self._next], round(self._next * 1e9 / self._frames_per_second)
        self._next += 1
        try:
            image_rgb = read_picture(path)
        except SourceError as error:
            self._failures_in_a_row += 1
            return ReadFailure(str(error), skipped=True)
        self._failures_in_a_row = 0
        return Picture(image_rgb, time.monotonic_ns(), time_ns)

    def close(self) -> None:
        """Releases the list."""
        self._files = ()

    def may_be_back(self) -> bool:
        """True once there is a picture in it."""
        try:
            return self._folder.is_dir() and bool(list_pictures(self._folder, subfolders=self._subfolders).files)
        except (SourceError, OSError):
            return False
