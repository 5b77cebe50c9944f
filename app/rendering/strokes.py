"""Lines, dots and rings with soft edges, drawn into a picture in one compiled call.

OpenCV draws as well, but one call per line, and each gives the interpreter lock away and has to wait for it again:
with two paths at work the waiting took longer than the drawing.
"""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float, UInt8

FILLED = -1.0
"""In place of a ring's thickness."""

COLUMNS = 9
"""Of a shape: both ends (x, y, x, y), radius, thickness, and the colour in the picture's own channel order."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _paint(picture: np.ndarray, shapes: np.ndarray) -> None:
    height, width = picture.shape[:2]
    half, zero, one = np.float32(0.5), np.float32(0.0), np.float32(1.0)
    for s in range(len(shapes)):
        x0, y0, x1, y1, radius, thickness = shapes[s, :6]
        outer = radius + half + max(half * thickness, zero)
        if not (np.isfinite(x0 + x1 + y0 + y1) and outer < np.float32(1e6)):
            continue
        color_0, color_1, color_2 = shapes[s, 6], shapes[s, 7], shapes[s, 8]
        plain_0, plain_1, plain_2 = np.uint8(color_0 + half), np.uint8(color_1 + half), np.uint8(color_2 + half)
        outer_2 = outer * outer
        inner_2 = -one if thickness >= zero or radius < half else (radius - half) * (radius - half)
        along_x, along_y = x1 - x0, y1 - y0
        per_length_2 = one / max(along_x * along_x + along_y * along_y, np.float32(1e-12))
        left, right = max(min(x0, x1) - outer, zero), min(max(x0, x1) + outer, np.float32(width - 1))
        top, bottom = max(min(y0, y1) - outer, zero), min(max(y0, y1) + outer, np.float32(height - 1))
        if left > right or top > bottom:
            continue
        for y in range(int(top), int(np.ceil(bottom)) + 1):
            dy = np.float32(y) - y0
            # of a long line only the part that is near this row
            first, last = zero, one
            if abs(along_y) > one:
                first, last = (dy - outer) / along_y, (dy + outer) / along_y
                first, last = max(min(first, last), zero), min(max(first, last), one)
                if first > last:
                    continue
            from_x, to_x = x0 + first * along_x, x0 + last * along_x
            row_left = max(min(from_x, to_x) - outer, left)
            row_right = min(max(from_x, to_x) + outer, right)
            for x in range(int(row_left), int(np.ceil(row_right)) + 1):
                dx = np.float32(x) - x0
                share = min(max((dx * along_x + dy * along_y) * per_length_2, zero), one)
                off_x, off_y = dx - share * along_x, dy - share * along_y
                distance_2 = off_x * off_x + off_y * off_y
                if distance_2 >= outer_2:
                    continue
                if distance_2 <= inner_2:  # most of a line is covered wholly
                    picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = plain_0, plain_1, plain_2
                    continue
                distance = np.sqrt(distance_2)
                if thickness >= zero:
                    cover = half * thickness + half - abs(distance - radius)
                else:
                    cover = radius + half - distance
                cover = min(max(cover, zero), one)
                before_0, before_1, before_2 = (
                    np.float32(picture[y, x, 0]),
                    np.float32(picture[y, x, 1]),
                    np.float32(picture[y, x, 2]),
                )
                picture[y, x, 0] = np.uint8(before_0 + (color_0 - before_0) * cover + half)
                picture[y, x, 1] = np.uint8(before_1 + (color_1 - before_1) * cover + half)
                picture[y, x, 2] = np.uint8(before_2 + (color_2 - before_2) * cover + half)


def paint_shapes(picture: UInt8[np.ndarray, "height width channels"], shapes: Float[np.ndarray, "N 9"]) -> None:
    """Draws shapes one over the other, in place.

    Args:
        picture: 3 or 4 channels, the first three are written; the centre of its first pixel is (0, 0).
        shapes: a row each: a round-ended line from one end to the other, or a dot where both are the same. The radius
            is half the line's width; with a thickness of 0 or more only a ring at the radius is drawn, for dots.
    """
    _paint(picture, np.ascontiguousarray(shapes, np.float32))
