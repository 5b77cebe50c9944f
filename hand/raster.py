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

import numpy as np
from jaxtyping import Float, Int, UInt8

from hand.raster_kernels import NEAR_DEPTH, composite_pixels, draw_triangles, find_nearest, resolve_pixels

__all__ = ["NEAR_DEPTH", "RasterImage", "Rasterizer"]


@dataclass(frozen=True, slots=True, eq=False)
class RasterImage:
    """A rendered mesh per pixel, without a background.

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
        self._drawn_box = np.zeros(4, np.int64)
        self._forget_drawing()

    def _forget_drawing(self) -> None:
        """The buffer is empty again."""
        self._drawn_box[:] = (self._visibility.shape[1], self._visibility.shape[0], 0, 0)
        self._faces_drawn = 0

    def clear(self) -> None:
        """Empties the buffer; only the touched rectangle is written."""
        x0, y0, x1, y1 = self._drawn_box
        self._visibility[y0:y1, x0:x1] = 0
        self._forget_drawing()

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
                f"Rasterizer.draw needs {self.channels} values and one depth for each of {len(points_px)} points, "
                f"got attributes of shape {attributes.shape} and {len(depth)} depths."
            )
        first_face = 1 + self._faces_drawn
        self._faces_drawn += len(faces)
        missing = 1 + self._faces_drawn - len(self._planes)
        if missing > 0:
            room = max(missing, len(self._planes))
            self._planes = np.concatenate([self._planes, np.zeros((room, self.channels + 2, 3), np.float32)])
        draw_triangles(
            np.asarray(points_px, np.float64),
            np.asarray(depth, np.float64),
            np.ascontiguousarray(faces, np.int32),
            np.ascontiguousarray(attributes, np.float32),
            cull_back_faces,
            first_face,
            self.samples,
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

    def image(self) -> RasterImage:
        """The picture of values, coverage, depth and faces, in arrays of its own."""
        box = np.array(self.drawn_box_px, np.int64)
        shape = self.height_px, self.width_px
        values, coverage = np.zeros((*shape, self.channels), np.float32), np.zeros(shape, np.float32)
        resolve_pixels(self._visibility, self._planes, self.samples, box, values, coverage)
        inverse_depth = np.zeros(shape, np.float32)
        face_id = np.full(shape, -1, np.int32)
        find_nearest(self._visibility, self.samples, box, inverse_depth, face_id)
        depth = np.full(coverage.shape, np.inf, np.float32)
        np.divide(1.0, inverse_depth, out=depth, where=inverse_depth > 0)
        return RasterImage(values, coverage, depth, face_id)

    def composite(
        self, picture: UInt8[np.ndarray, "height width channels"], *, alpha: float = 1.0, clear: bool = False
    ) -> None:
        """Blends what was drawn into a picture in place, anti-aliased.

        The first three values of the vertices are red, green and blue, 0 to 1.

        Args:
            picture: the background, changed in place: RGB, or BGRA with four channels; A stays as it is.
            alpha: opacity of the mesh, 0 to 1.
            clear: also empty the buffer, as :meth:`clear` does, but row by row while it is still in the cache.

        Raises:
            ValueError: the picture has another size or type, or the vertices bring fewer than three values.
        """
        wanted = (self.height_px, self.width_px)
        fits = picture.shape in ((*wanted, 3), (*wanted, 4)) and picture.dtype == np.uint8
        if not fits or self.channels < 3:
            raise ValueError(
                f"Rasterizer.composite needs a uint8 picture of shape {wanted} with 3 or 4 channels and at least 3 "
                f"values a vertex, got {picture.dtype} {picture.shape} and {self.channels} values."
            )
        box = np.array(self.drawn_box_px, np.int64)
        red = 0 if picture.shape[2] == 3 else 2
        composite_pixels(self._visibility, self._planes, self.samples, box, np.float32(alpha), red, clear, picture)
        if clear:
            self._forget_drawing()
