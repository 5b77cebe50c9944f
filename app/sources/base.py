"""The one protocol behind every source of pictures.

A source only opens, reads and closes; it never sleeps, mirrors or counts. Pacing, mirroring, numbering and coming back
after a failure are the capture thread's work, once for all sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from hand.camera import Intrinsics

SourceKind = Literal["camera", "video", "folder", "picture", "demo", "address"]


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source really delivers, read back after opening.

    Attributes:
        name: for people.
        kind: what it is.
        width_px: picture width, 0 where every picture has its own.
        height_px: picture height, 0 where every picture has its own.
        frames_per_second: of the material, 0 where unknown.
        frame_count: number of pictures, None where there is no end or it is unknown.
        live: the source sets the pace itself (a camera); everything else is paced by its own rate.
        intrinsics: of the camera that took the pictures, where the source has them.
        note: one sentence when the source delivers something else than was requested, else empty.
    """

    name: str
    kind: SourceKind
    width_px: int
    height_px: int
    frames_per_second: float
    frame_count: int | None = None
    live: bool = False
    intrinsics: Intrinsics | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture as the source gives it.

    Attributes:
        image_rgb: the pixels.
        capture_time_ns: ``time.monotonic_ns`` when it arrived.
        media_time_ns: when it is due by the file's own clock, from the file's beginning on; None where there is none.
    """

    image_rgb: UInt8[np.ndarray, "height width 3"]
    capture_time_ns: int
    media_time_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A file gave fewer pictures than it declares, because it is damaged, trimmed or was not copied to its end.

    Attributes:
        promised: pictures declared by the file.
        read: pictures that could be read.
    """

    promised: int
    read: int

    def sentence(self, name: str) -> str:
        """The message for the user."""
        return (
            f"{name} declares {self.promised} frames, of which {self.read} could be read; it may be damaged, "
            "trimmed or only partly copied."
        )


@dataclass(frozen=True, slots=True)
class EndOfSource:
    """There is no further picture.

    Attributes:
        shortfall: what the file declares but does not hold, None where it is whole.
    """

    shortfall: Shortfall | None = None


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """This read gave no picture.

    Attributes:
        sentence: what failed, for the user.
        skipped: only this one picture is lost and the next read continues after it; otherwise the device itself is in
            doubt, and several in a row mean that it is gone.
        gone: it is gone already, and only another ``open`` can help.
    """

    sentence: str
    skipped: bool = False
    gone: bool = False


class FrameSource(Protocol):
    """Where pictures come from. One thread at a time calls it."""

    @property
    def name(self) -> str:
        """For people, also before it is open."""

    def open(self) -> SourceFacts:
        """Starts, or starts again from the beginning.

        Raises:
            SourceError: it cannot be opened; the sentence gives the reason and what to do.
        """

    def read(self) -> Picture | EndOfSource | ReadFailure:
        """The next picture; a camera blocks until it has one."""

    def close(self) -> None:
        """Gives the device or file back; may be called twice, and without ``open``."""

    def may_be_back(self) -> bool:
        """Whether a source that failed is worth another ``open`` now; called about once a second, so it is cheap."""


@runtime_checkable
class SeekableSource(Protocol):
    """Additional methods of a source that is a file."""

    @property
    def length(self) -> int:
        """Number of pictures once it is open, 0 where unknown."""

    @property
    def position(self) -> int:
        """Index of the picture that the next read gives."""

    @property
    def loops(self) -> bool:
        """Whether it starts again at its end by itself."""

    @loops.setter
    def loops(self, loops: bool) -> None: ...

    def seek(self, index: int) -> None:
        """Makes the next read give this picture, or the nearest there is."""
