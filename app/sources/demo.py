"""The demo clip that ships with the product: what plays where there is no camera."""

from __future__ import annotations

from app.sources.video import VideoSource
from assets import ASSETS_DIR

DEMO_CLIP = ASSETS_DIR / "demo" / "demo.mp4"
"""A few seconds of our own rendered hand."""


DEMO_TITLE = "Demo clip"


def demo_source(*, loop: bool = True) -> VideoSource:
    """The demo clip as a source."""
    return VideoSource(DEMO_CLIP, loop=loop, kind="demo", title=DEMO_TITLE)
