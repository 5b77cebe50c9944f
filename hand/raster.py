"""A z-buffer rasteriser for triangle meshes, compiled with numba, for everywhere OpenGL is absent or slow.

It draws vertices that are already projected: points in pixels, a depth, and any number of float values per vertex (a
colour, a normal, a weight). Coverage is decided in exact integer arithmetic on a 1/4096 pixel grid, as a GPU does it,
so neighbouring triangles neither leave a gap nor overlap. Values are interpolated perspective-correctly.

It works in two steps. Drawing fills a visibility buffer: one integer per sample, inverse depth in its upper half and
face number in its lower half, so that the depth test is a plain ``max``, which the compiler turns into vector code.
Resolving then evaluates the values once per pixel, or once per sample at edges, however many layers are hidden.

Conventions:

* The centre of the top-left pixel is (0, 0), as in OpenCV.
* Depth is the distance along the optical axis, positive in front of the camera. A triangle with a corner nearer than
  :data:`NEAR_DEPTH`, so any with a corner behind the camera, is left out whole: hands never come that close.
* Both windings are drawn. With ``cull_back_faces`` a triangle shows only from the side its normal (b - a) x (c - a)
  points to, which is the outside of a hand model's faces; for a closed mesh that is the same picture in half the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np
from jaxtyping import Float, Int, UInt8

NEAR_DEPTH: Final = 1e-3
"""Smallest depth that is drawn, in the unit of the depths: a millimetre when they are metres."""

_SUBPIXEL_BITS: Final = 12
_SUBPIXEL: Final = 1 << _SUBPIXEL_BITS
_GUARD_BAND: Final = 32768.0
"""Farthest coordinate in samples; beyond it the edge functions could overflow 63 bits."""

_FACE_MASK: Final = (1 << 32) - 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _draw(
    points: np.ndarray,
    depth: np.ndarray,
    faces: np.ndarray,
    attributes: np.ndarray,
    cull: bool,
    first_face: int,
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
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        if not (depth[a] > NEAR_DEPTH and depth[b] > NEAR_DEPTH and depth[c] > NEAR_DEPTH):  # NaN fails as well
            continue
        reach_x = max(abs(points[a, 0]), abs(points[b, 0]), abs(points[c, 0]))
        reach_y = max(abs(points[a, 1]), abs(points[b, 1]), abs(points[c, 1]))
        if not (reach_x < _GUARD_BAND and reach_y < _GUARD_BAND):
            continue
        xa, ya = np.int64(np.rint(points[a, 0] * _SUBPIXEL)), np.int64(np.rint(points[a, 1] * _SUBPIXEL))
        xb, yb = np.int64(np.rint(points[b, 0] * _SUBPIXEL)), np.int64(np.rint(points[b, 1] * _SUBPIXEL))
        xc, yc = np.int64(np.rint(points[c, 0] * _SUBPIXEL)), np.int64(np.rint(points[c, 1] * _SUBPIXEL))
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

        # planes through the snapped corners, so that values and coverage speak of the same triangle
        face = first_face + t
        planes[face, 0, 0], planes[face, 0, 1] = x0, y0
        scale = 1.0 / abs(np.float64(area))
        ux, uy, wx, wy = xb - xa, yb - ya, xc - xa, yc - ya
        ox, oy = np.float64(sx - xa), np.float64(sy - ya)
        inverse_a, inverse_b, inverse_c = 1.0 / depth[a], 1.0 / depth[b], 1.0 / depth[c]
        for k in range(1, planes.shape[1]):
            va, vb, vc = inverse_a, inverse_b, inverse_c
            if k > 1:
                va, vb, vc = va * attributes[a, k - 2], vb * attributes[b, k - 2], vc * attributes[c, k - 2]
            along_x = ((vb - va) * wy - (vc - va) * uy) * scale
            along_y = ((vc - va) * ux - (vb - va) * wx) * scale
            planes[face, k, 0] = va + along_x * ox + along_y * oy
            planes[face, k, 1] = along_x * _SUBPIXEL
            planes[face, k, 2] = along_y * _SUBPIXEL

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
def _resolve(
    visibility: np.ndarray, planes: np.ndarray, samples: int, box: np.ndarray, values: np.ndarray, coverage: np.ndarray
) -> None:
    """Averages the samples of the pixels inside `box` into values (times coverage) and coverage.

    A pixel that shows one face, as most do, is evaluated once, at its centre; only at edges every sample is.
    """
    channels = values.shape[2]
    share = np.float32(1.0 / (samples * samples))
    middle = np.float32(0.5 * (samples - 1))
    width = max(box[2] - box[0], 0)
    mixed = np.empty(width, np.int64)
    for y in range(box[1], box[3]):
        top = visibility[y * samples, box[0] * samples : box[2] * samples]
        mixed[:] = 0
        for j in range(samples):
            row = visibility[y * samples + j, box[0] * samples : box[2] * samples]
            for i in range(samples):
                for n in range(width):
                    mixed[n] |= (row[n * samples + i] ^ top[n * samples]) & _FACE_MASK
        for n in range(width):
            x = box[0] + n
            if mixed[n] == 0:
                face = np.uint64(top[n * samples] & _FACE_MASK)
                if face == 0:
                    coverage[y, x] = 0.0
                    for k in range(channels):
                        values[y, x, k] = 0.0
                    continue
                coverage[y, x] = 1.0
                dx = np.float32(x * samples) + middle - planes[face, 0, 0]
                dy = np.float32(y * samples) + middle - planes[face, 0, 1]
                depth = np.float32(1.0) / (planes[face, 1, 0] + dx * planes[face, 1, 1] + dy * planes[face, 1, 2])
                for k in range(channels):
                    value = planes[face, k + 2, 0] + dx * planes[face, k + 2, 1] + dy * planes[face, k + 2, 2]
                    values[y, x, k] = value * depth
                continue
            for k in range(channels):
                values[y, x, k] = 0.0
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
                        values[y, x, k] += value * weight
            coverage[y, x] = np.float32(covered) * share


@numba.njit(cache=True, nogil=True)
def _nearest(
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


@numba.njit(cache=True, nogil=True)
def _blend(values: np.ndarray, coverage: np.ndarray, box: np.ndarray, alpha: np.float32, picture: np.ndarray) -> None:
    """Lays colours (0..1, premultiplied) over a picture inside `box`."""
    zero, most, half = np.float32(0.0), np.float32(255.0), np.float32(0.5)
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if coverage[y, x] > 0:
                keep = np.float32(1.0) - coverage[y, x] * alpha
                for k in range(3):
                    mixed = np.float32(picture[y, x, k]) * keep + values[y, x, k] * (alpha * most) + half
                    picture[y, x, k] = np.int32(min(max(mixed, zero), most))


@dataclass(frozen=True, slots=True, eq=False)
class RasterImage:
    """What a mesh looks like through the pixels, before any background.

    Attributes:
        values: interpolated values times the pixel's coverage ("premultiplied"), 0 where nothing is.
        coverage: share of the pixel's samples that are covered, 0 to 1.
        depth: depth of the nearest sample, infinity where nothing is.
        face_id: face of the nearest sample, -1 where nothing is; the faces of a second draw count on from the first.
    """

    values: Float[np.ndarray, "height width channels"]
    coverage: Float[np.ndarray, "height width"]
    depth: Float[np.ndarray, "height width"]
    face_id: Int[np.ndarray, "height width"]


class Rasterizer:
    """Buffers for one picture size, reused from picture to picture.

    Several draws share one z-buffer until :meth:`clear`, so a scene is drawn part by part in any order. One instance
    serves one thread at a time; the kernels release the interpreter lock.

    Args:
        width_px: picture width.
        height_px: picture height.
        samples: samples per pixel along each axis: 1 is without anti-aliasing, 2 is good, 3 is for stills.
        channels: how many values each vertex brings.
    """

    def __init__(self, width_px: int, height_px: int, *, samples: int = 2, channels: int = 3) -> None:
        if min(width_px, height_px, samples, channels) < 1:
            raise ValueError(
                "A Rasterizer needs a width, a height, samples and channels of at least 1, "
                f"got {width_px}, {height_px}, {samples}, {channels}."
            )
        self.width_px, self.height_px, self.samples, self.channels = width_px, height_px, samples, channels
        self._visibility = np.zeros((height_px * samples, width_px * samples), np.int64)
        self._planes = np.zeros((1, channels + 2, 3), np.float32)
        self._values = np.zeros((height_px, width_px, channels), np.float32)
        self._coverage = np.zeros((height_px, width_px), np.float32)
        self._drawn_box = np.zeros(4, np.int64)
        self._faces_drawn = 0
        self._forget_box()

    def _forget_box(self) -> None:
        self._drawn_box[:] = (self._visibility.shape[1], self._visibility.shape[0], 0, 0)

    def clear(self) -> None:
        """Forgets what was drawn; only the touched rectangle is written."""
        x0, y0, x1, y1 = self._drawn_box
        self._visibility[y0:y1, x0:x1] = 0
        self._forget_box()
        self._faces_drawn = 0

    def draw(
        self,
        points_px: Float[np.ndarray, "V 2"],
        depth: Float[np.ndarray, "V"],
        faces: Int[np.ndarray, "F 3"],
        attributes: Float[np.ndarray, "V channels"],
        *,
        cull_back_faces: bool = False,
    ) -> None:
        """Draws triangles; where several meet, the nearest wins.

        Args:
            points_px: projected vertices; the centre of the top-left pixel is (0, 0).
            depth: depth of each vertex along the optical axis, one unit for all draws.
            faces: vertex indices of each triangle.
            attributes: values to interpolate.
            cull_back_faces: leave out triangles seen from the inside.

        Raises:
            ValueError: the counts of points, depths and values disagree, or values do not match the channels.
        """
        if attributes.shape != (len(points_px), self.channels) or len(depth) != len(points_px):
            raise ValueError(
                f"Rasterizer.draw wants {self.channels} values and one depth for each of {len(points_px)} points, "
                f"got attributes of shape {attributes.shape} and {len(depth)} depths."
            )
        first_face = 1 + self._faces_drawn
        self._faces_drawn += len(faces)
        missing = 1 + self._faces_drawn - len(self._planes)
        if missing > 0:
            room = max(missing, len(self._planes))
            self._planes = np.concatenate([self._planes, np.zeros((room, self.channels + 2, 3), np.float32)])
        _draw(
            (np.asarray(points_px, np.float64) + 0.5) * self.samples - 0.5,
            np.asarray(depth, np.float64),
            np.ascontiguousarray(faces, np.int32),
            np.ascontiguousarray(attributes, np.float32),
            cull_back_faces,
            first_face,
            self._visibility,
            self._planes,
            self._drawn_box,
        )

    @property
    def drawn_box_px(self) -> tuple[int, int, int, int]:
        """Pixel rectangle x0, y0, x1, y1 (ends exclusive) that holds all that was drawn; zeros when nothing was."""
        x0, y0, x1, y1 = (int(value) for value in self._drawn_box)
        if x1 <= x0 or y1 <= y0:
            return 0, 0, 0, 0
        return x0 // self.samples, y0 // self.samples, -(-x1 // self.samples), -(-y1 // self.samples)

    def _resolve(self) -> Int[np.ndarray, "4"]:
        box = np.array(self.drawn_box_px, np.int64)
        _resolve(self._visibility, self._planes, self.samples, box, self._values, self._coverage)
        return box

    def image(self) -> RasterImage:
        """The picture of values, coverage, depth and faces, in arrays of its own."""
        box = self._resolve()
        x0, y0, x1, y1 = box
        values, coverage = np.zeros_like(self._values), np.zeros_like(self._coverage)
        values[y0:y1, x0:x1] = self._values[y0:y1, x0:x1]
        coverage[y0:y1, x0:x1] = self._coverage[y0:y1, x0:x1]
        inverse_depth = np.zeros_like(coverage)
        face_id = np.full(coverage.shape, -1, np.int32)
        _nearest(self._visibility, self.samples, box, inverse_depth, face_id)
        depth = np.full(coverage.shape, np.inf, np.float32)
        np.divide(1.0, inverse_depth, out=depth, where=inverse_depth > 0)
        return RasterImage(values, coverage, depth, face_id)

    def composite(self, picture_rgb: UInt8[np.ndarray, "height width 3"], *, alpha: float = 1.0) -> None:
        """Blends what was drawn into a picture in place, anti-aliased.

        The first three values of the vertices are red, green and blue, 0 to 1.

        Args:
            picture_rgb: the background, changed in place.
            alpha: opacity of the mesh, 0 to 1.

        Raises:
            ValueError: the picture has another size or type, or the vertices bring fewer than three values.
        """
        wanted = (self.height_px, self.width_px, 3)
        if picture_rgb.shape != wanted or picture_rgb.dtype != np.uint8 or self.channels < 3:
            raise ValueError(
                f"Rasterizer.composite wants a uint8 picture of shape {wanted} and at least 3 channels, "
                f"got {picture_rgb.dtype} {picture_rgb.shape} and {self.channels} channels."
            )
        box = self._resolve()
        _blend(self._values, self._coverage, box, np.float32(alpha), picture_rgb)


def rasterize(
    points_px: Float[np.ndarray, "V 2"],
    depth: Float[np.ndarray, "V"],
    faces: Int[np.ndarray, "F 3"],
    attributes: Float[np.ndarray, "V channels"],
    width_px: int,
    height_px: int,
    *,
    samples: int = 1,
    cull_back_faces: bool = False,
) -> RasterImage:
    """Draws one mesh once; :class:`Rasterizer` says what the arguments are and draws many pictures faster."""
    rasterizer = Rasterizer(width_px, height_px, samples=samples, channels=attributes.shape[1])
    rasterizer.draw(points_px, depth, faces, attributes, cull_back_faces=cull_back_faces)
    return rasterizer.image()
