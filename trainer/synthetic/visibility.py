"""Which joints are seen: skin over the joint, and nothing else, at its pixel."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from hand.joints import mano_joint_to_common
from hand.raster import RasterImage
from trainer.synthetic.surface import HandSurface


class JointVisibility:
    """Tells for one hand's surface how much flesh may lie over each joint.

    Attributes:
        flesh_m: how far the surface may be before a joint; more than that is something else.
    """

    def __init__(self, surface: HandSurface) -> None:
        """Measures the fingers."""
        self.flesh_m: Float[np.ndarray, "21"] = np.full(21, 0.030)
        common = mano_joint_to_common()
        for digit in surface.digits:
            first = int(common[digit.first_joint])
            self.flesh_m[first : first + 3] = 0.001 * (1.35 * digit.half_breadths_mm[:3] + 4.0)
            self.flesh_m[first + 3] = 0.001 * (0.6 * digit.half_breadths_mm[3] + 4.0)
        self.flesh_m[[1, 5, 9, 13, 17]] += 0.006  # knuckles and the thumb's base lie under the palm's pads

    def __call__(
        self,
        joints_m: Float[np.ndarray, "21 3"],
        joints_px: Float[np.ndarray, "21 2"],
        drawn: RasterImage,
        hand_faces: int,
    ) -> Bool[np.ndarray, "21"]:
        """Looks at the pixel of each joint.

        Args:
            joints_m: camera axes.
            joints_px: where they are in the picture.
            drawn: hand first, then everything else.
            hand_faces: how many of the faces are the hand's.
        """
        height, width = drawn.depth.shape
        place_px = np.nan_to_num(np.rint(joints_px), nan=-1.0)
        inside = (place_px >= 0).all(1) & (place_px[:, 0] < width) & (place_px[:, 1] < height)
        x, y = np.clip(place_px, 0, [width - 1, height - 1]).astype(int).T
        before_joint_m = joints_m[:, 2] - drawn.depth[y, x]
        # a tip joint is on the skin and may miss the silhouette by a pixel: nothing is in front of it then
        allowed_m = np.where(drawn.face_id[y, x] < hand_faces, self.flesh_m, 0.0)
        return inside & (before_joint_m < allowed_m)
