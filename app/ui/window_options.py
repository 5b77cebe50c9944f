"""What the window is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.palette import ThemeName
from app.pipeline.hand_path import PathFactory
from app.pipeline.lens import Lens
from app.sources.choose import ChosenSource, SourceWishes
from hand.model import HandModel
from hand.types import Provider

RendererChoice = Literal["auto", "opengl", "software"]


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """What the window is started with.

    Attributes:
        chosen: the first source.
        model: the hand model the paths use.
        paths: what finds hands.
        provider: the path that is shown.
        wishes: how further sources are opened.
        lens: the user's word on intrinsics.
        mirror: mirror pictures; None mirrors cameras alone.
        theme: colours; "system" follows the desktop.
        renderer: what draws the mesh; "auto" takes OpenGL where a graphics card does it.
        size: of the window, None for the default.
        screenshot: save the window here, then close.
        screenshot_frames: after so many shown results.
        retry_s: how often a source that failed is asked whether it is back.
    """

    chosen: ChosenSource
    model: HandModel
    paths: dict[Provider, PathFactory]
    provider: Provider = "ik"
    wishes: SourceWishes = field(default_factory=SourceWishes)
    lens: Lens = field(default_factory=Lens)
    mirror: bool | None = None
    theme: ThemeName | Literal["system"] = "system"
    renderer: RendererChoice = "auto"
    size: tuple[int, int] | None = None
    screenshot: Path | None = None
    screenshot_frames: int = 60
    retry_s: float = 1.0
