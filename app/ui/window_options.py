"""Options of the window."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.networks.live_network import LiveNetwork
from app.outputs.address import StreamAddress
from app.palette import ThemeName
from app.pipeline.intrinsics_choice import IntrinsicsChoice
from app.pipeline.output_reason import OutputMode
from app.pipeline.paths.hand_path import PathFactory
from app.pipeline.paths.smoothing import Smoothing
from app.sources.choose import ChosenSource, SourceOptions
from hand.model import HandModel
from hand.types import PathId

ViewName = Literal["side by side", "three", "combined", "network", "ik", "output"]
RendererChoice = Literal["auto", "opengl", "software"]


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """Options of the window.

    Attributes:
        chosen: the first source.
        model: the hand model the paths use.
        hand_model_file: where it was read from; None for the embedded one.
        hand_calibration: where the shape of the user's hand is kept; None for the user's data folder.
        paths: factories of the paths.
        smoothing: the filter behind the paths.
        live_network: the network of the paths, to be swapped; None where there is nothing to swap.
        output_mode: which hand the output follows at first.
        view: what is shown at first; where there is one path, that one.
        source_options: how further sources are opened.
        streams: where the output hand is sent from the start.
        lens: the user's settings for intrinsics.
        mirror: mirror pictures; None mirrors cameras alone.
        quarter_turns: turn pictures clockwise by so many right angles first.
        theme: colours; "system" follows the desktop.
        renderer: what draws the mesh; "auto" takes OpenGL where a graphics card does it.
        size: of the window, None for the default.
        settings_file: where choices are kept between starts; None keeps none.
        frames: close after so many shown results; None stays open.
        screenshot: save the window here, then close.
        opening_note: shown once at the start; a sentence, or empty.
        retry_s: interval at which a source that failed is tried again.
    """

    chosen: ChosenSource
    model: HandModel
    paths: dict[PathId, PathFactory]
    hand_model_file: Path | None = None
    hand_calibration: Path | None = None
    smoothing: Smoothing = field(default_factory=Smoothing)
    live_network: LiveNetwork | None = None
    output_mode: OutputMode = OutputMode.FUSED
    view: ViewName = "side by side"
    source_options: SourceOptions = field(default_factory=SourceOptions)
    streams: tuple[StreamAddress, ...] = ()
    lens: IntrinsicsChoice = field(default_factory=IntrinsicsChoice)
    mirror: bool | None = None
    quarter_turns: int = 0
    theme: ThemeName | Literal["system"] = "system"
    renderer: RendererChoice = "auto"
    size: tuple[int, int] | None = None
    settings_file: Path | None = None
    frames: int | None = None
    screenshot: Path | None = None
    opening_note: str = ""
    retry_s: float = 1.0
