"""Every colour of the product, for the window and for pictures written to files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ThemeName = Literal["dark", "light"]
Rgb = tuple[int, int, int]

FINGER_COLORS: Final[tuple[str, ...]] = ("#f5a65b", "#45c8b5", "#6aa9ff", "#b391ff", "#ff7fa6")
"""Thumb, index, middle, ring, pinky; distinct in lightness too, for eyes that cannot distinguish the hues."""

PALM_COLOR: Final = "#e8ebf0"
"""The wrist joint and the bones of the palm."""

HALO_COLOR: Final = "#101216"
"""Under every overlay stroke, so that it shows on bright and dark pictures alike."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one theme, as #rrggbb.

    Attributes:
        name: which theme.
        window: behind everything.
        surface: cards and bars.
        raised: buttons and fields.
        hover: the same under the pointer.
        border: hairlines.
        text: what is read first.
        muted: labels and hints.
        accent: what is chosen or focused.
        on_accent: text on the accent colour.
        warning: something needs the user.
        stage_center: middle of the background behind the mesh.
        stage_edge: its corners.
        picture: behind the camera picture.
        network: what belongs to the network, in plots and headings.
        ik: what belongs to MediaPipe + IK.
    """

    name: ThemeName
    window: str
    surface: str
    raised: str
    hover: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    warning: str
    stage_center: str
    stage_edge: str
    picture: str
    network: str
    ik: str


DARK: Final = Theme(
    name="dark",
    window="#14161a",
    surface="#1b1e24",
    raised="#262a33",
    hover="#303642",
    border="#2e333d",
    text="#eceef2",
    muted="#9ca5b4",
    accent="#45c8b5",
    on_accent="#06201c",
    warning="#f5b461",
    stage_center="#343a45",
    stage_edge="#181b20",
    picture="#0d0e11",
    network="#6aa9ff",
    ik="#f5a65b",
)

LIGHT: Final = Theme(
    name="light",
    window="#eef0f3",
    surface="#ffffff",
    raised="#f3f5f7",
    hover="#e6e9ee",
    border="#d5dae1",
    text="#1a1e24",
    muted="#5a6372",
    accent="#0b7a6d",
    on_accent="#ffffff",
    warning="#9a5b00",
    stage_center="#fdfdfe",
    stage_edge="#d9dee5",
    picture="#dfe3e8",
    network="#1f5fc4",
    ik="#a85a00",
)

THEMES: Final[dict[ThemeName, Theme]] = {"dark": DARK, "light": LIGHT}


def rgb(color: str) -> Rgb:
    """#rrggbb as three numbers from 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
