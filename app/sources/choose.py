"""From what the user typed or clicked to a source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from app.sources.address import SCHEMES, AddressSource, is_address, without_secrets
from app.sources.base import FrameSource, ReadFailure, SourceFacts
from app.sources.camera import CameraSource
from app.sources.camera_formats import CameraFormat
from app.sources.camera_list import first_camera, list_cameras
from app.sources.demo import demo_source
from app.sources.picture_files import is_picture
from app.sources.pictures import FolderSource, PictureSource
from app.sources.video import VideoSource
from hand.errors import SourceError

DEMO = "demo"
"""The text that names the demo clip."""

NO_CAMERA_SENTENCE = "No camera was found, so the demo clip plays; plug a camera in and choose it as the source."


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options for opening a source.

    Attributes:
        size_px: requested from cameras.
        frames_per_second: requested from cameras; files are played at it.
        loop: files start again at their end.
        hold: a single picture stays instead of ending.
        subfolders: a folder's subfolders are read too.
    """

    size_px: tuple[int, int] | None = None
    frames_per_second: float | None = None
    loop: bool = False
    hold: bool = False
    subfolders: bool = False

    def with_format(self, camera_format: CameraFormat | None) -> SourceOptions:
        """The same with a camera's format, if there is one."""
        if camera_format is None:
            return self
        size_px = (camera_format.width_px, camera_format.height_px)
        return replace(self, size_px=size_px, frames_per_second=camera_format.frames_per_second)


@dataclass(frozen=True, slots=True)
class ChosenSource:
    """A source, with a note where it is not what the user might expect.

    Attributes:
        source: not yet open.
        is_camera: mirrored by default in the window.
        is_live: not a camera of this machine, but sets its own pace as they do: frames that wait are out of date.
        note: one sentence or empty.
    """

    source: FrameSource
    is_camera: bool = False
    is_live: bool = False
    note: str = ""


def choose_source(text: str | None, options: SourceOptions) -> ChosenSource:
    """The source that a text names; a camera, file or folder that is not there fails only when it is opened.

    Args:
        text: "demo", a camera's number, device file or name, a file, a folder, a network address; None takes the first
            camera, or the demo clip where there is none.
        options: how to open it.

    Raises:
        SourceError: the text names nothing.
    """
    if text is None:
        return _first_camera_or_demo(options)
    if text == DEMO:
        return ChosenSource(demo_source(loop=options.loop or options.hold))
    if is_address(text):
        return ChosenSource(AddressSource(text), is_live=True)
    if "://" in text:
        raise _no_address(text)
    number = text.removeprefix("/dev/video")
    if number.isdecimal():
        return _camera(int(number), options)
    try:
        path = Path(text).expanduser()
        is_there = path.is_dir() or path.is_file()
    except (OSError, RuntimeError) as error:  # a name too long, a folder without rights, no such home
        raise SourceError(f"{text!r} cannot be used as a source: {error}; give another path.") from None
    if not is_there and without_secrets(text) != text:
        raise _no_address(text)  # an address without its scheme
    # before the suffix is tested, because "USB2.0 Camera" has one too
    if not is_there and any(text.casefold() in camera.name.casefold() for camera in list_cameras()):
        return _camera(text, options)
    if is_there or path.suffix:
        return ChosenSource(_file_source(path, options))
    raise SourceError(
        f"There is no camera, file or folder called {text!r}; give a camera's number or name, the path of a video, "
        f"picture or folder, an address such as http://192.168.1.20:8080/video, or '{DEMO}'."
    )


def _no_address(text: str) -> SourceError:
    schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    return SourceError(f"{without_secrets(text)!r} is no address of a video; it begins with one of {schemes}.")


def _file_source(path: Path, options: SourceOptions) -> FrameSource:
    if path.is_dir():
        return FolderSource(
            path, loop=options.loop, frames_per_second=options.frames_per_second, subfolders=options.subfolders
        )
    if is_picture(path):
        return PictureSource(path, hold=options.hold)
    return VideoSource(path, loop=options.loop, frames_per_second=options.frames_per_second)


def _camera(wanted: int | str, options: SourceOptions) -> ChosenSource:
    source = CameraSource(wanted, size_px=options.size_px, frames_per_second=options.frames_per_second)
    return ChosenSource(source, is_camera=True)


def _first_camera_or_demo(options: SourceOptions) -> ChosenSource:
    camera = first_camera()
    if camera is not None:
        return _camera(camera.index, options)
    return ChosenSource(demo_source(loop=options.loop or options.hold), note=NO_CAMERA_SENTENCE)


class UnusableSource:
    """Stands for a source that could not be chosen, so that the window shows the reason in the usual place."""

    def __init__(self, name: str, sentence: str) -> None:
        self._name = without_secrets(name)
        self._sentence = sentence

    @property
    def name(self) -> str:
        """The text that the user entered."""
        return self._name

    def open(self) -> SourceFacts:
        """Always fails.

        Raises:
            SourceError: the sentence.
        """
        raise SourceError(self._sentence)

    def read(self) -> ReadFailure:
        """Never reached by the capture thread, because ``open`` fails."""
        return ReadFailure(self._sentence)

    def close(self) -> None:
        """Does nothing."""

    def may_be_back(self) -> bool:
        return False
