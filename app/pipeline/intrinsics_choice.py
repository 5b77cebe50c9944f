"""Which intrinsics hold for a picture: the user's, else the source's own, else a default field of view."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hand.camera import DEFAULT_LONGER_SIDE_FOV_DEG, Intrinsics


@dataclass(frozen=True, slots=True)
class IntrinsicsChoice:
    """The user's settings for the camera's intrinsics.

    Attributes:
        intrinsics_text: "fx,fy,cx,cy" in pixels of the picture as the source gives it, or None.
        longer_side_fov_deg: field of view along the longer side, or None.
    """

    intrinsics_text: str | None = None
    longer_side_fov_deg: float | None = None

    def __post_init__(self) -> None:
        self.intrinsics_for(640, 480)  # a wrong text is refused at once, not at the first picture

    def intrinsics_for(self, width_px: int, height_px: int, known: Intrinsics | None = None) -> Intrinsics:
        """Intrinsics of a picture of this size.

        Args:
            width_px: width of the picture.
            height_px: height of the picture.
            known: the source's own, which the user's settings override.

        Raises:
            IntrinsicsError: the text or the angle is not usable.
        """
        if self.intrinsics_text is not None:
            return Intrinsics.from_text(self.intrinsics_text, width_px, height_px)
        if self.longer_side_fov_deg is not None:
            return replace(Intrinsics.from_fov(width_px, height_px, self.longer_side_fov_deg), assumed=False)
        if known is not None:
            return known.scaled_to(width_px, height_px)
        return Intrinsics.from_fov(width_px, height_px, DEFAULT_LONGER_SIDE_FOV_DEG)

    def describe(self, known: Intrinsics | None = None) -> str:
        """For people and reports.

        Args:
            known: the source's own, as in :meth:`intrinsics_for`.
        """
        if self.intrinsics_text is not None:
            return f"intrinsics fx,fy,cx,cy = {self.intrinsics_text} px"
        if self.longer_side_fov_deg is not None:
            return f"field of view {self.longer_side_fov_deg:g} degrees"
        if known is not None:
            numbers = ",".join(f"{n:.6g}" for n in (known.fx_px, known.fy_px, known.cx_px, known.cy_px))
            return f"the source's own intrinsics fx,fy,cx,cy = {numbers} px"
        return f"default field of view {DEFAULT_LONGER_SIDE_FOV_DEG:g} degrees"
