"""Tiles of a picture that are searched separately, for hands too small to be found in the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import UInt8

from ik_baseline.rotated_region import RotatedRegion

TILE_SIZES: Final = (0.5, 0.25)
"""Sides of the tiles over the shorter side of the picture."""

TILE_OVERLAP: Final = 0.5
"""Neighbouring tiles share this much, so that a hand is whole in at least one of them."""

LEAST_TILE_PX: Final = 240
"""The palm model takes 192 pixels: smaller tiles show it hardly more than the whole picture does."""

MOST_TILES: Final = 128
"""Of one size in one picture: in longer strips they lie farther apart."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A square part of a picture, in whole pixels.

    Attributes:
        left_px: its first column.
        top_px: its first row.
        size_px: its side.
    """

    left_px: int
    top_px: int
    size_px: int

    def cut(self, image_rgb: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "size size 3"]:
        """The pixels of the tile, as a view."""
        return image_rgb[self.top_px : self.top_px + self.size_px, self.left_px : self.left_px + self.size_px]

    def to_picture(self, region: RotatedRegion) -> RotatedRegion:
        """A region of the tile as one of the picture."""
        return replace(region, center_x=region.center_x + self.left_px, center_y=region.center_y + self.top_px)


def picture_tiles(width_px: int, height_px: int) -> Iterator[list[Tile]]:
    """The tiles of each size, large ones first, evenly spread over the picture; none for small pictures.

    Args:
        width_px: of the picture.
        height_px: of the picture.
    """
    for share in TILE_SIZES:
        size = int(share * min(width_px, height_px))
        if size < LEAST_TILE_PX:
            return
        across, down = (round((length - size) / (size * (1.0 - TILE_OVERLAP))) + 1 for length in (width_px, height_px))
        thinned = min(1.0, (MOST_TILES / (across * down)) ** 0.5)
        across, down = max(int(across * thinned), 1), max(int(down * thinned), 1)
        lefts = np.linspace(0, width_px - size, across).round().astype(int)
        tops = np.linspace(0, height_px - size, down).round().astype(int)
        yield [Tile(int(left), int(top), size) for top in tops for left in lefts]
