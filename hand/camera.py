"""Pinhole camera: intrinsics, projection, and the pixel convention.

Camera axes are OpenCV's: x right, y down, z forward, metres. The centre of the top-left pixel is (0, 0), so a
picture of width W covers -0.5 to W - 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from hand.errors import IntrinsicsError

DEFAULT_LONGER_SIDE_FOV_DEG = 62.0
"""Field of view assumed for an unknown webcam, along the longer side of its pictures; typical laptop and desk webcams
lie between 55 and 78 degrees."""


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Focal lengths and principal point of one camera at one picture size.

    Attributes:
        fx_px: horizontal focal length in pixels.
        fy_px: vertical focal length in pixels.
        cx_px: principal point, x.
        cy_px: principal point, y.
        width_px: picture width the numbers hold for.
        height_px: picture height the numbers hold for.
        assumed: True when they come from a default field of view, not from a calibration or the user.
    """

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    width_px: int
    height_px: int
    assumed: bool = False

    def __post_init__(self) -> None:
        numbers = (self.fx_px, self.fy_px, self.cx_px, self.cy_px)
        if not all(math.isfinite(number) for number in numbers) or self.fx_px <= 0 or self.fy_px <= 0:
            raise IntrinsicsError(
                f"Camera intrinsics need finite numbers and positive focal lengths, got fx, fy, cx, cy = {numbers}; "
                "check the values or leave them out to use the default field of view."
            )
        if self.width_px <= 0 or self.height_px <= 0:
            raise IntrinsicsError(
                f"Camera intrinsics need a positive picture size, got {self.width_px} x {self.height_px}."
            )

    @classmethod
    def from_fov(
        cls, width_px: int, height_px: int, longer_side_fov_deg: float = DEFAULT_LONGER_SIDE_FOV_DEG
    ) -> Intrinsics:
        """Square pixels and a centred principal point, from a field of view.

        Args:
            width_px: width of the picture.
            height_px: height of the picture.
            longer_side_fov_deg: along the longer side, so that a camera on its side is still the same camera.

        Raises:
            IntrinsicsError: the angle is not between 1 and 179 degrees.
        """
        if not 1.0 <= longer_side_fov_deg <= 179.0:
            raise IntrinsicsError(f"A field of view lies between 1 and 179 degrees, got {longer_side_fov_deg}.")
        focal_px = 0.5 * max(width_px, height_px) / math.tan(math.radians(longer_side_fov_deg) / 2.0)
        return cls(focal_px, focal_px, (width_px - 1) / 2.0, (height_px - 1) / 2.0, width_px, height_px, assumed=True)

    @classmethod
    def from_text(cls, text: str, width_px: int, height_px: int) -> Intrinsics:
        """Parses "fx,fy,cx,cy" in pixels, as given on the command line.

        Raises:
            IntrinsicsError: not four finite numbers.
        """
        try:
            fx, fy, cx, cy = (float(part) for part in text.split(","))
        except ValueError:
            raise IntrinsicsError(
                f"Intrinsics are four numbers in pixels, fx,fy,cx,cy (for example 620,620,319.5,239.5), got {text!r}."
            ) from None
        return cls(fx, fy, cx, cy, width_px, height_px)

    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """The camera matrix K."""
        return np.array([[self.fx_px, 0.0, self.cx_px], [0.0, self.fy_px, self.cy_px], [0.0, 0.0, 1.0]])

    def scaled_to(self, width_px: int, height_px: int) -> Intrinsics:
        """The same camera when its picture is resized; the half-pixel shift of the convention is accounted for."""
        x, y = width_px / self.width_px, height_px / self.height_px
        return replace(
            self,
            fx_px=self.fx_px * x,
            fy_px=self.fy_px * y,
            cx_px=(self.cx_px + 0.5) * x - 0.5,
            cy_px=(self.cy_px + 0.5) * y - 0.5,
            width_px=width_px,
            height_px=height_px,
        )

    def mirrored(self) -> Intrinsics:
        """The camera of the left-right mirrored picture."""
        return replace(self, cx_px=self.width_px - 1 - self.cx_px)

    def turned(self, quarter_turns: int) -> Intrinsics:
        """The camera of the picture turned clockwise; each right angle takes pixel (x, y) to (height - 1 - y, x)."""
        turned = self
        for _ in range(quarter_turns % 4):
            turned = replace(
                turned,
                fx_px=turned.fy_px,
                fy_px=turned.fx_px,
                cx_px=turned.height_px - 1 - turned.cy_px,
                cy_px=turned.cx_px,
                width_px=turned.height_px,
                height_px=turned.width_px,
            )
        return turned


def project(points_m: Float[np.ndarray, "*batch 3"], intrinsics: Intrinsics) -> Float[np.ndarray, "*batch 2"]:
    """Projects points in camera axes (metres) to pixels.

    Points at or behind the camera plane have no image; they come out as NaN rather than as a plausible wrong pixel.
    """
    depth = points_m[..., 2]
    safe = np.where(depth > 1e-6, depth, np.nan)
    x = intrinsics.fx_px * points_m[..., 0] / safe + intrinsics.cx_px
    y = intrinsics.fy_px * points_m[..., 1] / safe + intrinsics.cy_px
    return np.stack([x, y], -1)


def back_project(
    points_px: Float[np.ndarray, "*batch 2"], depth_m: Float[np.ndarray, "*batch"], intrinsics: Intrinsics
) -> Float[np.ndarray, "*batch 3"]:
    """Points in camera axes (metres) seen at the given pixels and depths (z, metres)."""
    x = (points_px[..., 0] - intrinsics.cx_px) / intrinsics.fx_px * depth_m
    y = (points_px[..., 1] - intrinsics.cy_px) / intrinsics.fy_px * depth_m
    return np.stack([x, y, np.broadcast_to(depth_m, x.shape)], -1)
