"""The compiled loops of :mod:`hand.raster`: triangles into a visibility buffer, and that buffer into pixels."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

NEAR_DEPTH: Final = 1e-3
"""Smallest depth that is drawn, in the unit of the depths: a millimetre when they are metres."""

_SUBPIXEL_BITS: Final = 12
_SUBPIXEL: Final = 1 << _SUBPIXEL_BITS
_GUARD_BAND: Final = 32768.0
"""Farthest coordinate in samples; beyond it the edge functions could overflow 63 bits."""

_FACE_MASK: Final = (1 << 32) - 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def draw_triangles(
    points: np.ndarray,
    depth: np.ndarray,
    faces: np.ndarray,
    attributes: np.ndarray,
    cull: bool,
    first_face: int,
    samples: int,
    visibility: np.ndarray,
    planes: np.ndarray,
    drawn_box: np.ndarray,
) -> None:
    """Fills the visibility buffer and the planes of each face; `drawn_box` (x0, y0, x1, y1; ends exclusive) grows.

    A face's planes hold its anchor sample (x, y, unused), then 1/depth and each value/depth as (at the anchor, along x,
    along y): these are linear in the picture. The anchor is the first sample of the face's bounding box, where float32
    stays precise. Face 0 stands for "nothing".
    """
    height, width = visibility.shape
    count, channels = attributes.shape
    # what belongs to a vertex is worked out once, not for each of its half a dozen faces
    snapped = np.empty((count, 2), np.int64)
    drawable = np.empty(count, np.bool_)
    over_depth = np.empty((count, channels + 1))
    for v in range(count):
        x, y = (points[v, 0] + 0.5) * samples - 0.5, (points[v, 1] + 0.5) * samples - 0.5
        # NaN fails as well
        drawable[v] = depth[v] > NEAR_DEPTH and abs(x) < _GUARD_BAND and abs(y) < _GUARD_BAND
        if drawable[v]:
            snapped[v, 0], snapped[v, 1] = np.int64(np.rint(x * _SUBPIXEL)), np.int64(np.rint(y * _SUBPIXEL))
            over_depth[v, 0] = 1.0 / depth[v]
            for k in range(channels):
                over_depth[v, k + 1] = over_depth[v, 0] * attributes[v, k]
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        if not (drawable[a] and drawable[b] and drawable[c]):
            continue
        xa, ya = snapped[a, 0], snapped[a, 1]
        xb, yb = snapped[b, 0], snapped[b, 1]
        xc, yc = snapped[c, 0], snapped[c, 1]
        area = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
        if area == 0 or (cull and area > 0):  # y points down: a normal towards the camera has a negative area
            continue
        if area < 0:
            b, c = c, b
            xb, yb, xc, yc = xc, yc, xb, yb
        x0 = max(np.int64(0), -((-min(xa, xb, xc)) >> _SUBPIXEL_BITS))  # ceil
        x1 = min(np.int64(width - 1), max(xa, xb, xc) >> _SUBPIXEL_BITS)
        y0 = max(np.int64(0), -((-min(ya, yb, yc)) >> _SUBPIXEL_BITS))
        y1 = min(np.int64(height - 1), max(ya, yb, yc) >> _SUBPIXEL_BITS)
        if x0 > x1 or y0 > y1:
            continue
        drawn_box[0], drawn_box[1] = min(drawn_box[0], x0), min(drawn_box[1], y0)
        drawn_box[2], drawn_box[3] = max(drawn_box[2], x1 + 1), max(drawn_box[3], y1 + 1)

        # Edge functions (Pineda, SIGGRAPH 1988), not negative inside. A sample exactly on an edge belongs to the
        # triangle for which that is a top or a left edge; the other edges are moved in by one unit.
        ax, ay = yb - yc, xc - xb
        bx, by = yc - ya, xa - xc
        cx, cy = ya - yb, xb - xa
        sx, sy = x0 * _SUBPIXEL, y0 * _SUBPIXEL
        edge_a = ax * (sx - xb) + ay * (sy - yb) - (0 if ax > 0 or (ax == 0 and ay > 0) else 1)
        edge_b = bx * (sx - xc) + by * (sy - yc) - (0 if bx > 0 or (bx == 0 and by > 0) else 1)
        edge_c = cx * (sx - xa) + cy * (sy - ya) - (0 if cx > 0 or (cx == 0 and cy > 0) else 1)
        ax, bx, cx = ax * _SUBPIXEL, bx * _SUBPIXEL, cx * _SUBPIXEL
        ay, by, cy = ay * _SUBPIXEL, by * _SUBPIXEL, cy * _SUBPIXEL

        # planes through the snapped corners, so that values and coverage belong to the same triangle
        face = first_face + t
        planes[face, 0, 0], planes[face, 0, 1] = x0, y0
        scale = 1.0 / abs(np.float64(area))
        ux, uy, wx, wy = xb - xa, yb - ya, xc - xa, yc - ya
        ox, oy = np.float64(sx - xa), np.float64(sy - ya)
        for k in range(channels + 1):
            va, vb, vc = over_depth[a, k], over_depth[b, k], over_depth[c, k]
            along_x = ((vb - va) * wy - (vc - va) * uy) * scale
            along_y = ((vc - va) * ux - (vb - va) * wx) * scale
            planes[face, k + 1, 0] = va + along_x * ox + along_y * oy
            planes[face, k + 1, 1] = along_x * _SUBPIXEL
            planes[face, k + 1, 2] = along_y * _SUBPIXEL

        # The inner loop has no branch. Positive floats order like their bits, so keys order by nearness.
        inverse, inverse_dx, inverse_dy = planes[face, 1, 0], planes[face, 1, 1], planes[face, 1, 2]
        for y in range(y0, y1 + 1):
            row = visibility[y, x0 : x1 + 1]
            for i in range(x1 + 1 - x0):
                inside = ((edge_a + i * ax) | (edge_b + i * bx) | (edge_c + i * cx)) >= 0
                nearness = np.float32(inverse + np.float32(i) * inverse_dx)
                key = (np.int64(np.float32(nearness).view(np.int32)) << 32) | face
                row[i] = max(row[i], key if inside else np.int64(0))
            edge_a += ay
            edge_b += by
            edge_c += cy
            inverse += inverse_dy


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _resolve_row(
    visibility: np.ndarray,
    planes: np.ndarray,
    samples: int,
    x0: int,
    y: int,
    mixed: np.ndarray,
    values: np.ndarray,
    coverage: np.ndarray,
) -> None:
    """Averages the samples of one row of pixels from `x0` on into values (times coverage) and coverage.

    A pixel that shows one face, as most do, is evaluated once, at its centre; only at edges every sample is.
    """
    width, channels = values.shape
    share = np.float32(1.0 / (samples * samples))
    middle = np.float32(0.5 * (samples - 1))
    top = visibility[y * samples, x0 * samples : (x0 + width) * samples]
    mixed[:] = 0
    for j in range(samples):
        row = visibility[y * samples + j, x0 * samples : (x0 + width) * samples]
        for i in range(samples):
            for n in range(width):
                mixed[n] |= (row[n * samples + i] ^ top[n * samples]) & _FACE_MASK
    for n in range(width):
        x = x0 + n
        if mixed[n] == 0:
            face = np.uint64(top[n * samples] & _FACE_MASK)
            if face == 0:
                coverage[n] = 0.0
                for k in range(channels):
                    values[n, k] = 0.0
                continue
            coverage[n] = 1.0
            dx = np.float32(x * samples) + middle - planes[face, 0, 0]
            dy = np.float32(y * samples) + middle - planes[face, 0, 1]
            depth = np.float32(1.0) / (planes[face, 1, 0] + dx * planes[face, 1, 1] + dy * planes[face, 1, 2])
            for k in range(channels):
                value = planes[face, k + 2, 0] + dx * planes[face, k + 2, 1] + dy * planes[face, k + 2, 2]
                values[n, k] = value * depth
            continue
        for k in range(channels):
            values[n, k] = 0.0
        covered = 0
        for v in range(y * samples, (y + 1) * samples):
            for u in range(x * samples, (x + 1) * samples):
                face = np.uint64(visibility[v, u] & _FACE_MASK)
                if face == 0:
                    continue
                covered += 1
                dx, dy = np.float32(u) - planes[face, 0, 0], np.float32(v) - planes[face, 0, 1]
                weight = share / (planes[face, 1, 0] + dx * planes[face, 1, 1] + dy * planes[face, 1, 2])
                for k in range(channels):
                    value = planes[face, k + 2, 0] + dx * planes[face, k + 2, 1] + dy * planes[face, k + 2, 2]
                    values[n, k] += value * weight
        coverage[n] = np.float32(covered) * share


@numba.njit(cache=True, nogil=True, error_model="numpy")
def resolve_pixels(
    visibility: np.ndarray, planes: np.ndarray, samples: int, box: np.ndarray, values: np.ndarray, coverage: np.ndarray
) -> None:
    """Values (times coverage) and coverage of the pixels inside `box`."""
    mixed = np.empty(max(box[2] - box[0], 0), np.int64)
    for y in range(box[1], box[3]):
        _resolve_row(
            visibility, planes, samples, box[0], y, mixed, values[y, box[0] : box[2]], coverage[y, box[0] : box[2]]
        )


@numba.njit(cache=True, nogil=True)
def find_nearest(
    visibility: np.ndarray, samples: int, box: np.ndarray, inverse_depth: np.ndarray, face_id: np.ndarray
) -> None:
    """Inverse depth and face of the nearest sample of each pixel inside `box`."""
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            key = np.int64(0)
            for v in range(y * samples, (y + 1) * samples):
                for u in range(x * samples, (x + 1) * samples):
                    key = max(key, visibility[v, u])
            if key != 0:
                inverse_depth[y, x] = np.int32(key >> 32).view(np.float32)
                face_id[y, x] = (key & _FACE_MASK) - 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def composite_pixels(
    visibility: np.ndarray,
    planes: np.ndarray,
    samples: int,
    box: np.ndarray,
    alpha: np.float32,
    red: int,
    clear: bool,
    picture: np.ndarray,
) -> None:
    """Resolves row by row and lays the colours (0..1) over a picture inside `box`.

    `red` is the picture's channel of the first value, 0 or 2; green is 1, and blue what is left of the three. With
    `clear` each row of samples is emptied behind its pixels.
    """
    zero, one, most, half = np.float32(0.0), np.float32(1.0), np.float32(255.0), np.float32(0.5)
    share = one / np.float32(samples * samples)
    middle = np.float32(0.5 * (samples - 1))
    blue, strength, width = 2 - red, alpha * most, max(box[2] - box[0], 0)
    mixed = np.empty(width, np.int64)
    for y in range(box[1], box[3]):
        top = visibility[y * samples, box[0] * samples : box[2] * samples]
        mixed[:] = 0
        for j in range(samples):
            row = visibility[y * samples + j, box[0] * samples : box[2] * samples]
            for i in range(samples):
                for n in range(width):
                    mixed[n] |= row[n * samples + i] ^ top[n * samples]
        for n in range(width):
            x = box[0] + n
            if mixed[n] & _FACE_MASK == 0:
                face = np.uint64(top[n * samples] & _FACE_MASK)
                if face == 0:
                    continue
                # most pixels show one face: it is evaluated once, at their centre
                dx = np.float32(x * samples) + middle - planes[face, 0, 0]
                dy = np.float32(y * samples) + middle - planes[face, 0, 1]
                depth = one / (planes[face, 1, 0] + dx * planes[face, 1, 1] + dy * planes[face, 1, 2])
                r = (planes[face, 2, 0] + dx * planes[face, 2, 1] + dy * planes[face, 2, 2]) * depth
                g = (planes[face, 3, 0] + dx * planes[face, 3, 1] + dy * planes[face, 3, 2]) * depth
                b = (planes[face, 4, 0] + dx * planes[face, 4, 1] + dy * planes[face, 4, 2]) * depth
                keep = one - alpha
            else:
                covered, r, g, b = 0, zero, zero, zero
                for v in range(y * samples, (y + 1) * samples):
                    for u in range(x * samples, (x + 1) * samples):
                        face = np.uint64(visibility[v, u] & _FACE_MASK)
                        if face == 0:
                            continue
                        covered += 1
                        dx, dy = np.float32(u) - planes[face, 0, 0], np.float32(v) - planes[face, 0, 1]
                        weight = share / (planes[face, 1, 0] + dx * planes[face, 1, 1] + dy * planes[face, 1, 2])
                        r += (planes[face, 2, 0] + dx * planes[face, 2, 1] + dy * planes[face, 2, 2]) * weight
                        g += (planes[face, 3, 0] + dx * planes[face, 3, 1] + dy * planes[face, 3, 2]) * weight
                        b += (planes[face, 4, 0] + dx * planes[face, 4, 1] + dy * planes[face, 4, 2]) * weight
                keep = one - np.float32(covered) * share * alpha
            picture[y, x, red] = np.int32(
                min(max(np.float32(picture[y, x, red]) * keep + r * strength + half, zero), most)
            )
            picture[y, x, 1] = np.int32(min(max(np.float32(picture[y, x, 1]) * keep + g * strength + half, zero), most))
            picture[y, x, blue] = np.int32(
                min(max(np.float32(picture[y, x, blue]) * keep + b * strength + half, zero), most)
            )
        if clear:
            visibility[y * samples : (y + 1) * samples, box[0] * samples : box[2] * samples].fill(0)
